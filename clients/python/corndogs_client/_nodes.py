"""The nodes of a cluster, and calls that go on to the next one until one answers."""

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio

from . import errors

Answer = TypeVar("Answer", covariant=True)

# The path of a method is part of the wire, whatever package the messages are generated into.
_SERVICE = "/corndogs.v1alpha1.CorndogsService/"
# No answer, or one that says that another node, or a later try, may do better.
_RETRIED = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
}
_PAUSE_FIRST_S = 0.02
_PAUSE_LAST_S = 1.0
# Pauses are long before this, and the power stays small.
_PAUSE_DOUBLINGS = 10
_CHANNEL_OPTIONS: list[tuple[str, Any]] = [
    # Retries are made here, on other nodes.
    ("grpc.enable_retries", 0),
    # A node that is back is used soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A batch of claims is up to 4 MiB of tasks, which is grpc's limit for the message.
    ("grpc.max_receive_message_length", 64 << 20),
]


class Message(Protocol):
    """The part of a protobuf message that is needed."""

    def SerializeToString(self) -> bytes:
        """Its bytes."""
        ...


class Kind(Protocol[Answer]):
    """A class of protobuf messages."""

    def FromString(self, data: bytes, /) -> Answer:
        """A message from bytes."""
        ...


class _Node:
    """One address; the channel connects, and connects anew, by itself."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None, options: Sequence[tuple[str, Any]]):
        self.address = address
        if credentials is None:
            self.channel = grpc.aio.insecure_channel(address, options=options)
        else:
            self.channel = grpc.aio.secure_channel(address, credentials, options=options)
        self._methods: dict[str, Any] = {}

    async def call(self, method: str, request: bytes, metadata: Any, timeout_s: float) -> bytes:
        known = self._methods.get(method)
        if known is None:
            known = self._methods[method] = self.channel.unary_unary(_SERVICE + method)
        answer: bytes = await known(request, metadata=metadata, timeout=timeout_s)
        return answer


class Nodes:
    """Sends each call to the node that answered last, and to the others in turn while it fails."""

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        retry_for: timedelta,
        try_timeout: timedelta,
        credentials: grpc.ChannelCredentials | None,
        channel_options: Sequence[tuple[str, Any]],
    ) -> None:
        self._addresses = list(addresses)
        self._credentials = credentials
        self._options = [*_CHANNEL_OPTIONS, *channel_options]
        self._retry_for_s = retry_for.total_seconds()
        self._try_timeout_s = try_timeout.total_seconds()
        # Clients spread over the nodes.
        random.shuffle(self._addresses)
        self._nodes: list[_Node] = []
        self._at = 0

    async def call(
        self,
        method: str,
        request: Message,
        kind: Kind[Answer],
        *,
        key: str | None = None,
        changes: bool = True,
        wait_s: float = 0,
        retry_for_s: float | None = None,
        fenced: bool = False,
        on_retry: Callable[[], None] | None = None,
    ) -> Answer:
        """Calls a method until a node answers. All tries of a call that changes something carry one idempotency key.

        `wait_s` is how long the server may wait by the request. Raises an error of the errors module.
        """
        metadata = (("idempotency-key", key or uuid.uuid4().hex),) if changes else None
        data = request.SerializeToString()
        patience_s = self._retry_for_s if retry_for_s is None else retry_for_s
        end = time.monotonic() + patience_s + wait_s
        # No one node may use up the time of all.
        try_timeout_s = min(self._try_timeout_s, patience_s / 3) + wait_s
        tries = 0
        while True:
            node = self._node()
            left_s = max(end - time.monotonic(), 0)
            try:
                answer = await node.call(method, data, metadata, min(try_timeout_s, left_s))
                return kind.FromString(answer)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _RETRIED:
                    raise errors.of(error.code(), error.details() or error.code().name, fenced) from None
                self._leave(node)
                pause_s = random.uniform(0, min(_PAUSE_LAST_S, _PAUSE_FIRST_S * 2 ** min(tries, _PAUSE_DOUBLINGS)))
                tries += 1
                if time.monotonic() + pause_s >= end:
                    message = (
                        f"no answer to {method} after {tries} tries; the last, at {node.address}: {error.details()}"
                    )
                    raise errors.Unavailable(message, error.code()) from None
                if on_retry is not None:
                    on_retry()
                await asyncio.sleep(pause_s)

    def _node(self) -> _Node:
        # Channels belong to the loop that runs when they are made.
        if not self._nodes:
            self._nodes = [_Node(address, self._credentials, self._options) for address in self._addresses]
        return self._nodes[self._at]

    def _leave(self, node: _Node) -> None:
        """Goes on to the next node, unless another call has done so."""
        if self._nodes and self._nodes[self._at] is node:
            self._at = (self._at + 1) % len(self._nodes)

    async def close(self) -> None:
        """Closes the connections; calls that are under way are cancelled."""
        nodes, self._nodes, self._at = self._nodes, [], 0
        for node in nodes:
            await node.channel.close()
