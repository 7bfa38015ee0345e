from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class QueueSettings(_message.Message):
    __slots__ = ("queue", "paused", "max_in_flight", "group_by", "max_in_flight_per_group", "max_claims_per_s", "max_waiting", "default_timeout", "default_claim_timeout", "retention")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_PER_GROUP_FIELD_NUMBER: _ClassVar[int]
    MAX_CLAIMS_PER_S_FIELD_NUMBER: _ClassVar[int]
    MAX_WAITING_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_CLAIM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    queue: str
    paused: bool
    max_in_flight: int
    group_by: str
    max_in_flight_per_group: int
    max_claims_per_s: int
    max_waiting: int
    default_timeout: int
    default_claim_timeout: int
    retention: int
    def __init__(self, queue: _Optional[str] = ..., paused: bool = ..., max_in_flight: _Optional[int] = ..., group_by: _Optional[str] = ..., max_in_flight_per_group: _Optional[int] = ..., max_claims_per_s: _Optional[int] = ..., max_waiting: _Optional[int] = ..., default_timeout: _Optional[int] = ..., default_claim_timeout: _Optional[int] = ..., retention: _Optional[int] = ...) -> None: ...

class SetQueueRequest(_message.Message):
    __slots__ = ("queue", "paused", "max_in_flight", "group_by", "max_in_flight_per_group", "max_claims_per_s", "max_waiting", "default_timeout", "default_claim_timeout", "retention")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_PER_GROUP_FIELD_NUMBER: _ClassVar[int]
    MAX_CLAIMS_PER_S_FIELD_NUMBER: _ClassVar[int]
    MAX_WAITING_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_CLAIM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    queue: str
    paused: bool
    max_in_flight: int
    group_by: str
    max_in_flight_per_group: int
    max_claims_per_s: int
    max_waiting: int
    default_timeout: int
    default_claim_timeout: int
    retention: int
    def __init__(self, queue: _Optional[str] = ..., paused: bool = ..., max_in_flight: _Optional[int] = ..., group_by: _Optional[str] = ..., max_in_flight_per_group: _Optional[int] = ..., max_claims_per_s: _Optional[int] = ..., max_waiting: _Optional[int] = ..., default_timeout: _Optional[int] = ..., default_claim_timeout: _Optional[int] = ..., retention: _Optional[int] = ...) -> None: ...

class SetQueueResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: QueueSettings
    def __init__(self, settings: _Optional[_Union[QueueSettings, _Mapping]] = ...) -> None: ...

class GetQueueRequest(_message.Message):
    __slots__ = ("queue",)
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    def __init__(self, queue: _Optional[str] = ...) -> None: ...

class GetQueueResponse(_message.Message):
    __slots__ = ("settings", "figures")
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    settings: QueueSettings
    figures: QueueFigures
    def __init__(self, settings: _Optional[_Union[QueueSettings, _Mapping]] = ..., figures: _Optional[_Union[QueueFigures, _Mapping]] = ...) -> None: ...

class QueueFigures(_message.Message):
    __slots__ = ("waiting", "in_flight", "delayed", "claims_used", "paused_since", "regrouping")
    WAITING_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    DELAYED_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_USED_FIELD_NUMBER: _ClassVar[int]
    PAUSED_SINCE_FIELD_NUMBER: _ClassVar[int]
    REGROUPING_FIELD_NUMBER: _ClassVar[int]
    waiting: int
    in_flight: int
    delayed: int
    claims_used: int
    paused_since: int
    regrouping: bool
    def __init__(self, waiting: _Optional[int] = ..., in_flight: _Optional[int] = ..., delayed: _Optional[int] = ..., claims_used: _Optional[int] = ..., paused_since: _Optional[int] = ..., regrouping: bool = ...) -> None: ...

class ListQueueSettingsRequest(_message.Message):
    __slots__ = ("after_queue", "limit")
    AFTER_QUEUE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    after_queue: str
    limit: int
    def __init__(self, after_queue: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListQueueSettingsResponse(_message.Message):
    __slots__ = ("queues", "more")
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedCompositeFieldContainer[QueueSettings]
    more: bool
    def __init__(self, queues: _Optional[_Iterable[_Union[QueueSettings, _Mapping]]] = ..., more: bool = ...) -> None: ...
