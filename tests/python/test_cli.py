"""The command line, every command of it, as scripts use it: results, exit codes, streams."""

import base64
import json
import subprocess

import pytest
from servers import BINARY, environment, free_ports

DONE, FAILED, USAGE = 0, 1, 2
UNKNOWN = "0192f5e0-1234-7abc-8def-0123456789ab"


class Cli:
    """Runs commands against one server."""

    def __init__(self, port):
        self.address = ["--address", f"127.0.0.1:{port}"]

    def run(self, *arguments, code=DONE, stdin=b"", address=None, **variables):
        command = [BINARY, *arguments, *(self.address if address is None else address)]
        ran = subprocess.run(
            command, input=stdin, capture_output=True, timeout=120, env=environment(**variables), check=False
        )
        assert ran.returncode == code, f"{command}: {ran}"
        if code == DONE:
            assert ran.stdout, f"{command} has no result"
        else:
            assert ran.stderr, f"{command} does not say why"
        return ran

    def json(self, *arguments, **rest):
        return json.loads(self.run(*arguments, "--format", "json", **rest).stdout)

    def task(self, *arguments, **rest):
        return self.json(*arguments, **rest)["task"]


@pytest.fixture
def cli(server):
    return Cli(server.port)


def target(task):
    return ["--uuid", task["uuid"], "--queue", task["queue"], "--current-state", task["current_state"]]


def test_a_task_from_submit_to_complete(cli):
    submitted = cli.task("submit-task", "-q", "work", "--payload", "hello", "--priority", "4", "--timeout", "60")
    assert (submitted["queue"], submitted["priority"], submitted["timeout"]) == ("work", 4, 60)
    assert base64.b64decode(submitted["payload"]) == b"hello"
    assert cli.task("get-task", "--uuid", submitted["uuid"]) == submitted

    claimed = cli.task("next-task", "-q", "work", "--worker", "me", "--override-timeout", "90")
    assert (claimed["uuid"], claimed["worker"], claimed["attempt"]) == (submitted["uuid"], "me", 1)
    assert (claimed["current_state"], claimed["timeout"]) == ("submitted-working", 90)

    updated = cli.task("update-task", *target(claimed), "--new-state", "half", "--priority", "1")
    assert (updated["current_state"], updated["auto_target_state"]) == ("half", "half-working")
    assert base64.b64decode(updated["payload"]) == b"hello"

    following = json.dumps({"queue": "after", "payload": base64.b64encode(b"next").decode()})
    done = cli.json("complete-task", *target(updated), "--attempt", "1", "--next-task", following)
    assert done["task"]["current_state"] == "completed"
    assert done["next_task"]["queue"] == "after"
    assert base64.b64decode(done["next_task"]["payload"]) == b"next"
    assert cli.task("get-task", "--uuid", submitted["uuid"]) == done["task"]


def test_cancel(cli):
    task = cli.task("submit-task")
    assert cli.task("cancel-task", *target(task))["current_state"] == "canceled"
    cli.run("cancel-task", *target(task), code=FAILED)


def test_nothing_to_claim_is_done_and_no_match_is_not(cli):
    ran = subprocess.run([BINARY, "next-task", *cli.address], capture_output=True, check=False, env=environment())
    assert ran.returncode == DONE, ran
    empty = cli.json("next-task")
    assert empty.get("task") is None
    task = cli.task("submit-task", "-q", "q")
    other = {**task, "queue": "other"}
    for command in ["update-task", "complete-task", "cancel-task"]:
        cli.run(command, *target(other), code=FAILED)
    cli.run("get-task", "--uuid", UNKNOWN, code=FAILED)
    assert cli.task("get-task", "--uuid", task["uuid"]) == task


def test_fencing(cli):
    cli.task("submit-task")
    claimed = cli.task("next-task", "--worker", "me")
    stale = cli.run("complete-task", *target(claimed), "--attempt", "7", code=FAILED)
    assert b"me" in stale.stderr
    cli.run("complete-task", *target(claimed), "--attempt", "1")


def test_timeout(start):
    cli = Cli(start("--timeout-sweep", "off").port)
    task = cli.task("submit-task", "-q", "q", "--timeout", "30")
    assert cli.json("timeout")["timed_out"] == 0
    later = str(task["expires_at"] + 1)
    assert cli.json("timeout", "--at", later, "--queue", "other")["timed_out"] == 0
    assert cli.json("timeout", "--at", later)["timed_out"] == 1
    assert cli.task("get-task", "--uuid", task["uuid"])["current_state"] == "submitted-working"


def test_counts(cli):
    for queue in ["a", "b", "b"]:
        cli.run("submit-task", "-q", queue)
    queues = cli.json("get-queues")
    assert (sorted(queues["queues"]), queues["total_task_count"]) == (["a", "b"], 3)
    counts = cli.json("get-queue-task-counts")
    assert (counts["queue_counts"], counts["total_task_count"]) == ({"a": 1, "b": 2}, 3)
    states = cli.json("get-task-state-counts", "-q", "b")
    assert states == {"queue": "b", "count": 2, "state_counts": {"submitted": 2}}
    everything = cli.json("get-queue-and-state-counts")["queue_and_state_counts"]
    assert everything == {"a": {"queue": "a", "count": 1, "state_counts": {"submitted": 1}}, "b": states}


def lines(*items):
    return "".join(json.dumps(item) + "\n" for item in items).encode()


