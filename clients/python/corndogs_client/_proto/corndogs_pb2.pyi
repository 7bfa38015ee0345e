from corndogs_client._proto import figures_pb2 as _figures_pb2
from corndogs_client._proto import looking_pb2 as _looking_pb2
from corndogs_client._proto import queues_pb2 as _queues_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Task(_message.Message):
    __slots__ = ("uuid", "queue", "current_state", "auto_target_state", "submit_time", "update_time", "timeout", "payload", "priority", "attempt", "worker", "expires_at", "not_before", "metadata", "unique_key", "claim_timeout", "max_attempts", "retry_backoff", "last_error")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    UUID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    AUTO_TARGET_STATE_FIELD_NUMBER: _ClassVar[int]
    SUBMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_KEY_FIELD_NUMBER: _ClassVar[int]
    CLAIM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    RETRY_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    queue: str
    current_state: str
    auto_target_state: str
    submit_time: int
    update_time: int
    timeout: int
    payload: bytes
    priority: int
    attempt: int
    worker: str
    expires_at: int
    not_before: int
    metadata: _containers.ScalarMap[str, str]
    unique_key: str
    claim_timeout: int
    max_attempts: int
    retry_backoff: RetryBackoff
    last_error: str
    def __init__(self, uuid: _Optional[str] = ..., queue: _Optional[str] = ..., current_state: _Optional[str] = ..., auto_target_state: _Optional[str] = ..., submit_time: _Optional[int] = ..., update_time: _Optional[int] = ..., timeout: _Optional[int] = ..., payload: _Optional[bytes] = ..., priority: _Optional[int] = ..., attempt: _Optional[int] = ..., worker: _Optional[str] = ..., expires_at: _Optional[int] = ..., not_before: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ..., unique_key: _Optional[str] = ..., claim_timeout: _Optional[int] = ..., max_attempts: _Optional[int] = ..., retry_backoff: _Optional[_Union[RetryBackoff, _Mapping]] = ..., last_error: _Optional[str] = ...) -> None: ...

class RetryBackoff(_message.Message):
    __slots__ = ("initial", "cap", "factor_percent", "jitter_percent")
    INITIAL_FIELD_NUMBER: _ClassVar[int]
    CAP_FIELD_NUMBER: _ClassVar[int]
    FACTOR_PERCENT_FIELD_NUMBER: _ClassVar[int]
    JITTER_PERCENT_FIELD_NUMBER: _ClassVar[int]
    initial: int
    cap: int
    factor_percent: int
    jitter_percent: int
    def __init__(self, initial: _Optional[int] = ..., cap: _Optional[int] = ..., factor_percent: _Optional[int] = ..., jitter_percent: _Optional[int] = ...) -> None: ...

class SubmitTaskRequest(_message.Message):
    __slots__ = ("queue", "current_state", "auto_target_state", "timeout", "payload", "priority", "uuid", "not_before", "unique_key", "metadata", "claim_timeout", "max_attempts", "retry_backoff")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    AUTO_TARGET_STATE_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    UUID_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_KEY_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CLAIM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    RETRY_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    queue: str
    current_state: str
    auto_target_state: str
    timeout: int
    payload: bytes
    priority: int
    uuid: str
    not_before: int
    unique_key: str
    metadata: _containers.ScalarMap[str, str]
    claim_timeout: int
    max_attempts: int
    retry_backoff: RetryBackoff
    def __init__(self, queue: _Optional[str] = ..., current_state: _Optional[str] = ..., auto_target_state: _Optional[str] = ..., timeout: _Optional[int] = ..., payload: _Optional[bytes] = ..., priority: _Optional[int] = ..., uuid: _Optional[str] = ..., not_before: _Optional[int] = ..., unique_key: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., claim_timeout: _Optional[int] = ..., max_attempts: _Optional[int] = ..., retry_backoff: _Optional[_Union[RetryBackoff, _Mapping]] = ...) -> None: ...

class SubmitTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: Task
    def __init__(self, task: _Optional[_Union[Task, _Mapping]] = ...) -> None: ...

class GetTaskStateByIDRequest(_message.Message):
    __slots__ = ("uuid", "queue")
    UUID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    queue: str
    def __init__(self, uuid: _Optional[str] = ..., queue: _Optional[str] = ...) -> None: ...

class GetTaskStateByIDResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: Task
    def __init__(self, task: _Optional[_Union[Task, _Mapping]] = ...) -> None: ...

