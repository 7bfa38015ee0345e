"""A cluster whose leader is killed while workers work."""

import asyncio
from collections import Counter
from datetime import timedelta

from driving import UNKNOWN, address, drive, running, states, take_away, until
from proxy import proxy

from corndogs_client import Claim, Client, Next, Submit, Worker

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


def test_a_node_that_is_stuck_is_left(server):
    """A node that took the call and says nothing is passed over after the time for a try."""

    async def script(client):
        async with proxy(server.port) as one, proxy(server.port) as other:
            # Less than the server takes to find that its connection is dead.
            times = {"try_timeout": timedelta(seconds=0.5), "retry_for": timedelta(seconds=20)}
            async with Client([one.address, other.address], **times) as impatient:
                first = await impatient.submit(Submit("q", 1))
                [used] = [between for between in (one, other) if between.is_used]
                used.deaf = True
                second = await impatient.submit(Submit("q", 2))
                assert one.is_used
                assert other.is_used
            assert first.uuid != second.uuid
            assert (await client.queue_counts("q")).count == 2

    drive(address(server), script)


def test_a_call_whose_answer_is_lost_is_done_once(server):
    """The server does it, the connection breaks before the answer, and the retry is told what was done."""

    async def script(client):
        async with proxy(server.port) as between, Client(between.address) as unlucky:

            async def losing_its_answer(call, effect):
                """What a call answers in the end, though its first answer is lost after its effect is there."""
                assert await unlucky.get(UNKNOWN) is None
                between.deaf = True
                calling = asyncio.ensure_future(call)
                await until(effect, "the effect")
                assert not calling.done()
                between.cut()
                return await calling

            async def q_has(wanted):
                return await states(client, "q") == wanted

            sent = await losing_its_answer(unlucky.submit(Submit("q", 1)), lambda: q_has({"submitted": 1}))
            await client.submit(Submit("q", 2))
            claim = unlucky.claim(Claim("q", lease=timedelta(minutes=10)))
            held = await losing_its_answer(claim, lambda: q_has({"submitted": 1, "submitted-working": 1}))
            assert (held.uuid, held.attempt) == (sent.uuid, 1)
            complete = unlucky.complete(held, next_task=Submit("q", 3))
            done = await losing_its_answer(complete, lambda: q_has({"submitted": 2}))
            assert done.task.uuid == held.uuid
            assert await client.get(done.next_task.uuid) == done.next_task
            assert await q_has({"submitted": 2})

    drive(address(server), script)


def test_a_claim_that_is_answered_too_late_is_not_worked_on(server):
    """The answer to a retry may be as old as its lease."""

    async def script(client):
        handled = []

        async def handler(job):
            handled.append(job.payload)

        async with proxy(server.port) as between, Client(between.address) as unlucky:
            async with running(Worker(unlucky, "q", handler, concurrency=1)):
                await until(lambda: between.is_used, "the worker")
                between.deaf = True
                task = await client.submit(Submit("q", "late"))
                await until(lambda: is_held(client, task), "the claim")
                taken = await take_away(client, task)
                between.cut()
                await client.submit(Submit("q", "next"))
                await until(lambda: handled, "the next task")
        assert handled == ["next"]
        assert await client.complete(taken) is not None

    drive(address(server), script)


async def is_held(client, task):
    return (await client.get(task.uuid)).attempt == 1
