"""What a call may raise. Everything is a CorndogsError."""

import grpc


class CorndogsError(Exception):
    """A call failed; `code` says what kind of failure the server named."""

    def __init__(self, message: str, code: grpc.StatusCode = grpc.StatusCode.UNKNOWN) -> None:
        super().__init__(message)
        self.code = code


class InvalidArgument(CorndogsError):
    """The request breaks a limit; the message names the field and the limit."""


class AlreadyExists(CorndogsError):
    """Another task has that uuid, or the uuid and the unique key point at different tasks."""


class FailedPrecondition(CorndogsError):
    """The server refuses this as things stand; nothing was done."""


class LeaseLost(FailedPrecondition):
    """The task was claimed anew since: it is another worker's, and nothing was done."""


class ResourceExhausted(CorndogsError):
    """Something is full: a queue, or a message that is too large. Nothing was done."""


class Unavailable(CorndogsError):
    """No node gave an answer in the time that was allowed for retries. The call may have been done or not."""


_BY_CODE: dict[grpc.StatusCode, type[CorndogsError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
}


def of(code: grpc.StatusCode, message: str, fenced: bool) -> CorndogsError:
    """The error for an answer's code. `fenced`: the request named an attempt."""
    if fenced and code is grpc.StatusCode.FAILED_PRECONDITION:
        return LeaseLost(message, code)
    return _BY_CODE.get(code, CorndogsError)(message, code)
