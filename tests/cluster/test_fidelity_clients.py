"""Clients that are not kubectl print and do through mitmkube what they do without it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.fidelity import Sides
from tests.cluster.going import Going
from tests.cluster.kubectl import Kubectl
from tests.cluster.masking import ALWAYS, MADE_APART

CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: tiny\nversion: 1.0.0\nappVersion: '1'\n",
    "chart/values.yaml": "text: first\n",
    "chart/templates/all.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data:
  text: {{ .Values.text }}
  found: {{ (lookup "v1" "ConfigMap" .Release.Namespace "kube-root-ca.crt").kind | quote }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {nodeName: n0, containers: [{name: c, image: busybox}]}
""",
}
# The exit status and the arguments, as elsewhere.
HELM = """\
0 list
0 install tiny chart --wait --timeout=2m
1 install tiny chart
0 list
0 list -o yaml
0 status tiny
0 get all tiny
0 upgrade tiny chart --set text=second --wait
0 upgrade tiny chart --dry-run=server --set text=third
0 history tiny
0 rollback tiny 1 --wait
0 get values tiny -a
0 get manifest tiny
0 history tiny -o json
1 upgrade nothing chart
1 rollback tiny 77
1 upgrade --install another chart --set text=other --dry-run=server
0 uninstall tiny --wait
0 list -a
1 uninstall tiny
"""

# As a program has to be written whose proxy wants to be logged in to, which this client leaves to it.
PYTHON = """\
import sys
from urllib.parse import urlsplit
import urllib3
from kubernetes import client, config, stream, watch

config.load_kube_config()
settings = client.Configuration.get_default_copy()
if settings.proxy:
    login = urlsplit(settings.proxy)
    settings.proxy_headers = urllib3.make_headers(proxy_basic_auth=f"{login.username}:{login.password}")
    client.Configuration.set_default(settings)
core, namespace = client.CoreV1Api(), sys.argv[1]

def maps():
    found = core.list_namespaced_config_map(namespace).items
    return [(one.metadata.name, one.data["a"]) for one in found if "a" in one.data]

def refused(call, *arguments):
    try:
        call(*arguments)
    except client.ApiException as error:
        print(error.status, error.reason, error.body)

made = core.create_namespaced_config_map(namespace, {"metadata": {"name": "made"}, "data": {"a": "b"}})
print(made.metadata.name, made.data, maps())
version = made.metadata.resource_version
print(core.patch_namespaced_config_map("made", namespace, {"data": {"a": "patched"}}).data)
stale = {"metadata": {"name": "made", "resourceVersion": version}, "data": {"a": "stale"}}
refused(core.replace_namespaced_config_map, "made", namespace, stale)
refused(core.read_namespaced_config_map, "nobody", namespace)
refused(core.create_namespaced_config_map, namespace, {"metadata": {"name": "Bad_Name"}})
large = core.create_namespaced_config_map(namespace, {"metadata": {"name": "large"}, "data": {"a": "x" * 900_000}})
print(len(core.read_namespaced_config_map("large", namespace).data["a"]), large.data["a"][:3])
core.delete_namespaced_config_map("large", namespace)
selected = {"field_selector": "metadata.name=made", "resource_version": version, "timeout_seconds": 2}
for event in watch.Watch().stream(core.list_namespaced_config_map, namespace, **selected):
    print(event["type"], event["object"].metadata.name, event["object"].data)
print(core.read_namespaced_pod_log("p0", "default"))
command = ["sh", "-c", "echo out; echo err >&2"]
streams = {"stdout": True, "stderr": True, "stdin": False, "tty": False, "_preload_content": False}
run = stream.stream(core.connect_get_namespaced_pod_exec, "p0", "default", command=command, **streams)
run.run_forever(timeout=30)
print(run.read_stdout(), run.read_stderr(), run.returncode)
print([one.name for one in client.ApisApi().get_api_versions().groups])
core.delete_namespaced_config_map("made", namespace)
print(maps())
"""

# The way, the CA and the server as any program could read them, from the kubeconfig in force.
CURL = """\
view() { "$KUBECTL" config view --raw --minify -o "jsonpath={.clusters[0].cluster.$1}"; }
view certificate-authority-data | base64 -d > "$HOME/ca.crt"
proxy=$(view proxy-url) server=$(view server) maps=$(view server)/api/v1/namespaces/$NAMESPACE/configmaps
ask() {
    curl --silent --show-error --http1.1 --include --suppress-connect-headers --max-time 30 ${proxy:+--proxy "$proxy"} \
        --cacert "$HOME/ca.crt" --cert "$CERTIFICATE" --key "$KEY" "$@"
    echo "exit status $?"
}
ask "$server/version"
ask --fail "$server/nothing"
ask -H 'Accept: application/yaml' "$maps/kube-root-ca.crt"
ask -H 'Content-Type: application/json' -d '{"metadata":{"name":"made"},"data":{"a":"b"}}' "$maps"
ask -H 'Content-Type: application/json' -d '{"metadata":{"name":"made"},"data":{"a":"b"}}' "$maps"
ask -H 'Content-Type: application/merge-patch+json' -X PATCH -d '{"data":{"a":"c"}}' "$maps/made"
ask -H 'Content-Type: application/wrong' -X PATCH -d '{}' "$maps/made"
ask -H 'Accept: application/json;as=Table;v=v1;g=meta.k8s.io' "$maps?fieldSelector=metadata.name=made"
ask --head "$maps/made"
ask -X OPTIONS "$maps"
ask -N "$maps?watch=1&timeoutSeconds=1&fieldSelector=metadata.name=made"
ask --no-include --compressed -o "$HOME/openapi" -w '%{http_code} %{size_download}\\n' "$server/openapi/v3/api/v1"
ask "$maps/made" "$maps/made"
ask -X DELETE "$maps/made"
ask --path-as-is "$server/api//v1/../v1/%2e%2e/x?a=%00&b=c;d"
sha256sum < "$HOME/openapi"
"""
# What an HTTP server makes up for every answer.
HEADERS = {
    "DATE": r"(?<=Date: )\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT",
}


