"""The example pipeline, while its workers and nodes are killed at random."""

import json
import os
import random
import subprocess
import sys
import time

import pytest
from servers import PATIENCE, ROOT

PIPELINE = ROOT / "examples" / "pipeline" / "pipeline.py"
STAGES = ["fetch", "transform", "store"]
WORKERS_PER_STAGE = 2
JOBS = 300
# Killed in random order, each after some more jobs have come out.
VICTIMS = ["worker"] * 4 + ["leader"] * 2 + ["node"]


class Workers:
    """The processes of all stages."""

    def __init__(self, addresses, results):
        self.options = ["--results", str(results), "--lease", "2"]
        for address in addresses:
            self.options += ["--address", address]
        self.stages = STAGES * WORKERS_PER_STAGE
        self.processes = [self._start(stage) for stage in self.stages]

    def command(self, role, *options):
        return [sys.executable, str(PIPELINE), role, *self.options, *options]

    def environment(self):
        return {**os.environ, "PYTHONPATH": str(ROOT / "clients" / "python")}

    def _start(self, stage):
        return subprocess.Popen(self.command(stage), env=self.environment())

    def submit(self, jobs):
        command = self.command("submit", "--jobs", str(jobs))
        return subprocess.Popen(command, env=self.environment(), stdout=subprocess.PIPE, text=True)

    def kill(self, number):
        """kill -9, and another one in its place."""
        self.processes[number].kill()
        self.processes[number].wait()
        self.processes[number] = self._start(self.stages[number])

    def stop(self):
        for process in self.processes:
            process.terminate()
        return [process.wait(PATIENCE) for process in self.processes]


@pytest.fixture
def workers(cluster, tmp_path):
    started = Workers(cluster.addresses, tmp_path / "results")
    yield started
    for process in started.processes:
        if process.poll() is None:
            process.kill()
            process.wait()


def outcome(results):
    return sorted(path.stem for path in results.glob("*.json"))


def wait_for(condition, what):
    patience = time.monotonic() + 2 * PATIENCE
    while not condition():
        assert time.monotonic() < patience, f"waited {2 * PATIENCE} s for {what}"
        time.sleep(0.02)


def test_each_job_comes_out_once(cluster, workers, tmp_path):
    seed = int(os.environ.get("CORNDOGS_SEED", random.randrange(1 << 32)))
    print(f"CORNDOGS_SEED={seed}")
    chance = random.Random(seed)
    results = tmp_path / "results"

    submitters = [workers.submit(JOBS // 3) for _ in range(3)]
    victims = chance.sample(VICTIMS, len(VICTIMS))
    away = None
    for number, victim in enumerate(victims):
        enough = JOBS * number // (len(victims) + 1)
        wait_for(lambda: len(outcome(results)) >= enough, f"{enough} results")
        print(f"{enough} results or more: kill -9 of a {victim}")
        if away is not None and victim != "worker":
            cluster.start(away)
            cluster.wait_ready(away)
            away = None
        if victim == "worker":
            workers.kill(chance.randrange(len(workers.processes)))
            continue
        away = cluster.leader() if victim == "leader" else chance.randrange(3)
        cluster.kill(away)
    names = sorted(name for submitter in submitters for name in submitter.communicate(timeout=2 * PATIENCE)[0].split())
    assert [submitter.returncode for submitter in submitters] == [0, 0, 0]
    assert len(set(names)) == len(names) == JOBS

    wait_for(lambda: len(outcome(results)) >= JOBS, "all results")
    total = len(STAGES) * JOBS
    wait_for(lambda: cluster.metric("corndogs_completed_tasks_total") >= total, "all completions")
    assert workers.stop() == [0] * len(workers.processes)
    assert outcome(results) == names
    # One completion a stage and job: none was done twice, and nothing is left over.
    assert cluster.metric("corndogs_completed_tasks_total") == cluster.metric("corndogs_tasks_total") == total
    for path in results.glob("*.json"):
        found = json.loads(path.read_text(encoding="utf-8"))
        assert found == {"job": path.stem, "text": f"WHAT {path.stem.upper()} FOUND"}
