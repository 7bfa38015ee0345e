"""The Helm chart, rendered."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from servers import ROOT

CHART = ROOT / "statefulset" / "chart"
RELEASE, NAMESPACE = "corndogs", "corndogs"


def helm_program():
    """The one that HELM names, the one beside this Python, or the one on the path."""
    beside = Path(sys.executable).with_name("helm")
    program = os.environ.get("HELM") or (str(beside) if beside.exists() else shutil.which("helm"))
    assert program, "no helm: tests/python/get_helm.py installs it, or name it by HELM"
    return program


def helm(*arguments, values=None, check=True):
    """Runs helm, with values as a file of theirs."""
    command = [helm_program(), *map(str, arguments)]
    if values is not None:
        command += ["--values", "-"]
    ran = subprocess.run(
        command, input=yaml.safe_dump(values or {}), capture_output=True, text=True, check=False, timeout=120
    )
    if check:
        assert ran.returncode == 0, ran
    return ran


def render(values=None, release=RELEASE, namespace=NAMESPACE, check=True):
    return helm("template", release, CHART, "--namespace", namespace, values=values or {}, check=check)


def documents(values=None, **names):
    """What the chart makes, by kind and name."""
    docs = [doc for doc in yaml.safe_load_all(render(values, **names).stdout) if doc]
    return {(doc["kind"], doc["metadata"]["name"]): doc for doc in docs}


def stateful_set(docs):
    [found] = [doc for (kind, _), doc in docs.items() if kind == "StatefulSet"]
    return found


def container(docs):
    [found] = stateful_set(docs)["spec"]["template"]["spec"]["containers"]
    return found


def environment_of(docs):
    """The container's variables that have a plain value."""
    return {entry["name"]: entry["value"] for entry in container(docs)["env"] if "value" in entry}


def members_of(docs):
    """HOST:PORT of each node by its id."""
    pairs = [member.split("=") for member in environment_of(docs)["CORNDOGS_MEMBERS"].split(",")]
    return {int(node): address for node, address in pairs}
