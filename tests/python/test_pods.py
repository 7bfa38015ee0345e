"""The chart's pods, run as processes in network namespaces: addresses change, volumes are lost, nodes come and go.

Follows statefulset/README.md, command by command.
"""

import signal
import subprocess

import pods
import pytest
import trustme
from chart import documents
from servers import BINARY, environment

QUEUE = "work"
reason = pods.why_not()
pytestmark = pytest.mark.skipif(reason is not None, reason=str(reason))


@pytest.fixture
def cluster():
    started = pods.Cluster(documents())
    yield started
    started.close()


def submit(cluster, count):
    """Tasks, through one pod after the other; by uuid."""
    tasks = {}
    for number in range(count):
        pod = cluster.pods[number % len(cluster.pods)]
        task = cluster.ask(pod, "submit-task", "-q", QUEUE, "--payload", f"{number}")["task"]
        tasks[task["uuid"]] = task
    return tasks


def assert_kept(cluster, tasks):
    """Every pod knows every task as it was acknowledged."""
    for pod in cluster.pods:
        for uuid, task in tasks.items():
            assert cluster.ask(pod, "get-task", "--uuid", uuid)["task"] == task, pod.name


def roles(cluster):
    return {node["id"]: node["role"] for node in cluster.ask(cluster.pods[0], "cluster", "status")["nodes"]}


def voters(cluster):
    """The ids of the nodes that lead or follow."""
    return {node for node, role in roles(cluster).items() if role in ("leader", "follower")}


def wait_for_voters(cluster, wanted):
    """A node that came back may be dialled only a moment later."""
    cluster.wait(lambda: voters(cluster) == wanted, f"the voters {wanted}")


def assert_same_state(cluster):
    """Once all have applied the same, all have the same state."""

    def states():
        nodes = cluster.ask(cluster.pods[0], "cluster", "status")["nodes"]
        return {(node["applied_index"], node["state_hash"]) for node in nodes}

    cluster.wait(lambda: len({applied for applied, _ in states()}) == 1, "the same applied index on all nodes")
    assert len(states()) == 1, states()


def start(cluster):
    cluster.scale()
    for pod in cluster.pods:
        pod.wait_ready()


def roll(cluster, docs):
    """An update: pod by pod, the last first, each ready before the next."""
    cluster.docs = docs
    for pod in reversed(cluster.pods):
        if pod.docs is docs:
            continue
        assert pod.stop() == 0, pod.printed()
        pod.start()
        pod.wait_ready()


def test_pods_come_back_with_other_addresses(cluster):
    start(cluster)
    wait_for_voters(cluster, {1, 2, 3})
    tasks = submit(cluster, 9)
    seen = {pod.address for pod in cluster.pods}

    # One after the other, gracefully.
    for pod in cluster.pods:
        assert pod.stop() == 0, pod.printed()
        others = [other for other in cluster.pods if other.process]
        task = cluster.ask(others[0], "submit-task", "-q", QUEUE)["task"]
        tasks[task["uuid"]] = task
        pod.start()
        pod.wait_ready()
    # One killed, then all at once, as when the power fails.
    cluster.pods[0].stop(signal.SIGKILL)
    cluster.pods[0].start()
    cluster.pods[0].wait_ready()
    for pod in cluster.pods:
        pod.stop(signal.SIGKILL)
    for pod in cluster.pods:
        pod.start()
    for pod in cluster.pods:
        pod.wait_ready()
    assert not seen & {pod.address for pod in cluster.pods}
    wait_for_voters(cluster, {1, 2, 3})
    assert_kept(cluster, tasks)

    # Each task is claimed once, whoever is asked.
    claimed = [cluster.ask(cluster.pods[turn % 3], "next-task", "-q", QUEUE)["task"] for turn in range(len(tasks))]
    assert sorted(task["uuid"] for task in claimed) == sorted(tasks)
    assert cluster.ask(cluster.pods[1], "next-task", "-q", QUEUE).get("task") is None
    assert_same_state(cluster)


