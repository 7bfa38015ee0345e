"""The Helm chart, the plain manifests, the image's recipe and the shell scripts, as far as one can check without a cluster."""

import json
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from chart import CHART, container, documents, environment_of, helm, helm_program, members_of, render, stateful_set
from servers import BINARY, ROOT, environment

STATEFULSET = ROOT / "statefulset"
OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()
LABEL_LONGEST = 63
POD_HASH = "-1234567890"

EVERYTHING = {
    "replicas": 5,
    "nodeIds": {"2": 6},
    "image": {"repository": "registry.example/corndogs", "digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "pull"}],
    "bindAddress": "[::]",
    "options": {"snapshot-every": 1_000_000, "archive-retention": "1d"},
    "extraEnv": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    "extraArgs": ["--log-level", "debug"],
    "service": {
        "type": "LoadBalancer",
        "annotations": {"a": "b"},
        "loadBalancerClass": "example.com/internal",
        "loadBalancerSourceRanges": ["192.0.2.0/24"],
    },
    "tls": {"client": {"secretName": "client", "verifyClients": True}, "peer": {"secretName": "peer"}},
    "persistence": {"storageClassName": "fast", "annotations": {"a": "b"}, "whenScaled": "Delete"},
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "mail"},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "disk", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "loud"}}}
            ]
        }
    },
    "priorityClassName": "high",
    "serviceAccountName": "corndogs",
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "networkPolicy": {
        "enabled": True,
        "clients": [{"namespaceSelector": {"matchLabels": {"team": "mail"}}}],
        "scrapers": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
    },
}
BARE = {
    "replicas": 1,
    "preStopSleepSeconds": 0,
    "podDisruptionBudget": {"enabled": False},
    "topologySpread": {"hostname": "", "zone": ""},
    "service": {"clusterIP": "None"},
}
VALUE_SETS = {"default": {}, "everything": EVERYTHING, "bare": BARE}


@pytest.fixture(params=VALUE_SETS)
def values(request):
    return VALUE_SETS[request.param]


def test_helm_finds_no_fault(values):
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART, values=values).stdout


def test_kubernetes_knows_every_field(values):
    docs = documents(values)
    for (kind, _), doc in docs.items():
        if kind != "ServiceMonitor":
            for version in (OLDEST, NEWEST):
                kubernetes_validate.validate(doc, version, strict=True)
    assert len(docs) == {1: 3, 3: 4, 5: 6}[stateful_set(docs)["spec"]["replicas"]]


def test_every_name_is_short_enough(values):
    for release, override in [("corndogs", ""), ("r" * 53, ""), ("mail", "f" * 63)]:
        docs = documents({**values, "fullnameOverride": override}, release=release, namespace="n" * 63)
        for _, name in docs:
            assert len(name) <= LABEL_LONGEST, name
        name = stateful_set(docs)["metadata"]["name"]
        assert len(name + POD_HASH) <= LABEL_LONGEST, name
        for address in members_of(docs).values():
            host = address.split(":")[0]
            assert len(host) <= 253 and all(len(label) <= LABEL_LONGEST for label in host.split(".")), host


def test_members_are_the_pods_by_their_stable_names():
    for release, fullname in [("corndogs", "corndogs"), ("mail", "mail-corndogs"), ("my-corndogs", "my-corndogs")]:
        docs = documents(release=release, namespace="team")
        assert stateful_set(docs)["metadata"]["name"] == fullname
        peers = stateful_set(docs)["spec"]["serviceName"]
        headless = docs["Service", peers]["spec"]
        assert (headless["clusterIP"], headless["publishNotReadyAddresses"]) == ("None", True)
        assert members_of(docs) == {
            ordinal + 1: f"{fullname}-{ordinal}.{peers}.team.svc.cluster.local:5090" for ordinal in range(3)
        }
        assert environment_of(docs)["CORNDOGS_NODE_ID"] == "auto"


def test_a_replaced_pod_gets_another_id():
    docs = documents({"nodeIds": {"2": 4}, "clusterDomain": "example.org"})
    suffix = "corndogs-peers.corndogs.svc.example.org:5090"
    assert members_of(docs) == {1: f"corndogs-0.{suffix}", 2: f"corndogs-1.{suffix}", 4: f"corndogs-2.{suffix}"}
    set_on_the_command_line = helm("template", "corndogs", CHART, "--set", "nodeIds.2=4", "--set", "replicas=3").stdout
    assert "4=corndogs-2." in set_on_the_command_line


