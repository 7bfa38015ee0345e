"""The calls of Corndogs, on whichever node answers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any
from uuid import UUID

import grpc

from . import _wire
from ._nodes import Nodes
from ._proto import corndogs_pb2 as pb
from .codec import JSON, Codec
from .model import Claim, Completion, QueueCounts, Submit, Task


class Client:
    """Calls to a cluster, or to a single node. One client serves any number of tasks at once, in one event loop.

    A call that gets no answer is sent to the next node, for `retry_for` in all; a node has `try_timeout` to answer. What changes
    something carries an idempotency key, the same for all its tries, so that no retry does it twice: the server remembers
    keys for 10 minutes by default, and `retry_for` must be shorter. Pass an `idempotency_key` of yours where a call is to
    be done once even though your process may die and make it again. Every call raises a CorndogsError where it fails, and
    Unavailable where no node answered.

    `addresses` are HOST:PORT. `codec` is for payloads that name none. `credentials` (grpc.ssl_channel_credentials) make the
    connections TLS.
    """

    def __init__(
        self,
        addresses: str | Sequence[str] = "127.0.0.1:5080",
        *,
        codec: Codec[Any] = JSON,
        retry_for: timedelta = timedelta(seconds=60),
        try_timeout: timedelta = timedelta(seconds=5),
        credentials: grpc.ChannelCredentials | None = None,
        channel_options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        given = [addresses] if isinstance(addresses, str) else list(addresses)
        if not given or not all(given):
            raise ValueError("addresses: at least one HOST:PORT is needed")
        for name, span in [("retry_for", retry_for), ("try_timeout", try_timeout)]:
            if span <= timedelta(0):
                raise ValueError(f"{name}: must be longer than nothing, got {span}")
        self._codec = codec
        self._nodes = Nodes(
            given,
            retry_for=retry_for,
            try_timeout=try_timeout,
            credentials=credentials,
            channel_options=channel_options,
        )

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; calls that are under way are cancelled."""
        await self._nodes.close()

    async def submit(self, task: Submit, *, idempotency_key: str | None = None) -> Task:
        """Puts a task in. Raises AlreadyExists where its uuid is another task's."""
        request = _wire.submit(task, self._codec)
        answer = await self._nodes.call("SubmitTask", request, pb.SubmitTaskResponse, key=idempotency_key)
        return _wire.task(answer.task)

    async def submit_many(self, tasks: Iterable[Submit], *, idempotency_key: str | None = None) -> list[Task]:
        """Puts all of 1 to 1,000 tasks in, or none."""
        request = pb.SubmitTasksRequest(tasks=[_wire.submit(task, self._codec) for task in tasks])
        answer = await self._nodes.call("SubmitTasks", request, pb.SubmitTasksResponse, key=idempotency_key)
        return [_wire.task(task) for task in answer.tasks]

    async def get(self, uuid: str | UUID) -> Task | None:
        """The task as it is now, live or archived; None where there is none."""
        request = pb.GetTaskStateByIDRequest(uuid=str(uuid))
        answer = await self._nodes.call("GetTaskStateByID", request, pb.GetTaskStateByIDResponse, changes=False)
        return _task_of(answer)

    async def claim(self, claim: Claim, *, idempotency_key: str | None = None) -> Task | None:
        """Claims the best task; None where there is none, after the claim's wait."""
        wait_s = claim.wait.total_seconds()
        request = _wire.claim(claim)
        answer = await self._nodes.call(
            "GetNextTask", request, pb.GetNextTaskResponse, key=idempotency_key, wait_s=wait_s
        )
        return _task_of(answer)

    async def claim_many(
        self,
        claim: Claim,
        max_tasks: int,
        *,
        idempotency_key: str | None = None,
        on_retry: Callable[[], None] | None = None,
    ) -> list[Task]:
        """Claims up to `max_tasks` (1 to 1,000) and up to 4 MiB; waits, if it is to, for the first one only.

        `on_retry` is called before the claim is sent once more: its leases may have begun a good while before the answer.
        """
        request = pb.GetNextTasksRequest(next=_wire.claim(claim), max_tasks=max_tasks)
        answer = await self._nodes.call(
            "GetNextTasks",
            request,
            pb.GetNextTasksResponse,
            key=idempotency_key,
            wait_s=claim.wait.total_seconds(),
            on_retry=on_retry,
        )
        return [_wire.task(task) for task in answer.tasks]

    async def update(
        self,
        task: Task,
        new_state: str,
        *,
        auto_target_state: str = "",
        payload: Any = None,
        codec: Codec[Any] | None = None,
        priority: int | None = None,
        timeout: timedelta | None = None,
        idempotency_key: str | None = None,
    ) -> Task | None:
        """Moves a task to another state. What is None stays as it is in `task`: payload, priority, timeout.

        None where no live task is in the state that `task` is in; LeaseLost where it was claimed since.
        """
        span = task.timeout if timeout is None else timeout
        request = pb.UpdateTaskRequest(
            **_wire.target(task),
            new_state=new_state,
            auto_target_state=auto_target_state,
            payload=_wire.payload(payload, codec or self._codec),
            priority=task.priority if priority is None else priority,
            timeout=0 if span is None else _wire.seconds(span),
        )
        answer = await self._nodes.call(
            "UpdateTask", request, pb.UpdateTaskResponse, key=idempotency_key, fenced=task.attempt > 0
        )
        return _task_of(answer)

    async def extend(
        self,
        task: Task,
        lease: timedelta | None = None,
        *,
        retry_for: timedelta | None = None,
        idempotency_key: str | None = None,
    ) -> Task | None:
        """Restarts the timeout from now: with the task's length, or with `lease` (NO_TIMEOUT clears it).

        None where no live task is in the state that `task` is in; LeaseLost where it was claimed since.
        """
        request = pb.ExtendTaskRequest(**_wire.target(task), timeout=_wire.timeout(lease))
        answer = await self._nodes.call(
            "ExtendTask",
            request,
            pb.ExtendTaskResponse,
            key=idempotency_key,
            fenced=task.attempt > 0,
            retry_for_s=None if retry_for is None else retry_for.total_seconds(),
        )
        return _task_of(answer)

    async def complete(
        self, task: Task, *, next_task: Submit | None = None, idempotency_key: str | None = None
    ) -> Completion | None:
        """Ends a task, and submits the next one in the same atomic step.

        None where no live task is in the state that `task` is in; LeaseLost where it was claimed since.
        """
        request = _wire.complete(task, next_task, self._codec)
        answer = await self._nodes.call(
            "CompleteTask", request, pb.CompleteTaskResponse, key=idempotency_key, fenced=task.attempt > 0
        )
        return _completion(answer)

    async def complete_many(
        self, tasks: Iterable[Task], *, idempotency_key: str | None = None
    ) -> list[Completion | None]:
        """Ends 1 to 1,000 tasks, each on its own; None for each that was not as `tasks` says, or was claimed since."""
        request = pb.CompleteTasksRequest(tasks=[_wire.complete(task, None, self._codec) for task in tasks])
        answer = await self._nodes.call("CompleteTasks", request, pb.CompleteTasksResponse, key=idempotency_key)
        return [_completion(result) for result in answer.results]

    async def cancel(self, task: Task, *, idempotency_key: str | None = None) -> Task | None:
        """Ends a task as canceled.

        None where no live task is in the state that `task` is in; LeaseLost where it was claimed since.
        """
        request = pb.CancelTaskRequest(**_wire.target(task))
        answer = await self._nodes.call(
            "CancelTask", request, pb.CancelTaskResponse, key=idempotency_key, fenced=task.attempt > 0
        )
        return _task_of(answer)

    async def fail(
        self,
        task: Task,
        message: str = "",
        *,
        retry_after: timedelta | None = None,
        dead: bool = False,
        idempotency_key: str | None = None,
    ) -> Task | None:
        """Gives a claimed task back, as its timeout would; with max_attempts used up it goes to the state `dead`.

        `message` says why, and is the task's last_error from then on, cut off after 1,024 bytes. It may be claimed again
        after `retry_after` (whole seconds, rounded up, from a second to 365 days); None keeps to its backoff, and is at
        once if it has none. `dead`: no more attempts, it goes to the state `dead` now.

        None where no live task is in the state that `task` is in; LeaseLost where it was claimed since.
        """
        request = pb.FailTaskRequest(
            **_wire.target(task),
            retry_after=_wire.retry_after(retry_after, dead),
            message=_wire.message(message),
        )
        answer = await self._nodes.call(
            "FailTask", request, pb.FailTaskResponse, key=idempotency_key, fenced=task.attempt > 0
        )
        return _task_of(answer)

    async def clean_up_timed_out(
        self, queue: str = "", *, at: datetime | None = None, idempotency_key: str | None = None
    ) -> int:
        """Times out what is due, now or at a time, in one queue or in all; how many tasks that were."""
        request = pb.CleanUpTimedOutRequest(queue=queue, at_time=_wire.nanoseconds(at))
        answer = await self._nodes.call("CleanUpTimedOut", request, pb.CleanUpTimedOutResponse, key=idempotency_key)
        return answer.timed_out

    async def counts(self) -> Mapping[str, QueueCounts]:
        """The live tasks of each queue that has some, by state."""
        answer = await self._nodes.call(
            "GetQueueAndStateCounts",
            pb.GetQueueAndStateCountsRequest(),
            pb.GetQueueAndStateCountsResponse,
            changes=False,
        )
        return {name: _counts(counts) for name, counts in answer.queue_and_state_counts.items()}

    async def queue_counts(self, queue: str) -> QueueCounts:
        """The live tasks of one queue, by state."""
        request = pb.GetTaskStateCountsRequest(queue=queue)
        answer = await self._nodes.call("GetTaskStateCounts", request, pb.GetTaskStateCountsResponse, changes=False)
        return _counts(answer)


_WithTask = (
    pb.GetTaskStateByIDResponse
    | pb.GetNextTaskResponse
    | pb.UpdateTaskResponse
    | pb.ExtendTaskResponse
    | pb.CancelTaskResponse
    | pb.FailTaskResponse
)


def _task_of(answer: _WithTask) -> Task | None:
    return _wire.task(answer.task) if answer.HasField("task") else None


def _completion(answer: pb.CompleteTaskResponse) -> Completion | None:
    if not answer.HasField("task"):
        return None
    then = _wire.task(answer.next_task) if answer.HasField("next_task") else None
    return Completion(_wire.task(answer.task), then)


def _counts(counts: pb.QueueAndStateCounts | pb.GetTaskStateCountsResponse) -> QueueCounts:
    return QueueCounts(counts.queue, counts.count, dict(counts.state_counts))