def test_a_pod_that_lost_its_volume_comes_back(cluster):
    start(cluster)
    tasks = submit(cluster, 9)
    lost = cluster.pods[2]
    lost.stop(signal.SIGKILL)
    lost.make_volume()
    lost.start()
    cluster.wait(lambda: "replace-node 3`" in lost.probe("readinessProbe")[1], "a word on replacing the node")
    cluster.ask(cluster.pods[0], "cluster", "replace-node", "3")
    lost.wait_ready()
    wait_for_voters(cluster, {1, 2, 3})
    assert_kept(cluster, tasks)
    assert_same_state(cluster)


def test_a_pod_that_lost_its_volume_is_replaced(cluster):
    start(cluster)
    tasks = submit(cluster, 9)
    lost = cluster.pods[2]
    lost.stop(signal.SIGKILL)
    lost.make_volume()
    lost.start()
    cluster.wait(lambda: "replace" in lost.printed(), "a word on replacing the node")
    assert not lost.ready()
    # It is alive, in Kubernetes' eyes, and says what to do; the others serve.
    cluster.wait(lambda: lost.probe("livenessProbe")[0] == 200, "the empty node's http port")
    status, body = lost.probe("readinessProbe")
    assert status == 503 and "replace" in body, body
    others = cluster.pods[:2]
    task = cluster.ask(others[0], "submit-task", "-q", QUEUE)["task"]
    tasks[task["uuid"]] = task

    # helm upgrade --set nodeIds.2=4: the last pod is made anew first, and waits to be taken in.
    cluster.docs = documents({"nodeIds": {"2": 4}})
    lost.stop()
    lost.start()
    assert cluster.members()[4].startswith(f"{lost.host}:")
    cluster.wait(lambda: "add-node" in lost.probe("readinessProbe")[1], "the new node to say that it waits")
    cluster.ask(others[0], "cluster", "replace-node", "3", f"4={cluster.members()[4]}")
    lost.wait_ready()
    assert set(roles(cluster)) == {1, 2, 4}
    roll(cluster, cluster.docs)
    wait_for_voters(cluster, {1, 2, 4})
    assert_kept(cluster, tasks)
    assert_same_state(cluster)

    # The new one counts: with it, another may fall.
    cluster.pods[0].stop(signal.SIGKILL)
    task = cluster.ask(lost, "submit-task", "-q", QUEUE)["task"]
    cluster.pods[0].start()
    cluster.pods[0].wait_ready()
    assert_kept(cluster, {**tasks, task["uuid"]: task})


def test_the_cluster_grows_and_shrinks(cluster):
    start(cluster)
    tasks = submit(cluster, 6)

    # helm upgrade --set replicas=5: two pods wait to be taken in, while the others are made anew.
    cluster.docs = documents({"replicas": 5})
    new = cluster.scale()
    for node, pod in zip([4, 5], new, strict=True):
        cluster.wait(lambda: "add-node" in pod.probe("readinessProbe")[1], "the new node to say that it waits")
        cluster.ask(cluster.pods[0], "cluster", "add-node", f"{node}={cluster.members()[node]}")
    for pod in new:
        pod.wait_ready()
    roll(cluster, cluster.docs)
    wait_for_voters(cluster, {1, 2, 3, 4, 5})
    assert_kept(cluster, tasks)

    # And back: the nodes go first, then their pods.
    for node in [5, 4]:
        cluster.ask(cluster.pods[0], "cluster", "remove-node", str(node))
    cluster.docs = documents()
    cluster.scale()
    roll(cluster, cluster.docs)
    assert set(roles(cluster)) == {1, 2, 3}
    assert_kept(cluster, {**tasks, **submit(cluster, 3)})
    assert_same_state(cluster)


