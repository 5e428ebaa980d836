"""Works a job through TLS with a token, as a worker and application of Camunda 8 do.

    secure.py HOST:PORT CA.pem TOKEN FILE.bpmn...   prints `fine`

The token goes with each call as `authorization: Bearer`, as that of an OAuth server would.
"""

import asyncio
import sys

import grpc
from pyzeebe import Job, ZeebeClient, ZeebeWorker, create_secure_channel


def channel(address: str, ca: str, token: str) -> grpc.aio.Channel:
    with open(ca, "rb") as file:
        tls = grpc.ssl_channel_credentials(root_certificates=file.read())
    both = grpc.composite_channel_credentials(tls, grpc.access_token_call_credentials(token))
    return create_secure_channel(grpc_address=address, channel_credentials=both)


async def refused(address: str, ca: str, token: str) -> None:
    strange = channel(address, ca, token)
    try:
        await ZeebeClient(strange).topology()
    except Exception as error:
        said = f"{error!r} {error.__cause__!r} {getattr(error, 'grpc_error', '')!r}"
        assert "UNAUTHENTICATED" in said, said
    else:
        raise AssertionError("a wrong token was taken")
    finally:
        await strange.close()


async def main(address: str, ca: str, token: str, *files: str) -> None:
    await refused(address, ca, "pm_wrong")
    ours = channel(address, ca, token)
    client = ZeebeClient(ours)
    topology = await client.topology()
    assert topology.cluster_size == 1, topology
    await client.deploy_resource(*files)
    result = await client.run_process_with_result("sums", {"a": 40, "b": 2, "text": "x"})
    assert result.variables["sum"] == 42, result
    worker = ZeebeWorker(ours, stream_enabled=True)

    @worker.task(task_type="secure")
    async def work(job: Job) -> dict:
        return {"worked": True}

    working = asyncio.create_task(worker.work())
    result = await client.run_process_with_result("secured", {})
    assert result.variables == {"worked": True}, result
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await ours.close()
    print("fine")


asyncio.run(main(*sys.argv[1:]))
