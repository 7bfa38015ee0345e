"""Workers: what becomes of the tasks that they claim."""

import asyncio
import contextvars
import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from driving import SECOND, address, archived, drive, running, states, take_away, until
from servers import PATIENCE, Server

from corndogs_client import (
    RAW,
    Claim,
    Client,
    Dataclass,
    Dead,
    Done,
    InvalidArgument,
    Next,
    Retry,
    RetryBackoff,
    Submit,
    Worker,
    backoff,
)

HERE = Path(__file__).resolve().parent


def at_once(attempt):
    return timedelta(0)


def test_what_a_handler_returns(server):
    @dataclasses.dataclass
    class Page:
        url: str

    async def script(client):
        stored = asyncio.Queue()

        async def fetch(job):
            assert (job.payload, job.task.worker) == (Page("a"), "fetcher")
            return Next(Submit("store", {"fetched": job.payload.url}))

        async def store(job):
            await stored.put(job.payload)
            return Done()

        submitted = await client.submit(Submit("fetch", Page("a"), codec=Dataclass(Page)))
        async with running(
            Worker(client, "fetch", fetch, codec=Dataclass(Page), name="fetcher"), Worker(client, "store", store)
        ):
            assert await stored.get() == {"fetched": "a"}
            await until(lambda: archived(client, submitted), "the completion")
            await until(lambda: no_tasks(client), "the last completion")
        assert stored.empty()

    drive(address(server), script)


async def no_tasks(client):
    return not await client.counts()


def test_no_more_tasks_than_slots_are_claimed(server):
    async def script(client):
        running_now, most, seen = 0, 0, []
        gate = asyncio.Event()

        async def handler(job):
            nonlocal running_now, most
            running_now += 1
            most = max(most, running_now)
            await gate.wait()
            await asyncio.sleep(0.001)
            running_now -= 1
            seen.append(job.payload)

        await client.submit_many(Submit("q", number) for number in range(50))
        async with running(Worker(client, "q", handler, concurrency=3)):
            await until(lambda: running_now == 3, "three at once")
            # The gate is closed: were there a claim too many, it would be seen now.
            assert await states(client, "q") == {"submitted": 47, "submitted-working": 3}
            gate.set()
            await until(lambda: no_tasks(client), "all of them")
        assert (most, sorted(seen)) == (3, list(range(50)))

    drive(address(server), script)


def test_several_queues_and_another_state(server):
    async def script(client):
        seen = []

        async def handler(job):
            seen.append(job.task.queue)

        await client.submit_many(Submit(queue, current_state="ready") for queue in ["a", "b", "c"])
        await client.submit(Submit("a", current_state="other"))
        async with running(Worker(client, "a", handler, queues=["b", "c"], state="ready")):
            await until(lambda: len(seen) == 3, "three tasks")
        assert sorted(seen) == ["a", "b", "c"]
        assert await states(client, "a") == {"other": 1}

    drive(address(server), script)


def test_a_lease_is_kept_while_the_handler_runs(server):
    async def script(client):
        attempts = []

        async def handler(job):
            attempts.append(job.task.attempt)
            # As long as it takes the server to time out another task with the same lease, twice over.
            for _ in range(2):
                other = await client.submit(Submit("other", timeout=1 * SECOND, auto_target_state="late"))
                await until(lambda: is_late(client, other), "another task's timeout")

        task = await client.submit(Submit("q"))
        async with running(Worker(client, "q", handler, lease=SECOND)):
            await until(lambda: archived(client, task), "the completion")
        assert attempts == [1]

    drive(address(server), script)


async def is_late(client, task):
    return (await client.get(task.uuid)).current_state == "late"


def test_a_lost_lease_cancels_the_handler_and_drops_its_result(server):
    async def script(client):
        log = []

        async def handler(job):
            log.append("begun")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                log.append("cancelled")
                # Whatever it makes of it, nothing is submitted.
                return Next(Submit("result", "of one that lost its lease"))

        task = await client.submit(Submit("q", "x"))
        # Its one slot is taken, so that it can't claim the task itself.
        async with running(Worker(client, "q", handler, concurrency=1, lease=3 * SECOND)):
            await until(lambda: log == ["begun"], "the handler")
            held = await take_away(client, task)
            await until(lambda: log == ["begun", "cancelled"], "the cancellation")
        assert (await client.get(task.uuid)).attempt == 2
        assert await client.complete(held) is not None
        assert not await client.counts()

    drive(address(server), script)


