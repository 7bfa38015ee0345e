"""A cluster whose leader is killed while workers work."""

import asyncio
import os
import signal
from collections import Counter
from datetime import timedelta

from driving import drive, running, until

from corndogs_client import Client, Next, Submit, Worker

TASKS = 400
WORKERS = 8
KILLS = 2


def test_the_leaders_death_is_a_pause(cluster):
    """Each task's effect happens once, and nobody sees an error: neither the submitter nor the workers."""

    async def script(client):
        effects, submitted = Counter(), []

        async def handler(job):
            effects[job.payload, job.task.attempt] += 1
            await asyncio.sleep(0.005)
            return Next(Submit("done", job.payload))

        async def submit():
            for number in range(0, TASKS, 4):
                submitted.append((await client.submit(Submit("q", number))).uuid)
                batch = [Submit("q", number + more) for more in range(1, 4)]
                submitted.extend(task.uuid for task in await client.submit_many(batch))

        async def kill():
            for kills in range(1, KILLS + 1):
                await until(lambda: sum(effects.values()) >= TASKS * kills // (KILLS + 1), "some progress")
                leader = await asyncio.to_thread(cluster.leader)
                await asyncio.to_thread(cluster.kill, leader)
                done = sum(effects.values())
                await until(lambda: sum(effects.values()) >= done + WORKERS, "progress without that node")
                cluster.start(leader)

        clients = [Client(cluster.addresses) for _ in range(WORKERS)]
        workers = [Worker(each, "q", handler, concurrency=2, wait=timedelta(seconds=2)) for each in clients]
        async with running(*workers):
            await asyncio.gather(submit(), kill())
            await until(lambda: done_count(client), "all tasks")
        for each in clients:
            await each.close()
        assert effects == {(number, 1): 1 for number in range(TASKS)}
        assert len(set(submitted)) == TASKS
        counts = await client.counts()
        assert {name: row.states for name, row in counts.items()} == {"done": {"submitted": TASKS}}

    drive(cluster.addresses, script)


async def done_count(client):
    return (await client.queue_counts("done")).count == TASKS


def test_a_node_that_is_stuck_is_left(cluster):
    """A node that takes connections and answers nothing is passed over after the time for a try."""

    async def script(client):
        leader = await asyncio.to_thread(cluster.leader)
        stuck = cluster.processes[(leader + 1) % 3]
        os.kill(stuck.pid, signal.SIGSTOP)
        try:
            async with Client(cluster.addresses, try_timeout=timedelta(seconds=0.5)) as impatient:
                uuids = {(await impatient.submit(Submit("q", number))).uuid for number in range(10)}
        finally:
            os.kill(stuck.pid, signal.SIGCONT)
        assert len(uuids) == 10
        assert (await client.queue_counts("q")).count == 10

    drive(cluster.addresses, script)
