"""What a worker hands to its handler, and what the handler answers."""

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

from .model import Submit, Task

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job(Generic[T]):
    """A claimed task in the hands of a handler."""

    task: Task
    payload: T
    """The task's payload, by the worker's codec."""
    _cancelled: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """The lease is lost, or the worker stops: whatever the handler returns is dropped.

        A coroutine is cancelled by itself; a handler that runs in a thread can't be, and looks here now and then.
        """
        return self._cancelled.is_set()


@dataclass(frozen=True, slots=True)
class Done:
    """The task is complete; the same as to return None."""


@dataclass(frozen=True, slots=True)
class Next:
    """The task is complete, and another one is submitted in the same atomic step."""

    task: Submit


Result = Done | Next | None
"""What a handler may return."""


class Retry(Exception):
    """Raised by a handler: the task goes back to the state it was claimed from, and is claimable after `delay`.

    That is a failed attempt: a task that has used up its max_attempts goes to the state `dead` instead. None leaves the delay
    to the task's backoff, or to the worker's if it has none; timedelta(0) is at once, or a second if it has one. Delays are
    whole seconds, rounded up, and a year at most. The reason is the task's last_error from then on.
    """

    def __init__(self, delay: timedelta | None = None, reason: str = "") -> None:
        if delay is not None and delay < timedelta(0):
            raise ValueError(f"delay: must not be negative, got {delay}")
        super().__init__(reason or "the handler asked for another try")
        self.delay = delay


class Dead(Exception):
    """Raised by a handler: no other try can help. The task goes to the state `dead`, with the reason as its last_error."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "the handler gave it up")
