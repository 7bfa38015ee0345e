"""What calls take and give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from .codec import JSON, Codec

T = TypeVar("T")

NO_TIMEOUT = timedelta(seconds=-1)
"""Where a timeout is asked for: none."""


@dataclass(frozen=True, slots=True)
class RetryBackoff:
    """How long a task waits for its next attempt after one that failed or timed out. The server keeps it."""

    initial: timedelta
    """The wait after the first attempt; whole seconds, rounded up, from a second to 365 days."""
    cap: timedelta | None = None
    """The longest wait; None is 365 days."""
    factor_percent: int = 200
    """Each wait is that many times the one before, in percent: 100 is a fixed wait, 10,000 the most."""
    jitter_percent: int = 0
    """Up to so much of each wait is left out, in percent, so that tasks that failed together don't come back together."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it was when the server answered. Times are in UTC, to the microsecond."""

    uuid: str
    queue: str
    current_state: str
    """`completed` and `canceled` are the states of an archived task, whose payload is gone."""
    auto_target_state: str
    """The state that a claim or a timeout swaps with the current one."""
    submit_time: datetime
    update_time: datetime
    timeout: timedelta | None
    payload: bytes
    priority: int
    """Higher is claimed first."""
    attempt: int
    """How often the task was claimed: the fencing token of its lease."""
    worker: str
    """The worker that the last claim named."""
    expires_at: datetime | None
    """When the timeout is due; None where none runs."""
    not_before: datetime | None
    """Not claimable earlier."""
    metadata: Mapping[str, str]
    unique_key: str
    claim_timeout: timedelta | None
    """The timeout that each claim starts with."""
    max_attempts: int
    """A claimed task that fails or times out in that attempt or later is dead; 0 means never."""
    retry_backoff: RetryBackoff | None
    """None: after a failure or a timeout it may be claimed again at once."""
    last_error: str
    """Why the last attempt failed that a worker gave back."""

    def decode(self, codec: Codec[T] = JSON) -> T:
        """The payload, by a codec."""
        return codec.decode(self.payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SubmitOptions:
    current_state: str = ""
    auto_target_state: str = ""
    timeout: timedelta | None = None
    priority: int = 0
    uuid: str | UUID = ""
    not_before: datetime | None = None
    unique_key: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    claim_timeout: timedelta | None = None
    max_attempts: int = 0
    retry_backoff: RetryBackoff | None = None
    codec: Codec[Any] | None = None


@dataclass(frozen=True, slots=True)
class Submit(_SubmitOptions):
    """A task to put in. What is left out takes the server's default.

    `payload` goes through `codec`, or the client's; None is no payload. `timeout` is counted in whole seconds, rounded up;
    None is the server's default, NO_TIMEOUT none at all. `not_before` needs a time zone. A `uuid` of yours, or a
    `unique_key`, admits the task once. `max_attempts`: a claimed task that fails or times out in that attempt is dead.
    `retry_backoff` says when it may be claimed again after an attempt before; at once without one.
    """

    queue: str = ""
    payload: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _ClaimOptions:
    queues: Sequence[str] = ()
    current_state: str = ""
    lease: timedelta | None = None
    override_current_state: str = ""
    override_auto_target_state: str = ""
    worker: str = ""
    wait: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Claim(_ClaimOptions):
    """Which task to claim: the best of `queue` and all `queues`, in one state.

    `lease` is the timeout that starts with the claim, in whole seconds, rounded up: None keeps the task's, NO_TIMEOUT clears it.
    `wait` is how long the server waits for a task, a minute at most. `worker` is a name for people to read.
    """

    queue: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """A task that was completed, and the one that was submitted in the same step."""

    task: Task
    next_task: Task | None


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """The live tasks of a queue."""

    queue: str
    count: int
    states: Mapping[str, int]
    """By current state."""