def test_an_id_is_given_once():
    for node_ids, replicas in [({"2": 2}, 3), ({"2": 4}, 4), ({"0": 9, "1": 9}, 3)]:
        ran = render({"nodeIds": node_ids, "replicas": replicas}, check=False)
        assert ran.returncode != 0 and "node id" in ran.stderr, ran
    assert 5 in members_of(documents({"nodeIds": {"2": 4, "3": 5}, "replicas": 4}))


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"replica": 3}, "replica"),
        ({"replicas": 0}, "replicas"),
        ({"nodeIds": {"corndogs-2": 4}}, "corndogs-2"),
        ({"nodeIds": {"2": 0}}, "nodeIds"),
        ({"options": {"node-id": 3}}, "node-id"),
        ({"options": {"SNAPSHOT_EVERY": 3}}, "SNAPSHOT_EVERY"),
        ({"service": {"type": "ExternalName"}}, "service"),
        ({"persistence": {"accessModes": ["ReadWriteMany"]}}, "accessModes"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"tls": {"client": {"secret": "x"}}}, "secret"),
    ],
)
def test_wrong_values_are_refused(wrong, word):
    ran = render(wrong, check=False)
    assert ran.returncode != 0 and word in ran.stderr, ran


def test_the_schema_knows_every_value():
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert set(schema["properties"]) - {"global"} == set(values)


def test_pods_are_locked_down(values):
    docs = documents(values)
    pod = stateful_set(docs)["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context = container(docs)["securityContext"]
    assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)
    assert context["capabilities"] == {"drop": ["ALL"]}
    # Nothing but the volume can be written.
    writable = [mount["mountPath"] for mount in container(docs)["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/data"]


def test_the_cluster_can_start_and_lose_a_node():
    docs = documents()
    spec = stateful_set(docs)["spec"]
    assert spec["podManagementPolicy"] == "Parallel"
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    probes = {name: container(docs)[name] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert [probe["httpGet"]["path"] for probe in probes.values()] == ["/livez", "/livez", "/readyz"]
    assert probes["startupProbe"]["periodSeconds"] * probes["startupProbe"]["failureThreshold"] >= 600
    # The sleep comes out of the grace period, and calls in flight may take ten seconds.
    sleep = container(docs)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] >= sleep + 30
    assert docs["PodDisruptionBudget", "corndogs"]["spec"]["maxUnavailable"] == 1
    spread = spec["template"]["spec"]["topologySpreadConstraints"]
    assert {constraint["topologyKey"]: constraint["whenUnsatisfiable"] for constraint in spread} == {
        "kubernetes.io/hostname": "DoNotSchedule",
        "topology.kubernetes.io/zone": "ScheduleAnyway",
    }


def test_selectors_fit_the_pods(values):
    docs = documents(values)
    labels = stateful_set(docs)["spec"]["template"]["metadata"]["labels"].items()
    for (kind, _), doc in docs.items():
        spec = doc["spec"]
        selector = {"Service": spec.get("selector"), "NetworkPolicy": spec.get("podSelector")}.get(kind, spec.get("selector"))
        selector = selector.get("matchLabels", selector)
        if kind == "ServiceMonitor":
            services = [doc for (kind, _), doc in docs.items() if kind == "Service"]
            chosen = [doc for doc in services if selector.items() <= doc["metadata"]["labels"].items()]
            assert [doc["spec"]["clusterIP"] for doc in chosen] == ["None"]
        else:
            assert selector.items() <= labels, (kind, selector)
        ports = {port["name"] for port in container(docs)["ports"]}
        if kind == "Service":
            assert {port["targetPort"] for port in spec["ports"]} <= ports


def test_every_variable_is_an_option_of_the_program(values):
    text = subprocess.run([BINARY, "run", "--help"], capture_output=True, text=True, check=True, env=environment()).stdout
    known = set(re.findall(r"CORNDOGS_[A-Z_]+", text))
    if "CORNDOGS_TLS_CERT" not in known:
        values = {**values, "tls": {}}
    ours = {name for name in environment_of(documents(values)) if name.startswith("CORNDOGS_")}
    assert ours <= known and "CORNDOGS_MEMBERS" in ours


def test_tls_files_are_where_the_options_say():
    docs = documents(EVERYTHING)
    variables = environment_of(docs)
    mounts = {mount["mountPath"]: mount["name"] for mount in container(docs)["volumeMounts"]}
    volumes = stateful_set(docs)["spec"]["template"]["spec"]["volumes"]
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in volumes}
    files = {name: Path(value) for name, value in variables.items() if "TLS" in name}
    assert {(name, secrets[mounts[str(file.parent)]], file.name) for name, file in files.items()} == {
        ("CORNDOGS_TLS_CERT", "client", "tls.crt"),
        ("CORNDOGS_TLS_KEY", "client", "tls.key"),
        ("CORNDOGS_TLS_CLIENT_CA", "client", "ca.crt"),
        ("CORNDOGS_PEER_TLS_CERT", "peer", "tls.crt"),
        ("CORNDOGS_PEER_TLS_KEY", "peer", "tls.key"),
        ("CORNDOGS_PEER_TLS_CA", "peer", "ca.crt"),
    }
    only_peers = environment_of(documents({"tls": {"peer": {"secretName": "peer"}}}))
    assert {name for name in only_peers if "TLS" in name} == {name for name in files if "PEER" in name}