def test_a_task_that_was_canceled_cancels_the_handler(server):
    async def script(client):
        held, ended = asyncio.Queue(), asyncio.Event()

        async def handler(job):
            await held.put(job.task)
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        await client.submit(Submit("q"))
        async with running(Worker(client, "q", handler, lease=SECOND)):
            assert (await client.cancel(await held.get())).current_state == "canceled"
            await ended.wait()
        assert not await client.counts()

    drive(address(server), script)


def test_without_any_node_the_lease_is_taken_for_lost(tmp_path):
    """No other worker can have the task yet, but this one can't know."""
    first = Server(tmp_path)

    async def script(client):
        begun, ended = asyncio.Event(), asyncio.Event()

        async def handler(job):
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        await client.submit(Submit("q"))
        async with running(Worker(client, "q", handler, lease=2 * SECOND)):
            await begun.wait()
            first.process.kill()
            first.process.wait()
            await ended.wait()

    drive(address(first), script, retry_for=SECOND)


def test_what_fails_comes_back(server):
    async def script(client):
        attempts = []

        async def handler(job):
            attempts.append((job.task.attempt, job.payload))
            if job.task.attempt == 1:
                raise RuntimeError("not yet")
            if job.task.attempt == 2:
                raise Retry(timedelta(0))
            if job.task.attempt == 3:
                raise Retry(timedelta(milliseconds=1))
            if job.task.attempt == 4:
                return "no result"
            if job.task.attempt == 5:
                return Next(Submit("x" * 256))

        task = await client.submit(Submit("q", "p", priority=3, metadata={"a": "b"}))
        async with running(Worker(client, "q", handler, backoff=at_once)):
            await until(lambda: archived(client, task), "the sixth attempt")
        assert attempts == [(number, "p") for number in range(1, 7)]
        done = await client.get(task.uuid)
        assert (done.priority, done.metadata, done.attempt) == (3, {"a": "b"}, 6)

    drive(address(server), script)


def test_a_delay_is_kept_by_the_server(server):
    async def script(client):
        async def handler(job):
            raise Retry(timedelta(seconds=599.5), "not there yet")

        task = await client.submit(Submit("q", retry_backoff=RetryBackoff(SECOND)))
        async with running(Worker(client, "q", handler)):
            back = await until(lambda: failed(client, task), "the failure")
        assert (back.current_state, back.attempt, back.last_error) == ("submitted", 1, "not there yet")
        assert back.not_before == back.update_time + 600 * SECOND
        assert await client.claim(Claim("q")) is None

    drive(address(server), script)


async def failed(client, task):
    found = await client.get(task.uuid)
    return found if found.last_error else None


def test_a_tasks_own_backoff_goes_before_the_workers(server):
    async def script(client):
        seen = []

        async def handler(job):
            seen.append(job.task)
            raise ValueError(f"number {job.task.attempt}")

        own = RetryBackoff(SECOND, factor_percent=100)
        task = await client.submit(Submit("q", max_attempts=3, retry_backoff=own))
        async with running(Worker(client, "q", handler, backoff=lambda attempt: 600 * SECOND)):
            await until(lambda: is_dead(client, task), "its death")
        assert [held.last_error for held in seen] == ["", "ValueError: number 1", "ValueError: number 2"]
        # Each attempt began when its wait was over: a second after the failure, which came after the claim before.
        for before, after in pairwise(seen):
            assert before.update_time + SECOND <= after.not_before <= after.update_time
        dead = await client.get(task.uuid)
        assert (dead.attempt, dead.last_error, dead.auto_target_state) == (3, "ValueError: number 3", "submitted")

    drive(address(server), script)


