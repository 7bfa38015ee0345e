"""cluster/run.sh: three nodes on one machine, as a person would try them."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from servers import BINARY, PATIENCE, ROOT, environment

SCRIPT = ROOT / "cluster" / "run.sh"
FIRST_PORTS = (5080, 5090, 8080)
NODES = (1, 2, 3)


def free_offset():
    """One by which all nine ports are free."""
    for offset in range(11_000 + os.getpid() % 997 * 16, 50_000, 16):
        try:
            for first in FIRST_PORTS:
                for node in NODES:
                    with socket.socket() as probe:
                        probe.bind(("127.0.0.1", first + offset + node - 1))
            return offset
        except OSError:
            continue
    raise RuntimeError("no nine free ports")


def processes_of(data):
    """The ids of the processes that were started on this directory."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(data).encode() in command.read_bytes():
                found.append(int(command.parent.name))
        except OSError:
            continue  # It has ended meanwhile.
    return found


def wait_for(condition, what):
    patience = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < patience, f"waited {PATIENCE} s for {what}"
        time.sleep(0.02)


class Script:
    """A running cluster/run.sh, with what it has printed so far."""

    def __init__(self, home, *arguments, **variables):
        self.data = home / "data"
        self.output = home / "output"
        self.offset = free_offset()
        variables = {"CLUSTER_DATA": str(self.data), "CLUSTER_PORT_OFFSET": str(self.offset), **variables}
        variables = {"CORNDOGS_BIN": BINARY, **variables}
        # The output of an earlier run on the same data goes before.
        self.said = self._ready()
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                [SCRIPT, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(**variables),
                start_new_session=True,
            )

    def text(self):
        return self.output.read_text(encoding="utf-8") if self.output.exists() else ""

    def wait_ready(self):
        wait_for(lambda: self._ready() > self.said or self.process.poll() is not None, "the nodes to be ready")
        assert self.process.poll() is None, self.text()

    def _ready(self):
        return len([line for line in self.text().splitlines() if line.startswith("ready: ")])

    def port(self, node):
        return str(FIRST_PORTS[0] + self.offset + node - 1)

    def cli(self, node, *arguments):
        """What a command prints, asked of a node. Where there is no leader for a moment, it is asked again."""
        command = [BINARY, *arguments, "--format", "json", "-p", self.port(node)]
        patience = time.monotonic() + PATIENCE
        while True:
            ran = subprocess.run(command, capture_output=True, env=environment(), check=False, timeout=PATIENCE)
            if ran.returncode == 0:
                return json.loads(ran.stdout)
            assert b"nothing was done" in ran.stderr.lower() and time.monotonic() < patience, (command, ran)
            time.sleep(0.05)

    def pid(self, node):
        [pid] = [pid for pid in processes_of(self.data / f"node{node}") if pid != self.process.pid]
        return pid

    def interrupt(self):
        """Ctrl-C in a terminal: every process of the group in the foreground gets it."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self):
        return self.process.wait(2 * PATIENCE)


@pytest.fixture
def run(tmp_path):
    started = []

    def start(*arguments, home=tmp_path, **variables):
        script = Script(home, *arguments, **variables)
        started.append(script)
        return script

    yield start
    left = [pid for script in started for pid in processes_of(script.data)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    for script in started:
        if script.process.poll() is None:
            script.process.kill()
        script.process.wait()
    assert not left, [script.text() for script in started]


def test_three_nodes_until_interrupted(run):
    script = run()
    script.wait_ready()
    assert [node["id"] for node in script.cli(1, "cluster", "status")["nodes"]] == [1, 2, 3]
    task = script.cli(1, "submit-task", "-q", "mail", "--payload", "hello")["task"]
    assert script.cli(3, "get-task", "--uuid", task["uuid"])["task"] == task

    os.kill(script.pid(2), signal.SIGKILL)
    claimed = script.cli(3, "next-task", "-q", "mail", "--worker", "me")["task"]
    assert (claimed["uuid"], claimed["worker"]) == (task["uuid"], "me")
    assert script.cli(1, "get-task", "--uuid", task["uuid"])["task"] == claimed
    wait_for(lambda: "node 2 has ended" in script.text(), "a word on the end of node 2")

    script.interrupt()
    assert script.wait() == 0, script.text()
    assert not processes_of(script.data)

    # The same data serves again, on all three nodes; --fresh does away with it.
    script = run()
    script.wait_ready()
    assert script.cli(2, "get-task", "--uuid", task["uuid"])["task"] == claimed
    script.process.terminate()
    assert script.wait() == 0, script.text()
    script = run("--fresh")
    script.wait_ready()
    assert script.cli(2, "get-queues")["total_task_count"] == 0
    script.interrupt()
    assert script.wait() == 0, script.text()


def test_a_second_interrupt_kills(run):
    script = run()
    script.wait_ready()
    os.kill(script.pid(3), signal.SIGSTOP)
    script.interrupt()
    wait_for(lambda: "Ctrl-C again" in script.text(), "a word on the second Ctrl-C")
    wait_for(lambda: len(processes_of(script.data)) == 1, "the others to end")
    assert script.process.poll() is None
    script.interrupt()
    assert script.wait() == 0, script.text()


def test_a_port_in_use_is_named(run, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        script = run(CLUSTER_PORT_OFFSET=str(port - FIRST_PORTS[1] - 1))
        assert script.wait() == 1
    assert f"port {port} is in use" in script.text()
    assert not script.data.exists()


def test_a_node_that_ends_at_its_start_shows_its_log(run, tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho the disk is on fire >&2\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    script = run(CORNDOGS_BIN=str(program))
    assert script.wait() == 1
    assert "the disk is on fire" in script.text()
    assert "ended at its start" in script.text()


def test_a_node_that_never_gets_ready_is_not_waited_for_when_interrupted(run, tmp_path):
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\necho "$@"\nexec sleep 600\n', encoding="utf-8")
    program.chmod(0o755)
    script = run(CORNDOGS_BIN=str(program))
    logs = [script.data / f"node{node}.log" for node in NODES]
    wait_for(lambda: all(log.exists() and "\nrun --config" in log.read_text() for log in logs), "the nodes to start")
    groups = {os.getpgid(pid) for pid in children(script.process.pid)}
    assert len(groups - {script.process.pid}) == 3
    script.interrupt()
    assert script.wait() == 0, script.text()
    assert not children(script.process.pid)
    for group in groups - {script.process.pid}:
        with pytest.raises(ProcessLookupError):
            os.killpg(group, 0)


def children(pid):
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text(encoding="utf-8").split()] if listed.exists() else []


def test_without_a_program_it_says_what_to_install(run, tmp_path):
    script = run(CORNDOGS_BIN="", PATH=without("cargo", tmp_path))
    assert script.wait() == 1
    assert "install Rust" in script.text() and "CORNDOGS_BIN" in script.text()
    script = run(CORNDOGS_BIN=str(tmp_path / "nothing"))
    assert script.wait() == 1
    assert f"there is no program {tmp_path / 'nothing'}" in script.text()


def without(program, home):
    """A PATH of all that is on ours, but for one program."""
    folder = home / "path"
    folder.mkdir()
    for directory in os.environ["PATH"].split(":"):
        for found in Path(directory).glob("*"):
            link = folder / found.name
            if found.name != program and not link.is_symlink():
                link.symlink_to(found)
    return str(folder)


def test_bad_arguments(run):
    for arguments, variables, word in [
        (["--frehs"], {}, "--frehs"),
        ([], {"CLUSTER_PORT_OFFSET": "many"}, "many"),
    ]:
        script = run(*arguments, **variables)
        assert script.wait() == 1
        assert word in script.text()
