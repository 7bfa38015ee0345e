"""Claims tasks, works on them, completes them, until SIGTERM or Ctrl-C.

    python worker.py --submit 10    # puts ten tasks in
    python worker.py                # works them off and waits for more
"""

import argparse
import asyncio
import signal

from corndogs.v1alpha1.corndogs_grpc import CorndogsServiceStub
from corndogs.v1alpha1.corndogs_pb2 import (
    CompleteTaskRequest, GetNextTaskRequest, SubmitTaskRequest)
from grpclib.client import Channel

# A worker that dies gives its task back: after this many seconds another one may claim it.
LEASE_SECONDS = 60


async def submit(corndogs, queue, count):
    for number in range(count):
        request = SubmitTaskRequest(queue=queue, payload=f"task {number}".encode())
        response = await corndogs.SubmitTask(request)
        print("submitted", response.task.uuid, flush=True)


async def work(payload):
    """Your work goes here. It should bear being done twice: a lease may run out."""
    await asyncio.sleep(0.1)
    return payload.decode(errors="replace")


async def work_until(stop, corndogs, queue):
    claim = GetNextTaskRequest(queue=queue, override_timeout=LEASE_SECONDS)
    while not stop.is_set():
        task = (await corndogs.GetNextTask(claim)).task
        if not task.uuid:  # Nothing to do: look again in a second, or stop.
            await asyncio.wait([asyncio.ensure_future(stop.wait())], timeout=1)
            continue
        result = await work(task.payload)
        done = await corndogs.CompleteTask(CompleteTaskRequest(
            uuid=task.uuid, queue=task.queue, current_state=task.current_state))
        # Without a task in the answer, the lease had run out and another worker has it.
        print("completed" if done.task.uuid else "lost", task.uuid, result, flush=True)


async def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--address", default="127.0.0.1:5080", metavar="HOST:PORT")
    options.add_argument("--queue", default="examples")
    options.add_argument("--submit", type=int, metavar="N", help="submit N tasks and exit")
    options = options.parse_args()
    host, port = options.address.rsplit(":", 1)
    stop = asyncio.Event()
    async with Channel(host, int(port)) as channel:
        corndogs = CorndogsServiceStub(channel)
        if options.submit is not None:
            return await submit(corndogs, options.queue, options.submit)
        for signum in (signal.SIGTERM, signal.SIGINT):  # The task at hand is finished first.
            asyncio.get_running_loop().add_signal_handler(signum, stop.set)
        await work_until(stop, corndogs, options.queue)


asyncio.run(main())
