from corndogs_client._proto import corndogs_pb2 as _corndogs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MissedTicks(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MISSED_TICKS_LAST: _ClassVar[MissedTicks]
    MISSED_TICKS_ALL: _ClassVar[MissedTicks]
    MISSED_TICKS_NONE: _ClassVar[MissedTicks]
MISSED_TICKS_LAST: MissedTicks
MISSED_TICKS_ALL: MissedTicks
MISSED_TICKS_NONE: MissedTicks

class PutScheduleRequest(_message.Message):
    __slots__ = ("name", "cron", "time_zone", "paused", "missed", "task")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CRON_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    name: str
    cron: str
    time_zone: str
    paused: bool
    missed: MissedTicks
    task: _corndogs_pb2.SubmitTaskRequest
    def __init__(self, name: _Optional[str] = ..., cron: _Optional[str] = ..., time_zone: _Optional[str] = ..., paused: bool = ..., missed: _Optional[_Union[MissedTicks, str]] = ..., task: _Optional[_Union[_corndogs_pb2.SubmitTaskRequest, _Mapping]] = ...) -> None: ...

class PutScheduleResponse(_message.Message):
    __slots__ = ("schedule",)
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    schedule: Schedule
    def __init__(self, schedule: _Optional[_Union[Schedule, _Mapping]] = ...) -> None: ...

class Schedule(_message.Message):
    __slots__ = ("name", "cron", "time_zone", "paused", "missed", "task", "next_tick", "last_tick", "last_task_uuid", "submitted", "skipped", "next_ticks")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CRON_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    NEXT_TICK_FIELD_NUMBER: _ClassVar[int]
    LAST_TICK_FIELD_NUMBER: _ClassVar[int]
    LAST_TASK_UUID_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    NEXT_TICKS_FIELD_NUMBER: _ClassVar[int]
    name: str
    cron: str
    time_zone: str
    paused: bool
    missed: MissedTicks
    task: _corndogs_pb2.SubmitTaskRequest
    next_tick: int
    last_tick: int
    last_task_uuid: str
    submitted: int
    skipped: int
    next_ticks: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., cron: _Optional[str] = ..., time_zone: _Optional[str] = ..., paused: bool = ..., missed: _Optional[_Union[MissedTicks, str]] = ..., task: _Optional[_Union[_corndogs_pb2.SubmitTaskRequest, _Mapping]] = ..., next_tick: _Optional[int] = ..., last_tick: _Optional[int] = ..., last_task_uuid: _Optional[str] = ..., submitted: _Optional[int] = ..., skipped: _Optional[int] = ..., next_ticks: _Optional[_Iterable[int]] = ...) -> None: ...

class GetScheduleRequest(_message.Message):
    __slots__ = ("name", "ticks")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TICKS_FIELD_NUMBER: _ClassVar[int]
    name: str
    ticks: int
    def __init__(self, name: _Optional[str] = ..., ticks: _Optional[int] = ...) -> None: ...

class GetScheduleResponse(_message.Message):
    __slots__ = ("schedule",)
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    schedule: Schedule
    def __init__(self, schedule: _Optional[_Union[Schedule, _Mapping]] = ...) -> None: ...

class ListSchedulesRequest(_message.Message):
    __slots__ = ("after", "limit")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    after: str
    limit: int
    def __init__(self, after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListSchedulesResponse(_message.Message):
    __slots__ = ("schedules", "more")
    SCHEDULES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    schedules: _containers.RepeatedCompositeFieldContainer[Schedule]
    more: bool
    def __init__(self, schedules: _Optional[_Iterable[_Union[Schedule, _Mapping]]] = ..., more: bool = ...) -> None: ...

class DeleteScheduleRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteScheduleResponse(_message.Message):
    __slots__ = ("schedule",)
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    schedule: Schedule
    def __init__(self, schedule: _Optional[_Union[Schedule, _Mapping]] = ...) -> None: ...

class RunScheduleRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class RunScheduleResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: _corndogs_pb2.Task
    def __init__(self, task: _Optional[_Union[_corndogs_pb2.Task, _Mapping]] = ...) -> None: ...
