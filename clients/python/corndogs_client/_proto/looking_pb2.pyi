from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetTaskRequest(_message.Message):
    __slots__ = ("uuid",)
    UUID_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    def __init__(self, uuid: _Optional[str] = ...) -> None: ...

class GetTaskHistoryRequest(_message.Message):
    __slots__ = ("uuid",)
    UUID_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    def __init__(self, uuid: _Optional[str] = ...) -> None: ...

class GetTaskHistoryResponse(_message.Message):
    __slots__ = ("transitions", "dropped")
    TRANSITIONS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    transitions: _containers.RepeatedCompositeFieldContainer[Transition]
    dropped: int
    def __init__(self, transitions: _Optional[_Iterable[_Union[Transition, _Mapping]]] = ..., dropped: _Optional[int] = ...) -> None: ...

class Transition(_message.Message):
    __slots__ = ("time", "kind", "from_state", "to_state", "worker", "attempt")
    TIME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FROM_STATE_FIELD_NUMBER: _ClassVar[int]
    TO_STATE_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    time: int
    kind: str
    from_state: str
    to_state: str
    worker: str
    attempt: int
    def __init__(self, time: _Optional[int] = ..., kind: _Optional[str] = ..., from_state: _Optional[str] = ..., to_state: _Optional[str] = ..., worker: _Optional[str] = ..., attempt: _Optional[int] = ...) -> None: ...

class TaskFilter(_message.Message):
    __slots__ = ("queue", "current_state", "worker", "metadata", "submitted_from", "submitted_before", "updated_from", "updated_before", "is_in_flight", "is_delayed", "is_archived", "or_archived")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_FROM_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    UPDATED_FROM_FIELD_NUMBER: _ClassVar[int]
    UPDATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    IS_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    IS_DELAYED_FIELD_NUMBER: _ClassVar[int]
    IS_ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    OR_ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    queue: str
    current_state: str
    worker: str
    metadata: _containers.ScalarMap[str, str]
    submitted_from: int
    submitted_before: int
    updated_from: int
    updated_before: int
    is_in_flight: bool
    is_delayed: bool
    is_archived: bool
    or_archived: bool
    def __init__(self, queue: _Optional[str] = ..., current_state: _Optional[str] = ..., worker: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., submitted_from: _Optional[int] = ..., submitted_before: _Optional[int] = ..., updated_from: _Optional[int] = ..., updated_before: _Optional[int] = ..., is_in_flight: bool = ..., is_delayed: bool = ..., is_archived: bool = ..., or_archived: bool = ...) -> None: ...

class ListTasksRequest(_message.Message):
    __slots__ = ("filter", "page_size", "page_token", "with_payload")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    WITH_PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    filter: TaskFilter
    page_size: int
    page_token: str
    with_payload: bool
    def __init__(self, filter: _Optional[_Union[TaskFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., with_payload: bool = ...) -> None: ...

class BulkTarget(_message.Message):
    __slots__ = ("filter", "include_in_flight", "max_tasks", "page_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_TASKS_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: TaskFilter
    include_in_flight: bool
    max_tasks: int
    page_token: str
    def __init__(self, filter: _Optional[_Union[TaskFilter, _Mapping]] = ..., include_in_flight: bool = ..., max_tasks: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class CancelTasksRequest(_message.Message):
    __slots__ = ("target",)
    TARGET_FIELD_NUMBER: _ClassVar[int]
    target: BulkTarget
    def __init__(self, target: _Optional[_Union[BulkTarget, _Mapping]] = ...) -> None: ...

class CancelTasksResponse(_message.Message):
    __slots__ = ("matched", "changed", "next_page_token")
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    matched: int
    changed: int
    next_page_token: str
    def __init__(self, matched: _Optional[int] = ..., changed: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RequeueTasksRequest(_message.Message):
    __slots__ = ("target", "new_state", "auto_target_state")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    NEW_STATE_FIELD_NUMBER: _ClassVar[int]
    AUTO_TARGET_STATE_FIELD_NUMBER: _ClassVar[int]
    target: BulkTarget
    new_state: str
    auto_target_state: str
    def __init__(self, target: _Optional[_Union[BulkTarget, _Mapping]] = ..., new_state: _Optional[str] = ..., auto_target_state: _Optional[str] = ...) -> None: ...

class RequeueTasksResponse(_message.Message):
    __slots__ = ("matched", "changed", "next_page_token")
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    matched: int
    changed: int
    next_page_token: str
    def __init__(self, matched: _Optional[int] = ..., changed: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateTasksRequest(_message.Message):
    __slots__ = ("target", "new_state", "auto_target_state", "priority", "timeout")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    NEW_STATE_FIELD_NUMBER: _ClassVar[int]
    AUTO_TARGET_STATE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    target: BulkTarget
    new_state: str
    auto_target_state: str
    priority: int
    timeout: int
    def __init__(self, target: _Optional[_Union[BulkTarget, _Mapping]] = ..., new_state: _Optional[str] = ..., auto_target_state: _Optional[str] = ..., priority: _Optional[int] = ..., timeout: _Optional[int] = ...) -> None: ...

class UpdateTasksResponse(_message.Message):
    __slots__ = ("matched", "changed", "next_page_token")
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    matched: int
    changed: int
    next_page_token: str
    def __init__(self, matched: _Optional[int] = ..., changed: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...