class GetNextTaskRequest(_message.Message):
    __slots__ = ("queue", "current_state", "override_timeout", "override_current_state", "override_auto_target_state", "worker", "wait_ms", "queues")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_AUTO_TARGET_STATE_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    queue: str
    current_state: str
    override_timeout: int
    override_current_state: str
    override_auto_target_state: str
    worker: str
    wait_ms: int
    queues: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, queue: _Optional[str] = ..., current_state: _Optional[str] = ..., override_timeout: _Optional[int] = ..., override_current_state: _Optional[str] = ..., override_auto_target_state: _Optional[str] = ..., worker: _Optional[str] = ..., wait_ms: _Optional[int] = ..., queues: _Optional[_Iterable[str]] = ...) -> None: ...

class GetNextTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: Task
    def __init__(self, task: _Optional[_Union[Task, _Mapping]] = ...) -> None: ...

class UpdateTaskRequest(_message.Message):
    __slots__ = ("uuid", "queue", "current_state", "auto_target_state", "timeout", "new_state", "payload", "priority", "attempt")
    UUID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    AUTO_TARGET_STATE_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    NEW_STATE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    queue: str
    current_state: str
    auto_target_state: str
    timeout: int
    new_state: str
    payload: bytes
    priority: int
    attempt: int
    def __init__(self, uuid: _Optional[str] = ..., queue: _Optional[str] = ..., current_state: _Optional[str] = ..., auto_target_state: _Optional[str] = ..., timeout: _Optional[int] = ..., new_state: _Optional[str] = ..., payload: _Optional[bytes] = ..., priority: _Optional[int] = ..., attempt: _Optional[int] = ...) -> None: ...

class UpdateTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: Task
    def __init__(self, task: _Optional[_Union[Task, _Mapping]] = ...) -> None: ...

class CompleteTaskRequest(_message.Message):
    __slots__ = ("uuid", "queue", "current_state", "next_task", "attempt")
    UUID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    NEXT_TASK_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    queue: str
    current_state: str
    next_task: SubmitTaskRequest
    attempt: int
    def __init__(self, uuid: _Optional[str] = ..., queue: _Optional[str] = ..., current_state: _Optional[str] = ..., next_task: _Optional[_Union[SubmitTaskRequest, _Mapping]] = ..., attempt: _Optional[int] = ...) -> None: ...

class CompleteTaskResponse(_message.Message):
    __slots__ = ("task", "next_task")
    TASK_FIELD_NUMBER: _ClassVar[int]
    NEXT_TASK_FIELD_NUMBER: _ClassVar[int]
    task: Task
    next_task: Task
    def __init__(self, task: _Optional[_Union[Task, _Mapping]] = ..., next_task: _Optional[_Union[Task, _Mapping]] = ...) -> None: ...

class CancelTaskRequest(_message.Message):
    __slots__ = ("uuid", "queue", "current_state", "attempt")
    UUID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    queue: str
    current_state: str
    attempt: int
    def __init__(self, uuid: _Optional[str] = ..., queue: _Optional[str] = ..., current_state: _Optional[str] = ..., attempt: _Optional[int] = ...) -> None: ...

class CancelTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: Task
    def __init__(self, task: _Optional[_Union[Task, _Mapping]] = ...) -> None: ...

class CleanUpTimedOutRequest(_message.Message):
    __slots__ = ("at_time", "queue")
    AT_TIME_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    at_time: int
    queue: str
    def __init__(self, at_time: _Optional[int] = ..., queue: _Optional[str] = ...) -> None: ...

class CleanUpTimedOutResponse(_message.Message):
    __slots__ = ("timed_out",)
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    timed_out: int
    def __init__(self, timed_out: _Optional[int] = ...) -> None: ...

class GetQueuesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetQueuesResponse(_message.Message):
    __slots__ = ("queues", "total_task_count")
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TASK_COUNT_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedScalarFieldContainer[str]
    total_task_count: int
    def __init__(self, queues: _Optional[_Iterable[str]] = ..., total_task_count: _Optional[int] = ...) -> None: ...

class GetQueueTaskCountsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetQueueTaskCountsResponse(_message.Message):
    __slots__ = ("queue_counts", "total_task_count")
    class QueueCountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    QUEUE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TASK_COUNT_FIELD_NUMBER: _ClassVar[int]
    queue_counts: _containers.ScalarMap[str, int]
    total_task_count: int
    def __init__(self, queue_counts: _Optional[_Mapping[str, int]] = ..., total_task_count: _Optional[int] = ...) -> None: ...

class GetTaskStateCountsRequest(_message.Message):
    __slots__ = ("queue",)
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    def __init__(self, queue: _Optional[str] = ...) -> None: ...

class GetTaskStateCountsResponse(_message.Message):
    __slots__ = ("queue", "count", "state_counts")
    class StateCountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    STATE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    queue: str
    count: int
    state_counts: _containers.ScalarMap[str, int]
    def __init__(self, queue: _Optional[str] = ..., count: _Optional[int] = ..., state_counts: _Optional[_Mapping[str, int]] = ...) -> None: ...