def test_a_task_without_a_backoff_takes_the_workers(server):
    async def script(client):
        async def handler(job):
            raise RuntimeError("ü" * 1024)

        task = await client.submit(Submit("q"))
        # A year is the most that the server takes.
        async with running(Worker(client, "q", handler, backoff=lambda attempt: timedelta(days=3650))):
            back = await until(lambda: failed(client, task), "the failure")
        assert back.not_before == back.update_time + timedelta(days=365)
        # One byte is left after the last whole character.
        assert back.last_error == "RuntimeError: " + "ü" * 505

    drive(address(server), script)


def test_a_dead_task_gets_no_more_attempts(server):
    async def script(client):
        async def handler(job):
            raise Dead("no such image")

        task = await client.submit(Submit("q"))
        async with running(Worker(client, "q", handler)):
            await until(lambda: is_dead(client, task), "its death")
        dead = await client.get(task.uuid)
        assert (dead.attempt, dead.last_error) == (1, "no such image")

    drive(address(server), script)


def test_the_default_backoff_doubles_to_a_limit():
    assert [backoff(attempt) for attempt in (1, 2, 3)] == [SECOND, 2 * SECOND, 4 * SECOND]
    assert backoff(9) < backoff(10) == backoff(10_000) == timedelta(minutes=5)


def test_a_payload_that_can_not_be_read_fails(server):
    async def script(client):
        calls = []

        async def handler(job):
            calls.append(job)

        task = await client.submit(Submit("q", b"{", codec=RAW, max_attempts=1))
        async with running(Worker(client, "q", handler)):
            await until(lambda: is_dead(client, task), "its death")
        assert not calls

    drive(address(server), script)


async def is_dead(client, task):
    return (await client.get(task.uuid)).current_state == "dead"


TENANT = contextvars.ContextVar("TENANT")


def test_ordinary_functions_run_in_threads(server):
    async def script(client):
        barrier = threading.Barrier(4)
        seen = []

        def handler(job):
            # Only four threads at once get past.
            barrier.wait(PATIENCE)
            seen.append((job.payload, TENANT.get()))
            if job.task.attempt == 1:
                raise Retry(timedelta(0))
            return Next(Submit("result", job.payload))

        TENANT.set("ours")
        await client.submit_many(Submit("q", number) for number in range(4))
        async with running(Worker(client, "q", handler, concurrency=4)):
            await until(lambda: has(client, "result", {"submitted": 4}), "the results")
        assert Counter(seen) == {(number, "ours"): 2 for number in range(4)}

    drive(address(server), script)


async def has(client, queue, wanted):
    return await states(client, queue) == wanted


def test_a_thread_is_told_that_its_lease_is_lost_and_keeps_its_slot(server):
    async def script(client):
        begun, may_end = [], threading.Event()

        def handler(job):
            begun.append(job)
            if job.payload == "first":
                while not job.cancelled:
                    may_end.wait(0.01)
                may_end.wait(PATIENCE)

        task = await client.submit(Submit("q", "first"))
        async with running(Worker(client, "q", handler, concurrency=1, lease=3 * SECOND)):
            await until(lambda: len(begun) == 1, "the handler")
            held = await take_away(client, task)
            await client.submit(Submit("q", "second"))
            await until(lambda: begun[0].cancelled, "word of the loss")
            assert await states(client, "q") == {"submitted": 1, "submitted-working": 1}
            may_end.set()
            await until(lambda: len(begun) == 2, "the second task")
        assert await client.complete(held) is not None

    drive(address(server), script)


def test_a_stop_lets_handlers_end(server):
    async def script(client):
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def handler(job):
            begun.set()
            await may_end.wait()

        task = await client.submit(Submit("q", 1))
        worker = Worker(client, "q", handler, concurrency=1, grace=600 * SECOND)
        async with running(worker):
            await begun.wait()
            worker.stop()
            other = await client.submit(Submit("q", 2))
            may_end.set()
        assert await archived(client, task)
        assert (await client.get(other.uuid)).attempt == 0

    drive(address(server), script)


