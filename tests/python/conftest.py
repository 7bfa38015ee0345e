"""A real server for each test. CORNDOGS_BIN names the program, else this tree's release build."""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("CORNDOGS_BIN", str(ROOT / "target" / "release" / "corndogs"))
PATIENCE = 60
PORT_TRIES = 10


def free_ports(count):
    """Ports that were free a moment ago, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for bound in sockets:
            bound.bind(("127.0.0.1", 0))
        return [bound.getsockname()[1] for bound in sockets]
    finally:
        for bound in sockets:
            bound.close()


def environment(**variables):
    """Ours, without what would configure the program under test."""
    ours = ("CORNDOGS_", "DEFAULT_QUEUE", "DEFAULT_STARTING_STATE", "DEFAULT_TIMEOUT", "LOGLEVEL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, **variables}


class Server:
    """A server process on a directory."""

    def __init__(self, home, *options):
        self.home = home
        for _ in range(PORT_TRIES):
            self.port, self.http_port = free_ports(2)
            self.process = self._spawn(options)
            if self._ready():
                return
            if "can't listen" not in self.stderr():
                break
        raise RuntimeError(f"the server did not start:\n{self.stderr()}")

    def _spawn(self, options):
        command = [BINARY, "run", "--data-dir", str(self.home / "data")]
        command += ["--listen", f"127.0.0.1:{self.port}", "--http-listen", f"127.0.0.1:{self.http_port}"]
        with open(self.home / "stderr", "w", encoding="utf-8") as stderr:
            return subprocess.Popen([*command, *options], stderr=stderr, env=environment())

    def _ready(self):
        patience = time.monotonic() + PATIENCE
        while time.monotonic() < patience and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/readyz", timeout=5):
                    return True
            except (urllib.error.URLError, OSError):
                time.sleep(0.01)
        return False

    def stderr(self):
        return (self.home / "stderr").read_text(encoding="utf-8")

    def stop(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)


@pytest.fixture
def start(tmp_path_factory):
    """Starts servers; all of them end with the test, and must end well."""
    servers = []

    def start_server(*options, home=None):
        server = Server(home or tmp_path_factory.mktemp("server"), *options)
        servers.append(server)
        return server

    yield start_server
    codes = [server.stop() for server in servers]
    assert codes == [0] * len(servers)


@pytest.fixture
def server(start):
    """A server with default options."""
    return start()