def make_sides(
    cluster: Cluster,
    folder: Path,
    namespaces: tuple[str, str],
    files: dict[str, str] | None = None,
    masks: dict[str, str] | None = None,
) -> Sides:
    user = cluster.identities.stanza("admin")
    everything = {**(masks or {}), **MADE_APART, **ALWAYS}
    return Sides(cluster, folder, user=user, namespaces=namespaces, masks=everything, files=files or {})


def test_helm_prints_the_same(cluster: Cluster, clients: Path, namespaces: tuple[str, str], tmp_path: Path) -> None:
    sides = make_sides(cluster, tmp_path, namespaces, CHART)
    found = [difference for line in HELM.splitlines() for difference in sides.differences(clients / "helm", line)]
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("by_list", ["true", "false"], ids=["streamed list", "list and watch"])
def test_informers_are_told_the_same(
    cluster: Cluster, clients: Path, namespaces: tuple[str, str], tmp_path: Path, by_list: str
) -> None:
    """A controller's caches, over protobuf, filled by a watch that begins with the list, or by a list and a watch."""
    sides = make_sides(cluster, tmp_path, namespaces)
    told = []
    for side in (sides.direct, sides.through):
        root = f"/api/v1/namespaces/{side.namespace}"
        for number in range(3):
            metadata = {"name": f"there-{number}"}
            cluster.arrange("POST", f"{root}/configmaps", {"metadata": metadata, "data": {"a": "x" * 100_000 * number}})
            cluster.arrange("POST", f"{root}/secrets", {"metadata": metadata, "stringData": {"a": "hunter2"}})
        going = Going(side, [str(clients / "informers"), side.namespace], {"KUBE_FEATURE_WatchListClient": by_list})
        going.until("added configmap there-2")
        going.until("added secret there-2")
        for kind in ("secrets", "configmaps"):
            for name in ("some", "last"):
                made = {"metadata": {"name": name}, "data": {"a": "Yg=="}}
                cluster.arrange("POST", f"{root}/{kind}", made)
                cluster.arrange("PUT", f"{root}/{kind}/{name}", {**made, "data": {"a": "Yw=="}})
                cluster.arrange("DELETE", f"{root}/{kind}/{name}")
            if kind == "secrets":
                going.until("deleted secret last")
        outcome = going.end()
        assert (outcome.status, outcome.stderr, outcome.stdout.count("\n")) == (0, "", 19)
        told.append([_of_kind(outcome.stdout, kind, there) for kind, there in (("configmap", 4), ("secret", 3))])
    assert told[0] == told[1]


def test_python_client_prints_the_same(cluster: Cluster, namespaces: tuple[str, str], tmp_path: Path) -> None:
    sides = make_sides(cluster, tmp_path, namespaces, {"program.py": PYTHON})
    outcomes = sides.run([sys.executable, "program.py", "$NS"])
    assert outcomes[0].status == 0, outcomes[0].stderr
    assert sides.compare("python", outcomes) == []


def test_python_client_without_the_password_is_told_what_to_set(
    cluster: Cluster, namespaces: tuple[str, str], tmp_path: Path
) -> None:
    program = "\n".join(line for line in PYTHON.splitlines() if "proxy_headers" not in line)
    sides = make_sides(cluster, tmp_path, namespaces, {"program.py": program})
    direct, through = sides.run([sys.executable, "program.py", "$NS"])
    assert direct.status == 0, direct.stderr
    assert "407 Proxy Authentication Required" in through.stderr
    (report,) = (tmp_path / "reports").iterdir()
    assert "set proxy_headers of its Configuration" in " ".join(report.read_text().split())


def test_curl_prints_the_same(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], namespaces: tuple[str, str], tmp_path: Path
) -> None:
    """Headers and all."""
    sides = make_sides(cluster, tmp_path, namespaces, {"ask.sh": CURL}, HEADERS)
    who = cluster.identity("admin")
    env = {"KUBECTL": str(kubectls[-1].path), "CERTIFICATE": str(who.certificate), "KEY": str(who.key)}
    outcomes = sides.run(["env", "NAMESPACE=$NS", "sh", "ask.sh"], env=env)
    assert outcomes[0].stdout.count("exit status 0\n") == 14, outcomes[0].stdout
    assert sides.compare("curl", outcomes) == []


def _of_kind(printed: str, kind: str, there: int) -> list[str]:
    """What was told of one kind, which has a watch of its own: those that were ``there`` before come in any order."""
    lines = [line for line in printed.splitlines() if f" {kind} " in line]
    return sorted(lines[:there]) + lines[there:]