def test_batches_are_lines_of_json(cli):
    submitted = cli.json("submit-tasks", stdin=lines({"queue": "a"}, {"queue": "b", "priority": 2}))["tasks"]
    assert [(task["queue"], task["priority"]) for task in submitted] == [("a", 0), ("b", 2)]
    claimed = cli.json("next-tasks", "--queues", "a", "--queues", "b", "--max-tasks", "5")["tasks"]
    assert [task["uuid"] for task in claimed] == [submitted[1]["uuid"], submitted[0]["uuid"]]
    completions = [{key: task[key] for key in ["uuid", "queue", "current_state", "attempt"]} for task in claimed]
    completions[1]["attempt"] = 7
    completed = cli.json("complete-tasks", stdin=lines(*completions), code=FAILED)["results"]
    assert completed[0]["task"]["current_state"] == "completed"
    assert not completed[1].get("task")
    assert cli.json("get-queues")["queues"] == ["a"]
    cli.run("submit-tasks", stdin=lines({"queue": "a"}, {"queue": "b\n"}), code=FAILED)
    assert cli.json("get-queues")["total_task_count"] == 1


def test_a_lease_is_extended(cli):
    cli.run("submit-task", "--timeout", "5")
    claimed = cli.task("next-task", "--worker", "me")
    extended = cli.task("extend-task", *target(claimed), "--attempt", "1", "--timeout", "600")
    assert extended["timeout"] == 600
    assert int(extended["expires_at"]) > int(claimed["expires_at"])
    stale = cli.run("extend-task", *target(claimed), "--attempt", "9", "--timeout", "600", code=FAILED)
    assert b"me" in stale.stderr


def test_what_a_task_may_carry(cli):
    flags = ["--unique-key", "k", "--metadata", "tenant=a b", "--max-attempts", "3", "--not-before", "2100-01-01T00:00:00Z"]
    task = cli.task("submit-task", *flags)
    assert (task["unique_key"], task["metadata"], task["max_attempts"]) == ("k", {"tenant": "a b"}, 3)
    assert cli.task("submit-task", *flags)["uuid"] == task["uuid"]
    assert not cli.json("next-task", "--wait-ms", "50").get("task")


def test_cluster_status(cli):
    status = cli.json("cluster", "status")
    assert status["leader"] == 1
    assert [(node["id"], node["role"]) for node in status["nodes"]] == [(1, "leader")]


def test_a_backup_restores(start, tmp_path):
    first = start()
    cli = Cli(first.port)
    live = cli.task("submit-task", "-q", "kept", "--payload", "x", "--timeout", "3600")
    ended = cli.task("cancel-task", *target(cli.task("submit-task")))
    file = tmp_path / "backup"
    cli.run("backup", "--out", str(file))
    cli.run("submit-task", "-q", "after-the-backup")

    home = tmp_path / "restored"
    restore = ["restore", str(file), "--data-dir", str(home / "data")]
    subprocess.run([BINARY, *restore], check=True, env=environment())
    again = subprocess.run([BINARY, *restore], check=False, env=environment(), capture_output=True)
    assert again.returncode == FAILED, again
    restored = Cli(start(home=home).port)
    assert restored.json("get-queues") == {"queues": ["kept"], "total_task_count": 1}
    for task in [live, ended]:
        assert restored.task("get-task", "--uuid", task["uuid"]) == task


def test_addresses(server, cli):
    port = str(server.port)
    spellings = [["-a", f"127.0.0.1:{port}"], ["-a", "127.0.0.1", "-p", port], ["-a", "localhost", "--port", port], ["-p", port]]
    for address in spellings:
        cli.run("get-queues", address=address)
    cli.run("get-queues", address=[], CORNDOGS_ADDRESS=f"127.0.0.1:{port}")
    nobody = free_ports(1)[0]
    ran = cli.run("get-queues", address=["-a", f"127.0.0.1:{nobody}"], code=FAILED)
    assert f"127.0.0.1:{nobody}".encode() in ran.stderr
    assert not ran.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["submit-task", "--no-such-flag"],
        ["submit-task", "--priority", "high"],
        ["submit-task", "--payload-base64", "???"],
        ["complete-task", "--queue", "q"],
        ["complete-task", "--uuid", UNKNOWN, "--queue", "q", "--current-state", "s", "--next-task", "{"],
        ["timeout", "--at", "tomorrow"],
        ["get-queues", "--format", "xml"],
        ["get-queues", "--address", "host:port:port"],
    ],
)
def test_usage(cli, arguments):
    ran = cli.run(*arguments, code=USAGE, address=[])
    assert not ran.stdout


def test_refusals_name_the_field(cli):
    ran = cli.run("submit-task", "-q", "x" * 256, code=FAILED)
    assert b"queue" in ran.stderr and b"x" * 200 not in ran.stderr
    ran = cli.run("get-task", "--uuid", "nonsense", code=FAILED)
    assert b"uuid" in ran.stderr


def test_people_read_lines(cli):
    task = cli.task("submit-task", "--payload", "readable")
    text = cli.run("get-task", "--uuid", task["uuid"]).stdout.decode()
    assert task["uuid"] in text and "submitted-working" in text
    assert not text.startswith("{")
    assert b"total_task_count" in cli.run("get-queues").stdout


def test_help_and_version(cli):
    assert b"submit-task" in cli.run("--help", address=[]).stdout
    assert cli.run("--version", address=[]).stdout.startswith(b"corndogs ")
