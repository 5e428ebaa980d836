"""Calls the gateway as an application with PyPI's pyzeebe does.

    client.py HOST:PORT start COUNT       starts instances; prints their keys as JSON
    client.py HOST:PORT collect ORDER...  publishes the message that the carrier was there
    client.py HOST:PORT check FILE.bpmn   everything else, each with its errors; prints `fine`
"""

import asyncio
import json
import sys

from pyzeebe import ZeebeClient, create_insecure_channel
from pyzeebe.errors import (
    InvalidJSONError,
    MessageAlreadyExistsError,
    ProcessDefinitionHasNoStartEventError,
    ProcessDefinitionNotFoundError,
    ProcessInstanceNotFoundError,
    ProcessInvalidError,
    ProcessTimeoutError,
)


def order(number: int, sku: str = "TEA-001") -> dict:
    item = {"sku": sku, "quantity": 1 + number % 3, "price": 9.9, "weight": 250}
    return {"orderId": f"O-{number:06}", "items": [item]}


async def start(client: ZeebeClient, count: int) -> None:
    starts = [client.run_process("pick-and-pack", order(n)) for n in range(1, count + 1)]
    started = await asyncio.gather(*starts)
    assert all(one.bpmn_process_id == "pick-and-pack" and one.version == 1 for one in started)
    print(json.dumps([one.process_instance_key for one in started]))


async def collect(client: ZeebeClient, orders: list[str]) -> None:
    await asyncio.gather(*[client.publish_message("pickup", one, {"by": one}) for one in orders])


async def refused(call, error: type[Exception]) -> None:
    try:
        answer = await call
    except error:
        return
    raise AssertionError(f"{error.__name__} was expected, not {answer}")


async def check(client: ZeebeClient, file: str) -> None:
    topology = await client.topology()
    assert topology.cluster_size == 1 and topology.partitions_count == 1, topology
    assert len(topology.brokers) == 1 and topology.gateway_version, topology
    health = await client.healthcheck()
    assert health.status == 1, health

    deployed = await client.deploy_resource(file)
    process = deployed.deployments[0]
    assert process.bpmn_process_id == "sums" and process.version == 1, deployed
    again = await client.deploy_resource(file)
    assert again.deployments[0].process_definition_key == process.process_definition_key, again
    await refused(client.deploy_resource(file.replace("sums", "wrong")), ProcessInvalidError)

    result = await client.run_process_with_result("sums", {"a": 40, "b": 2, "text": "Grüße"})
    assert result.variables["sum"] == 42 and result.variables["text"] == "Grüße", result
    result = await client.run_process_with_result(
        "sums", {"a": 1, "b": 2}, variables_to_fetch=["sum"]
    )
    assert result.variables == {"sum": 3}, result
    waits = client.run_process_with_result("pick-and-pack", order(900_001, "LEN-001"), timeout=300)
    await refused(waits, ProcessTimeoutError)

    await refused(client.run_process("nothing-of-that-name"), ProcessDefinitionNotFoundError)
    await refused(client.run_process("sums", version=7), ProcessDefinitionNotFoundError)
    await refused(client.run_process("payment-collection"), ProcessDefinitionHasNoStartEventError)
    await refused(client.run_process("sums", ["no", "object"]), InvalidJSONError)

    instance = await client.run_process("pick-and-pack", order(900_002))
    await client.cancel_process_instance(instance.process_instance_key)
    cancel = client.cancel_process_instance
    await refused(cancel(instance.process_instance_key), ProcessInstanceNotFoundError)
    await refused(cancel(123), ProcessInstanceNotFoundError)

    await client.publish_message("nobody-waits", "key", message_id="once")
    twice = client.publish_message("nobody-waits", "key", message_id="once")
    await refused(twice, MessageAlreadyExistsError)
    print("fine")


async def main(address: str, what: str, arguments: list[str]) -> None:
    channel = create_insecure_channel(grpc_address=address)
    client = ZeebeClient(channel)
    match what:
        case "start":
            await start(client, int(arguments[0]))
        case "collect":
            await collect(client, arguments)
        case "check":
            await check(client, arguments[0])
    await channel.close()


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
