"""A lease that is kept while a handler runs."""

import asyncio
import logging
import time
from datetime import timedelta

from . import errors
from .client import Client
from .model import Task

log = logging.getLogger("corndogs_client.worker")

# It is extended that often within its length, so that two tries may fail.
_EXTENSIONS = 3
_PAUSE_S = 0.2


class Lease:
    """The lease of one claimed task.

    It counts its time from before each request, by this process's own clock: whatever the server says or doesn't, it is
    taken for lost here before the server can give the task to another worker.
    """

    def __init__(self, client: Client, task: Task, length: timedelta) -> None:
        self._client = client
        self._task = task
        self._length = length
        self._since = time.monotonic()

    async def keep(self) -> None:
        """Extends the lease again and again; returns once it is lost."""
        while True:
            await asyncio.sleep(self._left_s() - self._length.total_seconds() * (1 - 1 / _EXTENSIONS))
            if not await self.extend():
                return

    async def extend(self) -> bool:
        """Extends the lease; False where it is lost."""
        while (left_s := self._left_s()) > 0:
            asked = time.monotonic()
            try:
                kept = await self._client.extend(self._task, self._length, retry_for=timedelta(seconds=left_s))
            except errors.LeaseLost:
                return False
            except errors.CorndogsError as error:
                log.warning("task %s: its lease could not be extended: %s", self._task.uuid, error)
                await asyncio.sleep(min(_PAUSE_S, max(self._left_s(), 0)))
                continue
            self._since = asked
            return kept is not None
        return False

    def _left_s(self) -> float:
        return self._since + self._length.total_seconds() - time.monotonic()
