"""How payloads become bytes. A codec is anything with encode and decode."""

import dataclasses
import json
from typing import Any, Generic, Protocol, TypeVar, get_type_hints

T = TypeVar("T")


class Codec(Protocol[T]):
    """Turns a payload into bytes and back; both may raise, which fails the submit or the task."""

    def encode(self, payload: T, /) -> bytes:
        """The bytes to store."""
        ...

    def decode(self, data: bytes, /) -> T:
        """The payload that the bytes stand for."""
        ...


class Json:
    """Anything that the json module takes. No bytes at all are None, as a task without payload has none."""

    def encode(self, payload: Any, /) -> bytes:
        """Compact JSON."""
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()

    def decode(self, data: bytes, /) -> Any:
        """What the JSON says."""
        return json.loads(data) if data else None


class Raw:
    """Bytes as they are."""

    def encode(self, payload: bytes, /) -> bytes:
        """The same bytes."""
        return payload

    def decode(self, data: bytes, /) -> bytes:
        """The same bytes."""
        return data


class Dataclass(Generic[T]):
    """Instances of one dataclass, as a JSON object. Fields may be dataclasses too; for richer types use Pydantic."""

    def __init__(self, kind: type[T]) -> None:
        if not dataclasses.is_dataclass(kind):
            raise TypeError(f"{kind!r} is no dataclass")
        self._kind = kind

    def encode(self, payload: T, /) -> bytes:
        """The fields, by name."""
        if not isinstance(payload, self._kind):
            raise TypeError(f"the payload must be a {self._kind.__name__}, got {type(payload).__name__}")
        return JSON.encode(dataclasses.asdict(payload))  # type: ignore[call-overload]

    def decode(self, data: bytes, /) -> T:
        """An instance; a field that it does not know is an error."""
        built: T = _build(self._kind, JSON.decode(data))
        return built


def _build(kind: Any, fields: Any) -> Any:
    if not dataclasses.is_dataclass(kind):
        return fields
    if not isinstance(fields, dict):
        raise TypeError(f"a {getattr(kind, '__name__', kind)} must be a JSON object, got {type(fields).__name__}")
    hints = get_type_hints(kind)
    return kind(**{name: _build(hints.get(name), value) for name, value in fields.items()})  # type: ignore[operator]


class _Model(Protocol):
    """The part of pydantic.BaseModel that is needed."""

    def model_dump_json(self) -> str: ...

    @classmethod
    def model_validate_json(cls, json_data: bytes, /) -> Any: ...


M = TypeVar("M", bound=_Model)


class Pydantic(Generic[M]):
    """Instances of one pydantic model, validated when they are read."""

    def __init__(self, kind: type[M]) -> None:
        self._kind = kind

    def encode(self, payload: M, /) -> bytes:
        """The model as JSON."""
        return payload.model_dump_json().encode()

    def decode(self, data: bytes, /) -> M:
        """A validated instance."""
        model: M = self._kind.model_validate_json(data)
        return model


JSON = Json()
"""The default codec."""
RAW = Raw()
"""Bytes as they are."""
