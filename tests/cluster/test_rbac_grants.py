"""What a finding tells an administrator to paste really allows what was refused."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from analyzers.classify import classify
from analyzers.finding import Finding
from tests.cluster import faults
from tests.cluster.api import wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import OwnCluster
from tests.cluster.kubectl import Kubectl
from tests.cluster.record import Recorder
from tests.cluster.recordings.case import CONFIGMAPS, MERGE, UPGRADE, deployment

REFUSED = [
    ("GET", "/api/v1/namespaces/{ns}/pods", None, {}),
    ("GET", "/api/v1/pods", None, {}),
    ("GET", "/api/v1/nodes/n0", None, {}),
    ("GET", "/metrics", None, {}),
    ("POST", "/api/v1/namespaces/{ns}/configmaps", {"metadata": {"name": "new"}}, {}),
    ("DELETE", "/api/v1/namespaces/{ns}/configmaps", None, {}),
    ("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/web/scale", {"spec": {"replicas": 0}}, MERGE),
    ("GET", "/api/v1/namespaces/default/pods/p0/log", None, {}),
    ("GET", "/api/v1/namespaces/default/pods/p0/exec?command=true&stdout=true", None, UPGRADE),
    ("GET", "/api/v1/namespaces/{ns}/configmaps?watch=1&timeoutSeconds=1", None, {}),
    ("GET", "/api/v1/namespaces/{ns}/pods", None, {"Impersonate-User": "someone"}),
    ("GET", "/api/v1/namespaces/{ns}/pods", None, {"Impersonate-User": "system:serviceaccount:ci:deployer"}),
]


@pytest.fixture(scope="module")
def recorder(cluster: Cluster) -> Recorder:
    return Recorder(cluster)


@pytest.fixture
def place(cluster: Cluster) -> Iterator[str]:
    with faults.namespace(cluster, "grants") as name:
        cluster.arrange("POST", f"/apis/apps/v1/namespaces/{name}/deployments", deployment("web"))
        yield name


def paste(cluster: Cluster, kubectl: Kubectl, finding: Finding) -> list[str]:
    """Run the finding's grant as an administrator; the names of what was made."""
    fix = next(fix for fix in finding.fix if any(" create " in line for line in fix.commands))
    made = []
    for line in fix.commands:
        command = [str(kubectl.path), f"--kubeconfig={cluster.kubeconfig()}", *shlex.split(line)[1:]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        made.append(line)
    return made


def undo(cluster: Cluster, kubectl: Kubectl, lines: list[str]) -> None:
    for line in lines:
        words = shlex.split(line)
        scope = words[words.index("-n") : words.index("-n") + 2] if "-n" in words else []
        command = [str(kubectl.path), f"--kubeconfig={cluster.kubeconfig()}", "delete", *words[2:4], *scope]
        subprocess.run(command, capture_output=True, timeout=60, check=True)


@pytest.mark.parametrize(
    ("method", "path", "body", "headers"), REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_pasted_grant_allows_what_was_refused(
    cluster: Cluster,
    recorder: Recorder,
    kubectl: Kubectl,
    place: str,
    method: str,
    path: str,
    body: Any,
    headers: dict[str, str],
) -> None:
    where = path.format(ns=place)
    if "Impersonate-User" in headers and "serviceaccount" in headers["Impersonate-User"]:
        headers = {"Impersonate-User": f"system:serviceaccount:{place}:default"}

    def finding() -> Finding | None:
        found = classify(recorder.send(method, where, body, identity="jane", headers=headers))
        return found[0] if found else None

    refused = finding()
    assert refused is not None
    assert refused.rule in ("rbac-denied", "rbac-impersonation")
    lines = paste(cluster, kubectl, refused)
    try:

        def allowed() -> bool:
            again = finding()
            # An impersonated user may be refused as well; then it is that user who is refused.
            return again is None or (refused.rule == "rbac-impersonation" and again.rule == "rbac-denied")

        wait_until("the grant is in force", allowed, 10)
    finally:
        undo(cluster, kubectl, lines)


def test_grant_for_an_object_allows_no_other(
    cluster: Cluster, recorder: Recorder, kubectl: Kubectl, place: str
) -> None:
    path = CONFIGMAPS.format(place)
    for name in ("mine", "other"):
        cluster.arrange("POST", path, {"metadata": {"name": name}})
    refused = classify(recorder.send("GET", f"{path}/mine", identity="jane"))[0]
    lines = paste(cluster, kubectl, refused)
    try:
        wait_until("the grant is in force", lambda: cluster.call("GET", f"{path}/mine", identity="jane").status == 200)
        assert cluster.call("GET", f"{path}/other", identity="jane").status == 403
        assert cluster.call("DELETE", f"{path}/mine", identity="jane").status == 403
    finally:
        undo(cluster, kubectl, lines)


def test_grant_for_impersonation_is_understood_before_1_36(own_cluster: OwnCluster, kubectl: Kubectl) -> None:
    cluster = own_cluster(apiserver_flags=["--feature-gates=ConstrainedImpersonation=false"])
    recorder = Recorder(cluster)
    path, as_bob = "/api/v1/namespaces/default/pods", {"Impersonate-User": "bob"}
    refused = classify(recorder.send("GET", path, identity="jane", headers=as_bob))[0]
    assert refused.rule == "rbac-impersonation"
    paste(cluster, kubectl, refused)

    def refuses_bob() -> bool:
        return 'User "bob"' in cluster.call("GET", path, identity="jane", headers=as_bob).json["message"]

    wait_until("the grant is in force", refuses_bob, 10)