def test_what_is_not_finished_is_given_back_at_once(server):
    async def script(client):
        begun, cleaned_up = asyncio.Event(), []

        async def handler(job):
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cleaned_up.append(job.cancelled)

        task = await client.submit(Submit("q", 1, priority=2, timeout=600 * SECOND))
        # The grace period that the worker began with is shortened by a second stop.
        worker = Worker(client, "q", handler, lease=600 * SECOND, grace=600 * SECOND)
        async with running(worker):
            await begun.wait()
            worker.stop()
            assert worker.stopping
            worker.stop(grace=timedelta(0))
        assert cleaned_up == [True]
        back = await client.get(task.uuid)
        assert (back.current_state, back.auto_target_state, back.expires_at) == ("submitted", "submitted-working", None)
        assert (back.payload, back.priority, back.attempt) == (b"1", 2, 1)

    drive(address(server), script)


def test_a_result_in_the_last_moment_counts(server):
    async def script(client):
        begun = asyncio.Event()

        async def handler(job):
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return Next(Submit("rest", "half"))

        task = await client.submit(Submit("q"))
        async with running(Worker(client, "q", handler, grace=timedelta(0))):
            await begun.wait()
        assert await archived(client, task)
        assert await states(client, "rest") == {"submitted": 1}

    drive(address(server), script)


def test_to_cancel_a_run_gives_back_too(server):
    async def script(client):
        begun = asyncio.Event()

        async def handler(job):
            begun.set()
            await asyncio.Event().wait()

        await client.submit(Submit("q"))
        run = asyncio.create_task(Worker(client, "q", handler, lease=600 * SECOND, grace=600 * SECOND).run())
        await begun.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert await states(client, "q") == {"submitted": 1}

    drive(address(server), script)


def test_a_stop_in_the_middle_of_a_claim_keeps_nothing(server):
    """Whatever a claim got that was broken off is claimable again, though its answer was not waited for."""

    async def script(client):
        async def handler(job):
            return None

        done = 0
        for number in range(20):
            worker = Worker(client, "q", handler, lease=600 * SECOND)
            run = asyncio.create_task(worker.run(handle_signals=False))
            # Other moments each time, around the one at which the claim is answered.
            await asyncio.sleep(0.01)
            submit = asyncio.create_task(client.submit(Submit("q", number)))
            await asyncio.sleep(number * 0.0002)
            worker.stop()
            await asyncio.gather(run, submit)
            counts = await states(client, "q")
            assert set(counts) <= {"submitted"}, f"round {number}"
            done += not counts
            for task in await client.claim_many(Claim("q"), 10):
                await client.complete(task)
        print(f"{done} of 20 tasks were done before the stop")

    drive(address(server), script)


def test_claims_that_the_server_refuses_end_the_worker(server):
    async def script(client):
        async def handler(job):
            return None

        with pytest.raises(InvalidArgument, match="queue"):
            await Worker(client, "x" * 256, handler).run()
        worker = Worker(client, "q", handler)
        worker.stop()
        await worker.run()
        with pytest.raises(RuntimeError, match="once"):
            await worker.run()

    drive(address(server), script)


def test_arguments_that_make_no_sense():
    client = Client("127.0.0.1:1")
    with pytest.raises(ValueError, match="concurrency"):
        Worker(client, "q", print, concurrency=0)
    with pytest.raises(ValueError, match="lease"):
        Worker(client, "q", print, lease=timedelta(0))
    with pytest.raises(ValueError, match="delay"):
        Retry(-SECOND)


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]])
def test_signals_stop_a_process(server, signals):
    """One ends it after its grace period, a second one at once."""
    grace_s = "0.1" if len(signals) == 1 else "600"
    command = [sys.executable, str(HERE / "worker_process.py"), address(server), "q", grace_s]
    path = {**os.environ, "PYTHONPATH": str(HERE.parent)}

    async def script(client):
        task = await client.submit(Submit("q"))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=path) as process:
            assert await asyncio.to_thread(process.stdout.readline) == f"holds {task.uuid}\n"
            for signum in signals:
                process.send_signal(signum)
                await asyncio.sleep(0.05)
            assert await asyncio.to_thread(process.wait, PATIENCE) == 0
        back = await client.get(task.uuid)
        assert (back.current_state, back.attempt, back.expires_at) == ("submitted", 1, None)

    drive(address(server), script)
