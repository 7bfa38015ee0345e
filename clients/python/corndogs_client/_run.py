"""Workers that run until a signal."""

import asyncio
import logging
import signal
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, Protocol

log = logging.getLogger("corndogs_client.worker")


class Runnable(Protocol):
    """The part of a worker that is needed."""

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        ...

    def stop(self, *, grace: timedelta | None = None) -> None:
        """Tells it to stop."""
        ...

    async def _run(self) -> None: ...


async def run_workers(*workers: Runnable, handle_signals: bool = True) -> None:
    """Runs workers until all of them have stopped.

    SIGTERM and SIGINT stop them, and a second one ends their grace period. Where one fails, the others stop too, and its
    error is raised.
    """
    signals = _install(workers) if handle_signals else []
    runs = [asyncio.ensure_future(worker._run()) for worker in workers]
    try:
        await asyncio.wait(runs, return_when=asyncio.FIRST_EXCEPTION)
        for worker in workers:
            worker.stop()
        await asyncio.wait(runs)
    except asyncio.CancelledError:
        for run in runs:
            run.cancel()
        await asyncio.wait(runs)
        raise
    finally:
        for signum in signals:
            asyncio.get_running_loop().remove_signal_handler(signum)
    for run in runs:
        run.result()


def _install(workers: tuple[Runnable, ...]) -> list[signal.Signals]:
    """Stops the workers at signals; which ones."""

    def on_signal() -> None:
        for worker in workers:
            worker.stop(grace=timedelta(0) if worker.stopping else None)

    installed: list[signal.Signals] = []
    for signum in (signal.SIGTERM, signal.SIGINT):
        try:
            asyncio.get_running_loop().add_signal_handler(signum, on_signal)
            installed.append(signum)
        except (NotImplementedError, RuntimeError, ValueError):
            log.warning("signals stop no worker here: this is not the main thread, or no Unix")
            break
    return installed


async def first(*waits: Awaitable[Any]) -> None:
    """Waits until one of these is over, and ends the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
