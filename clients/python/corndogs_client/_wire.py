"""Between the model and protobuf's messages."""

import math
from datetime import datetime, timedelta, timezone
from typing import Any

from ._proto import corndogs_pb2 as pb
from .codec import Codec
from .model import Claim, RetryBackoff, Submit, Task

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_MAX_MESSAGE_BYTES = 1024


def seconds(span: timedelta) -> int:
    """Whole seconds, rounded up: a short timeout must not become none. Negative means none, however short."""
    return -1 if span < timedelta(0) else math.ceil(span / timedelta(seconds=1))


def timeout(span: timedelta | None) -> int:
    """A timeout in a submit, a claim or an extension, where 0 leaves it to the server."""
    return 0 if span is None else (seconds(span) or -1)


def nanoseconds(moment: datetime | None) -> int:
    """Since 1970; None is 0."""
    if moment is None:
        return 0
    if moment.tzinfo is None:
        raise ValueError("a time needs a time zone: datetime.now(timezone.utc)")
    return (moment - _EPOCH) // _MICROSECOND * 1000


def milliseconds(span: timedelta) -> int:
    """Rounded up."""
    return math.ceil(span / _MILLISECOND)


def _moment(nanoseconds: int) -> datetime:
    """A time; what lies beyond the calendar is its last day, as times that are far away mean never."""
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return datetime.max.replace(tzinfo=timezone.utc)


def _span(seconds: int) -> timedelta | None:
    if seconds == 0:
        return None
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        return timedelta.max


def message(text: str) -> str:
    """Why a task failed, cut off at a character where it is longer than the server takes."""
    return text.encode("utf-8", "replace")[:_MAX_MESSAGE_BYTES].decode("utf-8", "ignore")


def retry_after(span: timedelta | None, dead: bool) -> int:
    """When a task that failed may be claimed again, where 0 leaves it to the task's backoff."""
    if span is not None and (dead or span < timedelta(0)):
        raise ValueError(f"retry_after: must be none for a dead task, and not negative, got {span}")
    if dead:
        return -1
    return 0 if span is None else max(seconds(span), 1)


def _backoff(wanted: RetryBackoff) -> pb.RetryBackoff:
    return pb.RetryBackoff(
        initial=seconds(wanted.initial),
        cap=0 if wanted.cap is None else seconds(wanted.cap),
        factor_percent=wanted.factor_percent,
        jitter_percent=wanted.jitter_percent,
    )


def _backoff_of(message: pb.RetryBackoff) -> RetryBackoff:
    return RetryBackoff(
        initial=timedelta(seconds=message.initial),
        cap=_span(message.cap),
        factor_percent=message.factor_percent,
        jitter_percent=message.jitter_percent,
    )


def task(message: pb.Task) -> Task:
    """A task that the server answered."""
    return Task(
        uuid=message.uuid,
        queue=message.queue,
        current_state=message.current_state,
        auto_target_state=message.auto_target_state,
        submit_time=_moment(message.submit_time),
        update_time=_moment(message.update_time),
        timeout=_span(message.timeout),
        payload=message.payload,
        priority=message.priority,
        attempt=message.attempt,
        worker=message.worker,
        expires_at=_moment(message.expires_at) if message.expires_at else None,
        not_before=_moment(message.not_before) if message.not_before else None,
        metadata=dict(message.metadata),
        unique_key=message.unique_key,
        claim_timeout=_span(message.claim_timeout),
        max_attempts=message.max_attempts,
        retry_backoff=_backoff_of(message.retry_backoff) if message.HasField("retry_backoff") else None,
        last_error=message.last_error,
    )


def payload(value: Any, codec: Codec[Any]) -> bytes:
    """The bytes of a payload; None is none."""
    return b"" if value is None else codec.encode(value)


def submit(wanted: Submit, codec: Codec[Any]) -> pb.SubmitTaskRequest:
    """A submit, with the client's codec where it has none of its own."""
    return pb.SubmitTaskRequest(
        queue=wanted.queue,
        current_state=wanted.current_state,
        auto_target_state=wanted.auto_target_state,
        timeout=timeout(wanted.timeout),
        payload=payload(wanted.payload, wanted.codec or codec),
        priority=wanted.priority,
        uuid=str(wanted.uuid),
        not_before=nanoseconds(wanted.not_before),
        unique_key=wanted.unique_key,
        metadata=dict(wanted.metadata),
        claim_timeout=0 if wanted.claim_timeout is None else seconds(wanted.claim_timeout),
        max_attempts=wanted.max_attempts,
        retry_backoff=None if wanted.retry_backoff is None else _backoff(wanted.retry_backoff),
    )


def claim(wanted: Claim) -> pb.GetNextTaskRequest:
    """A claim of one task, or the pattern of a claim of many."""
    return pb.GetNextTaskRequest(
        queue=wanted.queue,
        queues=list(wanted.queues),
        current_state=wanted.current_state,
        override_timeout=timeout(wanted.lease),
        override_current_state=wanted.override_current_state,
        override_auto_target_state=wanted.override_auto_target_state,
        worker=wanted.worker,
        wait_ms=milliseconds(wanted.wait),
    )


def complete(held: Task, then: Submit | None, codec: Codec[Any]) -> pb.CompleteTaskRequest:
    """A completion, with the next task where there is one."""
    return pb.CompleteTaskRequest(
        **target(held),
        next_task=None if then is None else submit(then, codec),
    )


def target(held: Task) -> dict[str, Any]:
    """The fields by which every act names the task that it is about."""
    return {
        "uuid": held.uuid,
        "queue": held.queue,
        "current_state": held.current_state,
        "attempt": held.attempt,
    }
