"""Workers: they claim tasks, run a handler on each, and keep the leases meanwhile."""

import asyncio
import logging
import os
import random
import socket
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Generic, TypeVar

from . import errors
from ._give_back import fail, release
from ._handler import Handler, Handling
from ._lease import Lease
from ._run import first, run_workers
from .client import Client
from .codec import JSON, Codec
from .job import Done, Job, Next, Result
from .model import Claim, Task

T = TypeVar("T")

log = logging.getLogger("corndogs_client.worker")

# The most that one call claims.
_MAX_CLAIM_TASKS = 1000
# After a claim that failed, on all nodes and for the client's whole time of retries.
_PAUSE_S = 5.0
# How long a claim that was broken off is asked for what it may have claimed.
_ASK_AGAIN_S = 0.5
# What a handler has to clean up in, once it is cancelled.
_CLEAN_UP_S = 5.0
# What it may take to give tasks back after that.
_LAST_S = 10.0
_BACKOFF_CAP_S = 300


def backoff(attempt: int) -> timedelta:
    """The default delay after a failed attempt: a second, doubled with each attempt, five minutes at most."""
    return timedelta(seconds=min(2 ** min(max(attempt, 1) - 1, 30), _BACKOFF_CAP_S))


class Worker(Generic[T]):
    """Claims tasks of a queue and runs `handler` on up to `concurrency` of them at once.

    The handler is a coroutine function, or an ordinary function, which then runs in a thread. What it returns completes the
    task: None or Done, or Next with a task to submit in the same atomic step. If it raises, the attempt has
    failed, and the task goes back to the state it was claimed from with the error as its last_error, claimable after what a
    Retry says, its own retry_backoff, or else `backoff(attempt)`. One that has used up its max_attempts is dead instead, and
    so is one whose handler raises Dead.

    A worker waits for tasks at the server (`wait`) and never claims more than it has free slots. It extends each `lease` (in
    whole seconds, rounded up) at a third of its length. Once a lease is lost, the handler is cancelled and its result dropped:
    another worker may have the task. A handler should bear being run twice on one task, as after a crash between its
    effect and the completion.

    `queues` are claimed from besides `queue`, the best task of all first. `state` is the one to claim from (submitted).
    """

    def __init__(
        self,
        client: Client,
        queue: str,
        handler: Callable[[Job[T]], Awaitable[Result] | Result],
        *,
        concurrency: int = 8,
        lease: timedelta = timedelta(seconds=30),
        state: str = "",
        queues: Sequence[str] = (),
        codec: Codec[T] = JSON,
        name: str = "",
        wait: timedelta = timedelta(seconds=20),
        grace: timedelta = timedelta(seconds=20),
        backoff: Callable[[int], timedelta] = backoff,
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency: must be 1 or more, got {concurrency}")
        if lease <= timedelta(0):
            raise ValueError(f"lease: must be longer than nothing, got {lease}")
        self._client = client
        self._handler = Handler(handler, codec, concurrency)
        self._lease = lease
        self._grace = grace
        self._backoff = backoff
        self._claim = Claim(
            queue,
            queues=tuple(queues),
            current_state=state,
            lease=lease,
            worker=name or f"{socket.gethostname()}-{os.getpid()}",
            wait=wait,
        )
        self._concurrency = concurrency
        self._jobs: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._grace_over = asyncio.Event()
        self._grace_timer: asyncio.TimerHandle | None = None
        self._ran = False

    async def run(self, *, handle_signals: bool = True) -> None:
        """Works until `stop()`, or until SIGTERM or SIGINT; several workers of a process run by `run_workers`.

        Raises InvalidArgument where the server refuses the worker's claims; what else goes wrong is logged, and tried again.
        """
        await run_workers(self, handle_signals=handle_signals)

    def stop(self, *, grace: timedelta | None = None) -> None:
        """Claims no more; handlers may go on for the grace period, then what isn't finished is given back at once.

        May be called again, to shorten the grace period. To be called in the event loop's thread.
        """
        if grace is not None:
            self._grace = grace
            if self._grace_timer is not None:
                self._begin_grace()
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether `stop()` was called."""
        return self._stopping.is_set()

    async def _run(self) -> None:
        if self._ran:
            raise RuntimeError("a worker runs once")
        self._ran = True
        work = asyncio.create_task(self._work())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self.stop(grace=timedelta(0))
            await asyncio.wait({work})
            raise

    async def _work(self) -> None:
        try:
            while not self.stopping:
                free = self._concurrency - len(self._jobs)
                if free > 0:
                    await self._claim_up_to(min(free, _MAX_CLAIM_TASKS))
                else:
                    self._freed.clear()
                    await first(self._freed.wait(), self._stopping.wait())
        finally:
            await self._wind_down()

    async def _claim_up_to(self, free: int) -> None:
        """Claims once, and starts a job for each task."""
        key = uuid.uuid4().hex
        retried = asyncio.Event()
        claim = asyncio.create_task(
            self._client.claim_many(self._claim, free, idempotency_key=key, on_retry=retried.set)
        )
        try:
            await first(asyncio.wait({claim}), self._stopping.wait())
            if not claim.done():
                await self._break_off(claim, key, free)
                return
            tasks = claim.result()
        except errors.InvalidArgument:
            raise
        except errors.CorndogsError as error:
            log.warning("no claim: %s", error)
            await first(asyncio.sleep(random.uniform(0, _PAUSE_S)), self._stopping.wait())
            return
        for task in tasks:
            job = asyncio.create_task(self._process(task, extend_first=retried.is_set()))
            self._jobs.add(job)
            job.add_done_callback(self._job_ended)

    def _job_ended(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        self._freed.set()
        if not job.cancelled() and (error := job.exception()):
            log.error("a job broke off", exc_info=error)

    async def _break_off(self, claim: asyncio.Task[list[Task]], key: str, free: int) -> None:
        """Cancels a claim that waits. It may just have claimed something: asked again by its key, it says what, and that goes back."""
        claim.cancel()
        await asyncio.wait({claim})
        try:
            again = self._client.claim_many(self._claim, free, idempotency_key=key)
            tasks = await asyncio.wait_for(again, _ASK_AGAIN_S)
        except (asyncio.TimeoutError, errors.CorndogsError):
            return
        await asyncio.gather(*(release(self._client, task) for task in tasks))

    async def _process(self, task: Task, extend_first: bool) -> None:
        """Runs the handler on a task for as long as the lease is held, and settles what comes of it."""
        lease = Lease(self._client, task, self._lease)
        # The answer to a claim that was sent more than once may be old.
        if extend_first and not await lease.extend():
            log.warning("task %s: its lease was lost before work on it began", task.uuid)
            return
        handling = self._handler.start(task)
        keeping = asyncio.create_task(lease.keep())
        try:
            either = asyncio.wait({handling.running, keeping}, return_when=asyncio.FIRST_COMPLETED)
            await first(either, self._grace_over.wait())
            if handling.running.done():
                lost = False
            else:
                lost = keeping.done()
                handling.cancel()
                if lost:
                    log.warning("task %s: the lease is lost, and the work on it is dropped", task.uuid)
                    # Its slot is free once it has ended.
                    await first(asyncio.wait({handling.running}), self._grace_over.wait())
                await asyncio.wait({handling.running}, timeout=_CLEAN_UP_S)
        finally:
            keeping.cancel()
            handling.cancel()
        if not lost:
            await self._settle(task, handling)

    async def _settle(self, task: Task, handling: Handling) -> None:
        """Completes the task, or gives it back."""
        running = handling.running
        if not running.done() or running.cancelled():
            if self._grace_over.is_set():
                await release(self._client, task)
                return
            error: BaseException | None = RuntimeError("the handler was cancelled")
        elif (error := running.exception()) is None:
            error = await self._complete(task, running.result())
        if error is not None:
            await fail(self._client, task, error, self._backoff)

    async def _complete(self, task: Task, result: Result) -> Exception | None:
        """Completes the task; where what the handler returned can't be taken, says why, and the task is to go back."""
        try:
            if not isinstance(result, Done | Next | None):
                raise TypeError(f"a handler returns None, Done or Next, got {type(result).__name__}")
            then = result.task if isinstance(result, Next) else None
            if await self._client.complete(task, next_task=then) is None:
                log.warning("task %s: it is no longer there, and the work on it is dropped", task.uuid)
        except errors.LeaseLost as error:
            log.warning("task %s: the lease is lost, and the work on it is dropped: %s", task.uuid, error)
        except errors.Unavailable as error:
            log.error("task %s: not known whether it is completed: %s", task.uuid, error)
        except Exception as error:
            return error
        return None

    async def _wind_down(self) -> None:
        """Waits for the jobs that run, gives back what isn't finished, and leaves what does not end."""
        self._stopping.set()
        # Not before the last claim is broken off, which would get what is given back.
        self._begin_grace()
        if self._jobs:
            await first(asyncio.wait(self._jobs), self._grace_over.wait())
        self._grace_over.set()
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=_CLEAN_UP_S + _LAST_S)
        for job in self._jobs:
            job.cancel()
        self._handler.close()

    def _begin_grace(self) -> None:
        if self._grace_timer is not None:
            self._grace_timer.cancel()
        loop = asyncio.get_running_loop()
        self._grace_timer = loop.call_later(self._grace.total_seconds(), self._grace_over.set)