class QueueAndStateCounts(_message.Message):
    __slots__ = ("queue", "count", "state_counts")
    class StateCountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    STATE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    queue: str
    count: int
    state_counts: _containers.ScalarMap[str, int]
    def __init__(self, queue: _Optional[str] = ..., count: _Optional[int] = ..., state_counts: _Optional[_Mapping[str, int]] = ...) -> None: ...

class GetQueueAndStateCountsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetQueueAndStateCountsResponse(_message.Message):
    __slots__ = ("queue_and_state_counts",)
    class QueueAndStateCountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: QueueAndStateCounts
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[QueueAndStateCounts, _Mapping]] = ...) -> None: ...
    QUEUE_AND_STATE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    queue_and_state_counts: _containers.MessageMap[str, QueueAndStateCounts]
    def __init__(self, queue_and_state_counts: _Optional[_Mapping[str, QueueAndStateCounts]] = ...) -> None: ...

class ExtendTaskRequest(_message.Message):
    __slots__ = ("uuid", "queue", "current_state", "attempt", "timeout")
    UUID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    queue: str
    current_state: str
    attempt: int
    timeout: int
    def __init__(self, uuid: _Optional[str] = ..., queue: _Optional[str] = ..., current_state: _Optional[str] = ..., attempt: _Optional[int] = ..., timeout: _Optional[int] = ...) -> None: ...

class ExtendTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: Task
    def __init__(self, task: _Optional[_Union[Task, _Mapping]] = ...) -> None: ...

class SubmitTasksRequest(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[SubmitTaskRequest]
    def __init__(self, tasks: _Optional[_Iterable[_Union[SubmitTaskRequest, _Mapping]]] = ...) -> None: ...

class SubmitTasksResponse(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[Task]
    def __init__(self, tasks: _Optional[_Iterable[_Union[Task, _Mapping]]] = ...) -> None: ...

class GetNextTasksRequest(_message.Message):
    __slots__ = ("next", "max_tasks")
    NEXT_FIELD_NUMBER: _ClassVar[int]
    MAX_TASKS_FIELD_NUMBER: _ClassVar[int]
    next: GetNextTaskRequest
    max_tasks: int
    def __init__(self, next: _Optional[_Union[GetNextTaskRequest, _Mapping]] = ..., max_tasks: _Optional[int] = ...) -> None: ...

class GetNextTasksResponse(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[Task]
    def __init__(self, tasks: _Optional[_Iterable[_Union[Task, _Mapping]]] = ...) -> None: ...

class CompleteTasksRequest(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[CompleteTaskRequest]
    def __init__(self, tasks: _Optional[_Iterable[_Union[CompleteTaskRequest, _Mapping]]] = ...) -> None: ...

class CompleteTasksResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[CompleteTaskResponse]
    def __init__(self, results: _Optional[_Iterable[_Union[CompleteTaskResponse, _Mapping]]] = ...) -> None: ...

class FailTaskRequest(_message.Message):
    __slots__ = ("uuid", "queue", "current_state", "attempt", "retry_after", "message")
    UUID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    queue: str
    current_state: str
    attempt: int
    retry_after: int
    message: str
    def __init__(self, uuid: _Optional[str] = ..., queue: _Optional[str] = ..., current_state: _Optional[str] = ..., attempt: _Optional[int] = ..., retry_after: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class FailTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: Task
    def __init__(self, task: _Optional[_Union[Task, _Mapping]] = ...) -> None: ...

class GetTaskResponse(_message.Message):
    __slots__ = ("task", "is_archived", "is_delayed", "is_in_flight")
    TASK_FIELD_NUMBER: _ClassVar[int]
    IS_ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    IS_DELAYED_FIELD_NUMBER: _ClassVar[int]
    IS_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    task: Task
    is_archived: bool
    is_delayed: bool
    is_in_flight: bool
    def __init__(self, task: _Optional[_Union[Task, _Mapping]] = ..., is_archived: bool = ..., is_delayed: bool = ..., is_in_flight: bool = ...) -> None: ...

class ListTasksResponse(_message.Message):
    __slots__ = ("tasks", "next_page_token")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[ListedTask]
    next_page_token: str
    def __init__(self, tasks: _Optional[_Iterable[_Union[ListedTask, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListedTask(_message.Message):
    __slots__ = ("task", "is_archived", "is_delayed", "is_in_flight")
    TASK_FIELD_NUMBER: _ClassVar[int]
    IS_ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    IS_DELAYED_FIELD_NUMBER: _ClassVar[int]
    IS_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    task: Task
    is_archived: bool
    is_delayed: bool
    is_in_flight: bool
    def __init__(self, task: _Optional[_Union[Task, _Mapping]] = ..., is_archived: bool = ..., is_delayed: bool = ..., is_in_flight: bool = ...) -> None: ...