def test_options_become_variables():
    variables = environment_of(documents(EVERYTHING))
    assert variables["CORNDOGS_SNAPSHOT_EVERY"] == "1000000"
    assert variables["CORNDOGS_ARCHIVE_RETENTION"] == "1d"
    assert variables["CORNDOGS_LISTEN"] == "[::]:5080"


def test_the_plain_manifests_are_the_chart_with_its_defaults(tmp_path):
    subprocess.run([STATEFULSET / "render.sh", tmp_path], check=True, env=environment(HELM=helm_program()))
    fresh = {file.name: file.read_text(encoding="utf-8") for file in tmp_path.iterdir()}
    kept = {file.name: file.read_text(encoding="utf-8") for file in (STATEFULSET / "manifests").iterdir()}
    assert kept == fresh, "run statefulset/render.sh"
    for text in kept.values():
        kubernetes_validate.validate(yaml.safe_load(text), OLDEST, strict=True)


def test_restoring_makes_the_volume_of_the_first_pod():
    claim, pod = yaml.safe_load_all((STATEFULSET / "restore.yaml").read_text(encoding="utf-8"))
    for doc in (claim, pod):
        kubernetes_validate.validate(doc, OLDEST, strict=True)
    docs = documents()
    [template] = stateful_set(docs)["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == f"{template['metadata']['name']}-{stateful_set(docs)['metadata']['name']}-0"
    assert claim["spec"] == template["spec"]
    ours = stateful_set(docs)["spec"]["template"]["spec"]
    assert pod["spec"]["securityContext"].items() <= ours["securityContext"].items()
    [restore] = pod["spec"]["containers"]
    assert restore["image"] == container(docs)["image"]
    assert restore["args"][-1] == environment_of(docs)["CORNDOGS_DATA_DIR"]


def dockerfile():
    return (STATEFULSET / "Dockerfile").read_text(encoding="utf-8")


def test_the_image_is_what_the_chart_expects():
    docs = documents()
    pod = stateful_set(docs)["spec"]["template"]["spec"]["securityContext"]
    assert f"USER {pod['runAsUser']}:{pod['runAsGroup']}" in dockerfile()
    assert 'ENTRYPOINT ["/corndogs"]' in dockerfile() and "command" not in container(docs)
    for port in container(docs)["ports"]:
        assert re.search(rf"^EXPOSE .*\b{port['containerPort']}\b", dockerfile(), re.MULTILINE)
    assert "VOLUME /data" in dockerfile() and environment_of(docs)["CORNDOGS_DATA_DIR"] == "/data"
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert container(docs)["image"] == f"corndogs:{version}"


def test_the_image_gets_all_that_cargo_needs():
    """Whatever is tracked in these places is sent to the build, and cargo asks for nothing else."""
    sent = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    assert all((ROOT / name).exists() for name in sent)
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    needed = {"Cargo.toml", "Cargo.lock", "build.rs", "src", "proto"} | ({"benches"} if "[[bench]]" in manifest else set())
    needed |= set(re.findall(r'"([^"]+)"', re.search(r"^members = \[(.*)\]$", manifest, re.MULTILINE)[1]))
    assert needed <= sent


def test_hadolint_finds_no_fault():
    hadolint = Path(sys.executable).with_name("hadolint")
    ran = subprocess.run([hadolint, STATEFULSET / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, ""), ran


def test_shellcheck_finds_no_fault():
    shellcheck = Path(sys.executable).with_name("shellcheck")
    scripts = [ROOT / name for name in ("cluster/run.sh", "statefulset/render.sh", "tests/run.sh", ".ci/run")]
    scripts += (ROOT / "examples").glob("*.sh")
    ran = subprocess.run([shellcheck, "--exclude", "SC2329", *scripts], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, ""), ran
