"""Pods without Kubernetes: what the chart's StatefulSet says is started in network namespaces of this machine, by root.

Each pod has a namespace of its own with an address of its own, its name as host name, the user of the security
context, the container's arguments and environment, and a directory in place of the volume. The names of the pods are
in /etc/hosts as each of them sees it, rewritten in place where a pod comes back with another address. All of it lies
in namespaces that are made here: nothing of this touches the machine's own network.
"""

import ctypes
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from chart import NAMESPACE, container, environment_of, members_of, stateful_set
from servers import BINARY, PATIENCE, ROOT

CLONE_NEWNET = 0x40000000
# One that is given to no machine on the way: benchmarks between hosts of one's own.
SUBNET = "198.18.7."
SWITCH = 250
CLIENT = 251
FIRST_HOST = 10
# Ends the shell's part in its own host name, then becomes the program.
BECOME = 'printf %s "$0" >/proc/sys/kernel/hostname && exec "$@"'

libc = ctypes.CDLL(None, use_errno=True)


def why_not():
    """Why this machine can't have such pods; None if it can."""
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    for program in ("ip", "unshare", "setpriv"):
        if shutil.which(program) is None:
            return f"needs the program {program} (iproute2, util-linux)"
    probe = f"corndogs-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"network namespaces can't be made here: {made.stderr.strip()}"
    entered = ["ip", "netns", "exec", probe, "unshare", "--uts", "true"]
    entered = subprocess.run(entered, capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", probe], check=True)
    return None if entered.returncode == 0 else f"namespaces can't be entered here: {entered.stderr.strip()}"


def ip(*arguments):
    subprocess.run(["ip", *map(str, arguments)], check=True, capture_output=True, text=True)


def inside(space, act):
    """What `act` returns in a thread that has its sockets in that namespace."""
    answer = []

    def run():
        with open(f"/run/netns/{space}", "rb") as handle:
            if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        answer.append(act())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answer[0]


class NoNames(threading.Thread):
    """A name server, as quick as Kubernetes' own, that knows no name."""

    def __init__(self, space, address):
        super().__init__(daemon=True)
        self.server = inside(space, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.server.bind((address, 53))
        self.server.settimeout(0.1)
        self.wanted = True
        self.start()

    def run(self):
        while self.wanted:
            try:
                query, asker = self.server.recvfrom(512)
                # The same question, as an answer: recursion is available (0x8180), there is no such name (3), no records.
                flags, records = b"\x81\x83", bytes(6)
                answer = query[:2] + flags + query[4:6] + records + query[12 : question_end(query)]
                self.server.sendto(answer, asker)
            except OSError:
                continue  # Nobody asked, or who asked is gone.

    def close(self):
        self.wanted = False
        self.join()
        self.server.close()


def question_end(query):
    """Where a query's one question ends: after its name's labels, its type and its class."""
    at = 12
    while query[at]:
        at += query[at] + 1
    return at + 5


class Network:
    """A switch in a namespace of its own, and a namespace for each host at it."""

    def __init__(self, home):
        self.home = home
        self.prefix = f"corndogs-{os.getpid()}-"
        self.hosts = {}
        self.spaces = set()
        self.switch = self._space("switch")
        ip("-n", self.switch, "link", "add", "switch", "type", "bridge")
        ip("-n", self.switch, "link", "set", "switch", "up")

    def _space(self, name):
        space = self.prefix + name
        files = Path("/etc/netns") / space
        files.mkdir(parents=True, exist_ok=True)
        # Names that are not in the file are nowhere: `NoNames` says so, nobody outside is asked.
        resolver = f"nameserver {SUBNET}{CLIENT}\noptions ndots:5\n"
        for file, text in [("hosts", self._hosts()), ("resolv.conf", resolver), ("nsswitch.conf", "hosts: files dns\n")]:
            if Path("/etc", file).exists():
                (files / file).write_text(text, encoding="utf-8")
        ip("netns", "add", space)
        self.spaces.add(space)
        ip("-n", space, "link", "set", "lo", "up")
        return space

    def join(self, name, number):
        """A new namespace for a host, with that address."""
        space = self._space(name)
        address = f"{SUBNET}{number}"
        port = f"p{number}"
        ip("-n", self.switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space)
        ip("-n", self.switch, "link", "set", port, "master", "switch", "up")
        ip("-n", space, "address", "add", f"{address}/24", "dev", "eth0")
        ip("-n", space, "link", "set", "eth0", "up")
        return space, address

    def leave(self, name):
        space = self.prefix + name
        ip("netns", "del", space)
        self.spaces.discard(space)
        shutil.rmtree(Path("/etc/netns") / space)

    def _hosts(self):
        known = [f"{address} {name}\n" for name, address in self.hosts.items()]
        return "127.0.0.1 localhost\n" + "".join(known)

    def publish(self, name, address):
        """Tells every host where a name is now; None: nowhere. Written in place, for the files are mounted."""
        self.hosts.pop(name, None)
        if address:
            self.hosts[name] = address
        for space in self.spaces:
            with open(Path("/etc/netns") / space / "hosts", "r+", encoding="utf-8") as file:
                file.truncate()
                file.write(self._hosts())

    def close(self):
        for space in list(self.spaces):
            self.leave(space.removeprefix(self.prefix))


def fields(entry, pod):
    """The value of an environment variable, as the kubelet would fill it in."""
    if "value" in entry:
        return entry["value"]
    path = entry["valueFrom"]["fieldRef"]["fieldPath"]
    label = path.removeprefix("metadata.labels['").removesuffix("']")
    known = {"metadata.name": pod.name, "metadata.namespace": NAMESPACE, "status.podIP": pod.address}
    return known[path] if path in known else pod.labels[label]


def image_environment():
    """The variables that the image brings."""
    text = (ROOT / "statefulset" / "Dockerfile").read_text(encoding="utf-8")
    final = text[text.rindex("\nENV ") + len("\nENV ") : text.index("\nVOLUME")]
    return dict(pair.split("=", 1) for pair in final.replace("\\\n", " ").split())


class Pod:
    """One pod of the StatefulSet: its name and its volume stay, its process, namespace and address come and go."""

    def __init__(self, cluster, ordinal):
        self.cluster = cluster
        self.name = f"{stateful_set(cluster.docs)['metadata']['name']}-{ordinal}"
        self.volume = cluster.home / f"data-{self.name}"
        self.log = cluster.home / f"{self.name}.log"
        self.process = self.space = self.address = None
        self.labels = {"apps.kubernetes.io/pod-index": str(ordinal), "statefulset.kubernetes.io/pod-name": self.name}
        self.make_volume()

    @property
    def host(self):
        docs = self.cluster.docs
        return f"{self.name}.{stateful_set(docs)['spec']['serviceName']}.{NAMESPACE}.svc.cluster.local"

    def make_volume(self):
        """A new, empty one, which the pod's user may write."""
        shutil.rmtree(self.volume, ignore_errors=True)
        self.volume.mkdir()
        # As every new ext4 has it, for root alone.
        (self.volume / "lost+found").mkdir(mode=0o700)
        user = stateful_set(self.cluster.docs)["spec"]["template"]["spec"]["securityContext"]
        os.chown(self.volume, user["runAsUser"], user["fsGroup"])

    def start(self):
        """Makes it anew, as the StatefulSet's template is now, at an address that none had before."""
        network = self.cluster.network
        self.space, self.address = network.join(self.name, next(self.cluster.numbers))
        network.publish(self.host, self.address)
        self.docs = self.cluster.docs
        own = {entry["name"]: fields(entry, self) for entry in container(self.docs)["env"]}
        variables = {**image_environment(), **own}
        for path, folder in self.mounts().items():
            variables = {name: value.replace(path, str(folder)) for name, value in variables.items()}
        command = ["ip", "netns", "exec", self.space, "unshare", "--uts", "sh", "-c", BECOME, self.name]
        command += [*self.user(), self.cluster.program, *container(self.docs)["args"]]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": os.environ["PATH"], **variables}
            )

    def user(self):
        """What becomes the pod's user, without any privilege."""
        user = stateful_set(self.cluster.docs)["spec"]["template"]["spec"]["securityContext"]
        ids = [f"--reuid={user['runAsUser']}", f"--regid={user['runAsGroup']}"]
        return ["setpriv", *ids, "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]

    def restore(self, backup):
        """Makes the volume out of a backup, as statefulset/restore.yaml does."""
        command = [*self.user(), self.cluster.program, "restore", backup, "--data-dir", self.volume]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        assert ran.returncode == 0, ran

    def mounts(self):
        """The folder that stands for each path that a volume is mounted at."""
        secrets = stateful_set(self.docs)["spec"]["template"]["spec"].get("volumes", [])
        folders = {volume["name"]: self.cluster.secret(volume["secret"]["secretName"]) for volume in secrets}
        folders["data"] = self.volume
        return {mount["mountPath"]: folders[mount["name"]] for mount in container(self.docs)["volumeMounts"]}

    def stop(self, sign=signal.SIGTERM):
        """Deletes the pod; what its process ended with."""
        self.process.send_signal(sign)
        code = self.process.wait(PATIENCE)
        self.cluster.network.publish(self.host, None)
        self.cluster.network.leave(self.name)
        self.process = None
        return code

    def probe(self, name):
        """Status and body of what a probe asks for, as the kubelet would; 0 where nobody answers."""
        probe = container(self.docs)[name]
        ports = {port["name"]: port["containerPort"] for port in container(self.docs)["ports"]}
        port = probe["httpGet"]["port"]

        def ask():
            connection = http.client.HTTPConnection(self.address, ports.get(port, port), probe["timeoutSeconds"])
            try:
                connection.request("GET", probe["httpGet"]["path"])
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
            except OSError as error:
                return 0, str(error)
            finally:
                connection.close()

        return inside(self.cluster.client, ask)

    def ready(self):
        return self.probe("readinessProbe")[0] == 200

    def wait_ready(self):
        self.cluster.wait(self.ready, f"{self.name} to be ready")

    def printed(self):
        return self.log.read_text(encoding="utf-8", errors="replace")


class Cluster:
    """The pods of a rendered chart, and a host that asks them."""

    def __init__(self, docs):
        self.docs = docs
        # The pods' user has to reach the program and the volumes.
        self.home = Path(tempfile.mkdtemp(prefix="corndogs-pods-"))
        self.home.chmod(0o755)
        self.program = self.home / "corndogs"
        shutil.copy(BINARY, self.program)
        self.program.chmod(0o755)
        self.numbers = itertools.count(FIRST_HOST)
        self.network = Network(self.home)
        self.client, address = self.network.join("client", CLIENT)
        self.names = NoNames(self.client, address)
        self.pods = []
        # What every command is given besides, for TLS.
        self.flags = []

    def secret(self, name):
        """The folder with a secret's files."""
        folder = self.home / f"secret-{name}"
        folder.mkdir(exist_ok=True)
        return folder

    def scale(self):
        """As many pods as the StatefulSet wants, all at once; those too many end, the last first."""
        wanted = stateful_set(self.docs)["spec"]["replicas"]
        for pod in reversed(self.pods[wanted:]):
            assert pod.stop() == 0, pod.printed()
        del self.pods[wanted:]
        new = [Pod(self, ordinal) for ordinal in range(len(self.pods), wanted)]
        self.pods += new
        for pod in new:
            pod.start()
        return new

    def address(self, pod):
        """Where clients reach a pod."""
        [port] = [port["containerPort"] for port in container(self.docs)["ports"] if port["name"] == "grpc"]
        return f"{pod.host}:{port}"

    def members(self):
        return members_of(self.docs)

    def command(self, pod, *arguments):
        """Runs the command line on another host, asking a pod by its name."""
        command = ["ip", "netns", "exec", self.client, self.program, *arguments, *self.flags]
        command += ["-a", self.address(pod), "--format", "json"]
        variables = {"PATH": os.environ["PATH"]}
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE, env=variables)

    def ask(self, pod, *arguments):
        """What a command prints; asked again while there is no leader."""
        patience = time.monotonic() + PATIENCE
        while True:
            ran = self.command(pod, *arguments)
            if ran.returncode == 0:
                return json.loads(ran.stdout)
            again = "nothing was done" in ran.stderr.lower() and time.monotonic() < patience
            assert again, f"{ran}\n{self.printed()}"
            time.sleep(0.05)

    def wait(self, condition, what):
        patience = time.monotonic() + PATIENCE
        while not condition():
            ended = [pod.name for pod in self.pods if pod.process and pod.process.poll() is not None]
            assert not ended, f"{ended} ended by themselves\n{self.printed()}"
            assert time.monotonic() < patience, f"waited {PATIENCE} s for {what}\n{self.printed()}"
            time.sleep(0.05)

    def printed(self):
        return "\n".join(f"== {pod.name}\n{pod.printed()}" for pod in self.pods)

    def close(self):
        for pod in self.pods:
            if pod.process:
                pod.stop(signal.SIGKILL)
        self.names.close()
        self.network.close()
        shutil.rmtree(self.home)
