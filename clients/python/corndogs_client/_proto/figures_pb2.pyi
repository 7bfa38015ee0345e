from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetQueueFiguresRequest(_message.Message):
    __slots__ = ("queue", "since", "until", "max_lines", "after_queue", "after_state")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    MAX_LINES_FIELD_NUMBER: _ClassVar[int]
    AFTER_QUEUE_FIELD_NUMBER: _ClassVar[int]
    AFTER_STATE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    since: int
    until: int
    max_lines: int
    after_queue: str
    after_state: str
    def __init__(self, queue: _Optional[str] = ..., since: _Optional[int] = ..., until: _Optional[int] = ..., max_lines: _Optional[int] = ..., after_queue: _Optional[str] = ..., after_state: _Optional[str] = ...) -> None: ...

class GetQueueFiguresResponse(_message.Message):
    __slots__ = ("lines", "has_more", "window_start", "window_end", "is_complete")
    LINES_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_START_FIELD_NUMBER: _ClassVar[int]
    WINDOW_END_FIELD_NUMBER: _ClassVar[int]
    IS_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[LineFigures]
    has_more: bool
    window_start: int
    window_end: int
    is_complete: bool
    def __init__(self, lines: _Optional[_Iterable[_Union[LineFigures, _Mapping]]] = ..., has_more: bool = ..., window_start: _Optional[int] = ..., window_end: _Optional[int] = ..., is_complete: bool = ...) -> None: ...

class LineFigures(_message.Message):
    __slots__ = ("queue", "state", "live", "waiting", "in_flight", "delayed", "oldest_submit_time", "oldest_age_ms", "is_oldest_exact", "events", "waited", "worked")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    DELAYED_FIELD_NUMBER: _ClassVar[int]
    OLDEST_SUBMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    IS_OLDEST_EXACT_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    WAITED_FIELD_NUMBER: _ClassVar[int]
    WORKED_FIELD_NUMBER: _ClassVar[int]
    queue: str
    state: str
    live: int
    waiting: int
    in_flight: int
    delayed: int
    oldest_submit_time: int
    oldest_age_ms: int
    is_oldest_exact: bool
    events: EventCounts
    waited: Lengths
    worked: Lengths
    def __init__(self, queue: _Optional[str] = ..., state: _Optional[str] = ..., live: _Optional[int] = ..., waiting: _Optional[int] = ..., in_flight: _Optional[int] = ..., delayed: _Optional[int] = ..., oldest_submit_time: _Optional[int] = ..., oldest_age_ms: _Optional[int] = ..., is_oldest_exact: bool = ..., events: _Optional[_Union[EventCounts, _Mapping]] = ..., waited: _Optional[_Union[Lengths, _Mapping]] = ..., worked: _Optional[_Union[Lengths, _Mapping]] = ...) -> None: ...

class EventCounts(_message.Message):
    __slots__ = ("submitted", "claimed", "completed", "canceled", "timed_out", "dead", "failed")
    SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    CANCELED_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    DEAD_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    submitted: int
    claimed: int
    completed: int
    canceled: int
    timed_out: int
    dead: int
    failed: int
    def __init__(self, submitted: _Optional[int] = ..., claimed: _Optional[int] = ..., completed: _Optional[int] = ..., canceled: _Optional[int] = ..., timed_out: _Optional[int] = ..., dead: _Optional[int] = ..., failed: _Optional[int] = ...) -> None: ...

class Lengths(_message.Message):
    __slots__ = ("count", "mean_us", "p50_us", "p90_us", "p99_us", "max_us")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MEAN_US_FIELD_NUMBER: _ClassVar[int]
    P50_US_FIELD_NUMBER: _ClassVar[int]
    P90_US_FIELD_NUMBER: _ClassVar[int]
    P99_US_FIELD_NUMBER: _ClassVar[int]
    MAX_US_FIELD_NUMBER: _ClassVar[int]
    count: int
    mean_us: int
    p50_us: int
    p90_us: int
    p99_us: int
    max_us: int
    def __init__(self, count: _Optional[int] = ..., mean_us: _Optional[int] = ..., p50_us: _Optional[int] = ..., p90_us: _Optional[int] = ..., p99_us: _Optional[int] = ..., max_us: _Optional[int] = ...) -> None: ...

class GetWorkersRequest(_message.Message):
    __slots__ = ("queue", "since", "until", "max_workers", "after_queue", "after_worker", "after_state")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    MAX_WORKERS_FIELD_NUMBER: _ClassVar[int]
    AFTER_QUEUE_FIELD_NUMBER: _ClassVar[int]
    AFTER_WORKER_FIELD_NUMBER: _ClassVar[int]
    AFTER_STATE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    since: int
    until: int
    max_workers: int
    after_queue: str
    after_worker: str
    after_state: str
    def __init__(self, queue: _Optional[str] = ..., since: _Optional[int] = ..., until: _Optional[int] = ..., max_workers: _Optional[int] = ..., after_queue: _Optional[str] = ..., after_worker: _Optional[str] = ..., after_state: _Optional[str] = ...) -> None: ...

class GetWorkersResponse(_message.Message):
    __slots__ = ("workers", "has_more", "window_start", "window_end", "is_complete")
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_START_FIELD_NUMBER: _ClassVar[int]
    WINDOW_END_FIELD_NUMBER: _ClassVar[int]
    IS_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedCompositeFieldContainer[WorkerFigures]
    has_more: bool
    window_start: int
    window_end: int
    is_complete: bool
    def __init__(self, workers: _Optional[_Iterable[_Union[WorkerFigures, _Mapping]]] = ..., has_more: bool = ..., window_start: _Optional[int] = ..., window_end: _Optional[int] = ..., is_complete: bool = ...) -> None: ...

class WorkerFigures(_message.Message):
    __slots__ = ("queue", "worker", "state", "last_seen", "claimed", "completed", "timed_out", "failed")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    queue: str
    worker: str
    state: str
    last_seen: int
    claimed: int
    completed: int
    timed_out: int
    failed: int
    def __init__(self, queue: _Optional[str] = ..., worker: _Optional[str] = ..., state: _Optional[str] = ..., last_seen: _Optional[int] = ..., claimed: _Optional[int] = ..., completed: _Optional[int] = ..., timed_out: _Optional[int] = ..., failed: _Optional[int] = ...) -> None: ...

class GetHistoryRequest(_message.Message):
    __slots__ = ("queue", "current_state", "since", "until", "step_length_s")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    STEP_LENGTH_S_FIELD_NUMBER: _ClassVar[int]
    queue: str
    current_state: str
    since: int
    until: int
    step_length_s: int
    def __init__(self, queue: _Optional[str] = ..., current_state: _Optional[str] = ..., since: _Optional[int] = ..., until: _Optional[int] = ..., step_length_s: _Optional[int] = ...) -> None: ...

class GetHistoryResponse(_message.Message):
    __slots__ = ("steps", "step_length_s", "is_complete")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    STEP_LENGTH_S_FIELD_NUMBER: _ClassVar[int]
    IS_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[HistoryStep]
    step_length_s: int
    is_complete: bool
    def __init__(self, steps: _Optional[_Iterable[_Union[HistoryStep, _Mapping]]] = ..., step_length_s: _Optional[int] = ..., is_complete: bool = ...) -> None: ...

class HistoryStep(_message.Message):
    __slots__ = ("start", "events")
    START_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    start: int
    events: EventCounts
    def __init__(self, start: _Optional[int] = ..., events: _Optional[_Union[EventCounts, _Mapping]] = ...) -> None: ...
