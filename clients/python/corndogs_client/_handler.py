"""The user's function, on one task after the other: a coroutine in the loop, or a call in a thread."""

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .codec import Codec
from .job import Job, Result
from .model import Task

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Handling:
    """A handler that runs on a task."""

    running: asyncio.Task[Result]
    _cancelled: threading.Event

    def cancel(self) -> None:
        """Asks it to end: a coroutine is cancelled, a thread finds it said in its job."""
        self._cancelled.set()
        self.running.cancel()


class Handler(Generic[T]):
    """What runs on each task."""

    def __init__(
        self, function: Callable[[Job[T]], Awaitable[Result] | Result], codec: Codec[T], concurrency: int
    ) -> None:
        self._function: Callable[[Job[T]], Any] = function
        self._codec = codec
        self._threads = None if _is_async(function) else ThreadPoolExecutor(concurrency, "corndogs-handler")

    def start(self, task: Task) -> Handling:
        """Runs it on a task. A payload that can't be read fails like the handler itself."""
        cancelled = threading.Event()
        return Handling(asyncio.create_task(self._handle(task, cancelled)), cancelled)

    async def _handle(self, task: Task, cancelled: threading.Event) -> Result:
        job = Job(task, self._codec.decode(task.payload), cancelled)
        if self._threads is None:
            result: Result = await self._function(job)
            return result
        context = contextvars.copy_context()
        thread: asyncio.Future[Result] = asyncio.wrap_future(self._threads.submit(context.run, self._function, job))
        try:
            return await asyncio.shield(thread)
        except asyncio.CancelledError:
            # A thread can't be ended: it is waited for, so that no more than `concurrency` of them run.
            await asyncio.wait({thread})
            raise

    def close(self) -> None:
        """Starts no more threads. One that still runs is left, and keeps the process until it ends."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def _is_async(function: Callable[..., Any]) -> bool:
    # An object that can be called has its coroutine function in its class.
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
