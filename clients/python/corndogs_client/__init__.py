"""Submits tasks to Corndogs, and works on them, through the death of any node."""

from ._run import run_workers
from .client import Client
from .codec import JSON, RAW, Codec, Dataclass, Pydantic
from .errors import (
    AlreadyExists,
    CorndogsError,
    FailedPrecondition,
    InvalidArgument,
    LeaseLost,
    ResourceExhausted,
    Unavailable,
)
from .job import Dead, Done, Job, Next, Result, Retry
from .model import NO_TIMEOUT, Claim, Completion, QueueCounts, RetryBackoff, Submit, Task
from .worker import Worker, backoff

__all__ = [
    "JSON",
    "NO_TIMEOUT",
    "RAW",
    "AlreadyExists",
    "Claim",
    "Client",
    "Codec",
    "Completion",
    "CorndogsError",
    "Dataclass",
    "Dead",
    "Done",
    "FailedPrecondition",
    "InvalidArgument",
    "Job",
    "LeaseLost",
    "Next",
    "Pydantic",
    "QueueCounts",
    "ResourceExhausted",
    "Result",
    "Retry",
    "RetryBackoff",
    "Submit",
    "Task",
    "Unavailable",
    "Worker",
    "backoff",
    "run_workers",
]
