"""Real servers for tests. CORNDOGS_BIN names the program, else this tree's release build."""

import json
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


def is_ready(process, http_port):
    """Waits until a server serves; False where it ended, or takes too long."""
    patience = time.monotonic() + PATIENCE
    while time.monotonic() < patience and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/readyz", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.01)
    return False


class Server:
    """A server process on a directory."""

    def __init__(self, home, *options):
        self.home = home
        for _ in range(PORT_TRIES):
            self.port, self.http_port = free_ports(2)
            self.process = self._spawn(options)
            if is_ready(self.process, self.http_port):
                return
            if "can't listen" not in self.stderr():
                break
        raise RuntimeError(f"the server did not start:\n{self.stderr()}")

    def _spawn(self, options):
        command = [BINARY, "run", "--data-dir", str(self.home / "data")]
        command += ["--listen", f"127.0.0.1:{self.port}", "--http-listen", f"127.0.0.1:{self.http_port}"]
        with open(self.home / "stderr", "w", encoding="utf-8") as stderr:
            return subprocess.Popen([*command, *options], stderr=stderr, env=environment())

    def stderr(self):
        return (self.home / "stderr").read_text(encoding="utf-8")

    def stop(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)


class Cluster:
    """Three nodes, each of which may be killed and started again."""

    def __init__(self, home, *options):
        self.home = home
        self.options = options
        self.processes = {}
        for _ in range(PORT_TRIES):
            ports = free_ports(9)
            self.ports, self.peer_ports, self.http_ports = ports[:3], ports[3:6], ports[6:]
            for node in range(3):
                self.start(node)
            if self.wait_ready(*range(3)):
                return
            self.stop()
            if not any("can't listen" in self.stderr(node) for node in range(3)):
                break
        raise RuntimeError("\n".join(["the cluster did not start:", *map(self.stderr, range(3))]))

    @property
    def addresses(self):
        return [f"127.0.0.1:{port}" for port in self.ports]

    def start(self, node):
        """Starts a node, on the data that it has."""
        members = ",".join(f"{peer + 1}=127.0.0.1:{port}" for peer, port in enumerate(self.peer_ports))
        command = [BINARY, "run", "--node-id", str(node + 1), "--members", members]
        command += ["--data-dir", str(self.home / f"node{node}"), "--listen", self.addresses[node]]
        command += ["--peer-listen", f"127.0.0.1:{self.peer_ports[node]}"]
        command += ["--http-listen", f"127.0.0.1:{self.http_ports[node]}", *self.options]
        with open(self.home / f"stderr{node}", "a", encoding="utf-8") as stderr:
            self.processes[node] = subprocess.Popen(command, stderr=stderr, env=environment())

    def kill(self, node):
        """kill -9."""
        process = self.processes.pop(node)
        process.kill()
        process.wait()

    def leader(self):
        """Who leads; waits for one."""
        patience = time.monotonic() + PATIENCE
        while time.monotonic() < patience:
            for node in self.processes:
                command = [BINARY, "cluster", "status", "-a", self.addresses[node], "--format", "json"]
                ran = subprocess.run(command, capture_output=True, env=environment(), check=False, timeout=PATIENCE)
                leader = json.loads(ran.stdout)["leader"] if ran.returncode == 0 else None
                if leader is not None and leader - 1 in self.processes:
                    return leader - 1
            time.sleep(0.05)
        raise RuntimeError(f"no leader in {PATIENCE} s")

    def metric(self, name):
        """A metric without labels, which all nodes show alike."""
        node = next(iter(self.processes))
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_ports[node]}/metrics", timeout=PATIENCE) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))

    def stderr(self, node):
        return (self.home / f"stderr{node}").read_text(encoding="utf-8")

    def stop(self):
        """Stops all nodes that run; their exit codes."""
        for process in self.processes.values():
            process.terminate()
        codes = [process.wait(PATIENCE) for process in self.processes.values()]
        self.processes = {}
        return codes

    def wait_ready(self, *nodes):
        """Waits until these nodes serve; False where one does not."""
        return all([is_ready(self.processes[node], self.http_ports[node]) for node in nodes])


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


@pytest.fixture
def cluster(tmp_path_factory):
    """Three nodes with default options, which end well with the test."""
    nodes = Cluster(tmp_path_factory.mktemp("cluster"))
    yield nodes
    running = len(nodes.processes)
    assert nodes.stop() == [0] * running
