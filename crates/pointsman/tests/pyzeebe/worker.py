"""Works the jobs of the process `pick-and-pack` as a worker of Camunda 8 does.

    worker.py HOST:PORT poll|stream

Prints a line for each job that it takes. What is ordered decides what happens: of `FLK-001` the
first try fails, `OUT-001` is out of stock, `BRK-001` fails until somebody gives more than three tries.
Ends when its standard input does.
"""

import asyncio
import json
import sys

from pyzeebe import Job, ZeebeWorker, create_insecure_channel
from pyzeebe.errors import BusinessError


def note(job: Job) -> None:
    print(json.dumps({"type": job.type, "key": job.key, "retries": job.retries}), flush=True)


def register(worker: ZeebeWorker) -> None:
    @worker.task(task_type="pick-items", max_running_jobs=64, max_jobs_to_activate=64)
    async def pick(job: Job, orderId: str, items: list) -> dict:
        note(job)
        assert job.custom_headers == {"zone": "A"}, job.custom_headers
        assert job.bpmn_process_id == "pick-and-pack" and job.element_id == "pick-items"
        wanted = {item["sku"] for item in items}
        if "OUT-001" in wanted:
            raise BusinessError("OUT_OF_STOCK", f"nothing left for {orderId}")
        if "FLK-001" in wanted and job.retries == 3:
            raise RuntimeError("the ladder is missing")
        if "BRK-001" in wanted and job.retries <= 3:
            raise RuntimeError("the shelf has collapsed")
        return {"picked": sum(item["quantity"] for item in items)}

    @worker.task(task_type="pack-items", max_running_jobs=64, max_jobs_to_activate=64)
    async def pack(job: Job, orderId: str, picked: int) -> dict:
        note(job)
        return {"parcel": {"label": f"{orderId}/Straße 1", "count": picked}, "scribble": "unmapped"}

    @worker.task(task_type="reorder-items", variables_to_fetch=["orderId"])
    async def reorder(job: Job, orderId: str) -> None:
        note(job)
        assert set(job.variables) == {"orderId"}, job.variables


async def main(address: str, way: str) -> None:
    channel = create_insecure_channel(grpc_address=address)
    worker = ZeebeWorker(channel, name=f"py-{way}", stream_enabled=way == "stream")
    register(worker)
    working = asyncio.create_task(worker.work())
    told = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    done, _ = await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
    if working in done:
        # Says why it ended although nobody asked for it.
        working.result()
        sys.exit("the worker stopped by itself")
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await channel.close()


asyncio.run(main(sys.argv[1], sys.argv[2]))
