"""The package as it is built, typed and installed."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PYTHON_CLIENT = Path(__file__).resolve().parents[1]
GENERATED = Path("corndogs_client") / "_proto"


def run(*command, cwd=PYTHON_CLIENT):
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def module(name, *arguments, **options):
    return run(sys.executable, "-m", name, *arguments, **options)


def test_the_generated_code_is_what_the_protos_say(tmp_path):
    run(sys.executable, "generate.py", "--into", str(tmp_path))
    made, kept = (
        {path.name: path.read_text(encoding="utf-8") for path in (folder / GENERATED).glob("*.py*")}
        for folder in (tmp_path, PYTHON_CLIENT)
    )
    assert "corndogs_pb2.py" in made
    assert kept == made, "run clients/python/generate.py"


@pytest.mark.parametrize("first", ["corndogs.v1alpha1", "corndogs_client._proto"])
def test_it_lives_beside_the_published_client(first):
    """In one process, whichever of them is imported first."""
    second = ({"corndogs.v1alpha1", "corndogs_client._proto"} - {first}).pop()
    script = f"""
from {first} import corndogs_pb2 as a
from {second} import corndogs_pb2 as b
import corndogs.v1alpha1.corndogs_grpc, corndogs_client
sent = a.Task(uuid="u", payload=b"p")
assert type(sent) is not b.Task
assert b.Task.FromString(sent.SerializeToString()) == b.Task(uuid="u", payload=b"p")
"""
    path = {**os.environ, "PYTHONPATH": str(PYTHON_CLIENT)}
    subprocess.run([sys.executable, "-c", script], env=path, check=True)


def test_a_wheel_can_be_built(tmp_path):
    module("pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), ".")
    [wheel] = tmp_path.glob("corndogs_client-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"corndogs_client/py.typed", "corndogs_client/worker.py", str(GENERATED / "corndogs_pb2.py")} <= names
    assert not [name for name in names if name.startswith("tests")]


def test_types_and_style(tmp_path):
    example = str(PYTHON_CLIENT.parents[1] / "examples" / "pipeline" / "pipeline.py")
    module("mypy", "--strict", "--cache-dir", str(tmp_path / "mypy"), "corndogs_client", "generate.py", example)
    configured = ["--no-cache", "--config", "pyproject.toml"]
    module("ruff", "check", *configured, ".", example)
    module("ruff", "format", *configured, "--check", ".", example)


def test_the_readmes_code_is_typed(tmp_path):
    """What it shows is a whole program."""
    blocks = re.findall(r"```python\n(.*?)```", (PYTHON_CLIENT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        (tmp_path / f"block{number}.py").write_text(block, encoding="utf-8")
    files = [str(path) for path in sorted(tmp_path.glob("*.py"))]
    module("mypy", "--strict", "--cache-dir", str(tmp_path / "mypy"), *files)
