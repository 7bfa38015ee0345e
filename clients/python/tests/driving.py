"""What the tests share: a client in an event loop, waits for conditions, workers that run meanwhile."""

import asyncio
import time
import uuid
from contextlib import asynccontextmanager
from datetime import timedelta

from servers import PATIENCE

from corndogs_client import Claim, Client

SECOND = timedelta(seconds=1)
UNKNOWN = uuid.UUID("0192f5e0-1234-7abc-8def-0123456789ab")


def address(server):
    return f"127.0.0.1:{server.port}"


def drive(addresses, script, **options):
    """Runs a script with a client."""

    async def run():
        async with Client(addresses, **options) as client:
            await asyncio.wait_for(script(client), 2 * PATIENCE)

    asyncio.run(run())


async def until(condition, what):
    """Waits for a condition, which may be a coroutine function."""
    patience = time.monotonic() + PATIENCE
    while True:
        met = condition()
        if asyncio.iscoroutine(met):
            met = await met
        if met:
            return met
        assert time.monotonic() < patience, f"waited {PATIENCE} s for {what}"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(*workers):
    """Workers that run while the block does, and stop at its end."""
    runs = [asyncio.create_task(worker.run(handle_signals=False)) for worker in workers]
    try:
        yield runs
    finally:
        for worker in workers:
            worker.stop()
        await asyncio.gather(*runs)


async def states(client, queue):
    return dict((await client.queue_counts(queue)).states)


async def archived(client, task):
    """Whether the task is completed."""
    found = await client.get(task.uuid)
    return found is not None and found.current_state == "completed"


async def take_away(client, task):
    """Another worker gets a task that is held, as after a long pause of its holder."""
    while True:
        held = await client.get(task.uuid)
        await client.clean_up_timed_out(task.queue, at=held.expires_at + SECOND)
        if (taken := await client.claim(Claim(task.queue, lease=600 * SECOND))) is not None:
            return taken
