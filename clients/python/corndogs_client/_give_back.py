"""How a task goes back that was not finished: the one place that knows."""

import logging
import traceback
from collections.abc import Callable
from datetime import timedelta

from . import errors
from .client import Client
from .job import Dead, Retry
from .model import NO_TIMEOUT, Task

log = logging.getLogger("corndogs_client.worker")

# The server takes no longer delay.
_MAX_DELAY = timedelta(days=365)


async def release(client: Client, task: Task) -> None:
    """Lets a task go, to be claimable at once: its worker stops, which is no failure of the task's."""
    try:
        # A claim has swapped the two states.
        await client.update(task, task.auto_target_state, auto_target_state=task.current_state, timeout=NO_TIMEOUT)
    except errors.CorndogsError as error:
        log.warning("task %s: not given back, its lease runs out instead: %s", task.uuid, error)


async def fail(client: Client, task: Task, why: BaseException, backoff: Callable[[int], timedelta]) -> None:
    """Gives a task back whose handler failed or asked for it; `backoff` is for tasks that have none of their own."""
    if isinstance(why, Retry | Dead):
        message = str(why)
        log.info("task %s, attempt %d: given back: %s", task.uuid, task.attempt, message)
    else:
        message = "".join(traceback.format_exception_only(why)).strip()
        log.error("task %s, attempt %d: failed", task.uuid, task.attempt, exc_info=why)
    try:
        if isinstance(why, Dead):
            back = await client.fail(task, message, dead=True)
        else:
            back = await client.fail(task, message, retry_after=_retry_after(task, why, backoff))
        if back is None:
            log.warning("task %s: it is no longer there, and its failure is dropped", task.uuid)
    except errors.CorndogsError as error:
        log.warning("task %s: not given back, its lease runs out instead: %s", task.uuid, error)


def _retry_after(task: Task, why: BaseException, backoff: Callable[[int], timedelta]) -> timedelta | None:
    """What a failure asks the server for. None is the task's own backoff, and at once for a task without one."""
    delay = why.delay if isinstance(why, Retry) else None
    if delay is None and task.retry_backoff is not None:
        return None
    if delay is None:
        delay = backoff(task.attempt)
    if delay <= timedelta(0) and task.retry_backoff is None:
        return None
    return min(delay, _MAX_DELAY)