def test_a_backup_becomes_a_new_cluster(cluster):
    start(cluster)
    tasks = submit(cluster, 6)
    backup = cluster.home / "backup"
    cluster.ask(cluster.pods[1], "backup", "--out", backup)
    backup.chmod(0o644)
    submit(cluster, 1)
    for pod in reversed(cluster.pods):
        assert pod.stop() == 0, pod.printed()
        pod.make_volume()

    cluster.pods[0].restore(backup)
    for pod in cluster.pods:
        pod.start()
    cluster.pods[0].wait_ready()
    for node, pod in zip([2, 3], cluster.pods[1:], strict=True):
        cluster.wait(lambda: "add-node" in pod.probe("readinessProbe")[1], "the empty node to say that it waits")
        cluster.ask(cluster.pods[0], "cluster", "add-node", f"{node}={cluster.members()[node]}")
        pod.wait_ready()
    wait_for_voters(cluster, {1, 2, 3})
    assert_kept(cluster, tasks)
    assert cluster.ask(cluster.pods[2], "get-queues")["total_task_count"] == len(tasks)
    assert_same_state(cluster)


def write_secret(cluster, name, authority, *names):
    """tls.crt, tls.key and ca.crt, as in a secret of the type kubernetes.io/tls."""
    folder = cluster.secret(name)
    certificate = authority.issue_cert(*names)
    chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
    files = {"tls.crt": chain, "tls.key": certificate.private_key_pem.bytes(), "ca.crt": authority.cert_pem.bytes()}
    for file, content in files.items():
        (folder / file).write_bytes(content)
        (folder / file).chmod(0o644)
    return folder


def test_pods_speak_tls(cluster):
    options = subprocess.run([BINARY, "run", "--help"], capture_output=True, text=True, check=True, env=environment()).stdout
    if "--peer-tls-cert" not in options:
        pytest.skip("this program has no TLS")
    client = {"secretName": "clients", "verifyClients": True}
    cluster.docs = documents({"tls": {"client": client, "peer": {"secretName": "peers"}}})
    pods_names = "*.corndogs-peers.corndogs.svc.cluster.local"
    authority = trustme.CA()
    files = write_secret(cluster, "clients", authority, pods_names, "corndogs.corndogs.svc")
    write_secret(cluster, "peers", trustme.CA(), pods_names)
    start(cluster)

    # Neither without TLS nor without a certificate.
    for flags in [[], ["--tls-ca", files / "ca.crt"]]:
        cluster.flags = flags
        refused = cluster.command(cluster.pods[0], "get-queues")
        assert refused.returncode == 1, refused
    user = write_secret(cluster, "user", authority, "user.example")
    cluster.flags += ["--tls-cert", user / "tls.crt", "--tls-key", user / "tls.key"]
    tasks = submit(cluster, 6)

    # A renewed certificate is taken up.
    write_secret(cluster, "clients", authority, pods_names)
    for pod in cluster.pods:
        assert pod.stop() == 0, pod.printed()
        pod.start()
        pod.wait_ready()
    wait_for_voters(cluster, {1, 2, 3})
    assert_kept(cluster, tasks)

    # A node with a certificate of somebody else's authority is no peer; the others do without it.
    stranger = cluster.pods[2]
    stranger.stop(signal.SIGKILL)
    write_secret(cluster, "strangers", trustme.CA(), pods_names)
    cluster.docs = documents({"tls": {"client": client, "peer": {"secretName": "strangers"}}})
    stranger.start()
    task = cluster.ask(cluster.pods[0], "submit-task", "-q", QUEUE)["task"]
    cluster.wait(lambda: stranger.probe("livenessProbe")[0] == 200, "the stranger's http port")
    assert not stranger.ready()
    wait_for_voters(cluster, {1, 2})
    stranger.stop(signal.SIGKILL)
    cluster.docs = documents({"tls": {"client": client, "peer": {"secretName": "peers"}}})
    stranger.start()
    stranger.wait_ready()
    assert_kept(cluster, {**tasks, task["uuid"]: task})
    assert_same_state(cluster)
