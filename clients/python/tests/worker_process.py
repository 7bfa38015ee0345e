"""A worker in a process of its own: ADDRESS QUEUE GRACE_S. It says which task it has, and holds it for ever."""

import asyncio
import sys
from datetime import timedelta

from corndogs_client import Client, Worker


async def hold(job):
    print("holds", job.task.uuid, flush=True)
    await asyncio.Event().wait()


async def main(address, queue, grace_s):
    async with Client(address) as client:
        await Worker(client, queue, hold, grace=timedelta(seconds=float(grace_s))).run()


asyncio.run(main(*sys.argv[1:]))
