"""A network between a client and a server, which can lose answers."""

import asyncio
import contextlib
from contextlib import asynccontextmanager


class Proxy:
    """Passes bytes on; while it is `deaf`, nothing that the server says."""

    def __init__(self, port):
        self.port = port
        self.deaf = False
        self.address = ""
        self._writers = set()
        self._links = set()

    @property
    def is_used(self):
        """Whether a client has connected."""
        return bool(self._writers)

    async def link(self, reader, writer):
        self._links.add(asyncio.current_task())
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers |= {writer, server_writer}
        ways = [self._pass(reader, server_writer, False), self._pass(server_reader, writer, True)]
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(*ways)
        self._links.discard(asyncio.current_task())

    async def _pass(self, reader, writer, is_answer):
        while data := await reader.read(1 << 16):
            if not (is_answer and self.deaf):
                writer.write(data)
        writer.close()

    def cut(self):
        """Ends all connections; new ones may be made."""
        self.deaf = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@asynccontextmanager
async def proxy(port):
    """A proxy before a port of this machine."""
    between = Proxy(port)
    async with await asyncio.start_server(between.link, "127.0.0.1", 0) as listening:
        between.address = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield between
        between.cut()
        await asyncio.gather(*between._links, return_exceptions=True)
