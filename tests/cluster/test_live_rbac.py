"""What the real cluster's authorizer refuses, explained; and that the pasted fix allows it, and no more than it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import faults
from tests.cluster.api import wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import Explain
from tests.cluster.explained import Explained
from tests.cluster.kubectl import Kubectl
from tests.cluster.recordings.case import deployment

RBAC = "/apis/rbac.authorization.k8s.io/v1"
JANE = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[str]:
    """A namespace with the running pod p1, a Deployment and the ConfigMaps mine and other.

    jane may get its pods and deployments: kubectl looks at an object before it asks for a subresource.
    """
    with faults.namespace(cluster, "rbac") as name:
        cluster.run_pod(name, "p1")
        cluster.arrange("POST", f"/apis/apps/v1/namespaces/{name}/deployments", deployment("web"))
        for config in ("mine", "other"):
            cluster.arrange("POST", f"/api/v1/namespaces/{name}/configmaps", {"metadata": {"name": config}})
        looks = {"apiGroups": ["", "apps"], "resources": ["pods", "deployments"], "verbs": ["get"]}
        grant(cluster, name, "see", [looks], "jane")
        path = f"/api/v1/namespaces/{name}/pods/p1"
        wait_until("jane may look", lambda: cluster.call("GET", path, identity="jane").status == 200)
        yield name


def grant(cluster: Cluster, namespace: str, name: str, rules: list[dict[str, Any]], user: str) -> None:
    """Give ``user`` a role in ``namespace``."""
    path = f"{RBAC}/namespaces/{namespace}"
    cluster.arrange("POST", f"{path}/roles", {"metadata": {"name": name}, "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [{**JANE, "name": user}]}
    cluster.arrange("POST", f"{path}/rolebindings", binding)


def pasted(cluster: Cluster, kubectl: Kubectl, folder: Path, lines: list[str]) -> None:
    """Run lines of a report in a shell, as an administrator would who pastes them; ``kubectl`` is on PATH."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "kubectl").unlink(missing_ok=True)
    (folder / "bin" / "kubectl").symlink_to(kubectl.path)
    environment = {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "KUBECONFIG": str(cluster.kubeconfig()),
    }
    for line in lines:
        done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{line}: {done.stderr}"


def grants(told: Explained) -> list[str]:
    """The lines of the report that make a role and bind it."""
    fix = told.report.partition("\n  fix ")[2].partition("\n\n")[0]
    return [line.strip() for line in fix.splitlines() if line.strip().startswith("kubectl create ")]


def take_back(cluster: Cluster, lines: list[str]) -> None:
    """Delete what the lines of ``grants`` made."""
    for words in (line.split() for line in lines):
        scope = f"/namespaces/{words[words.index('-n') + 1]}" if "-n" in words else ""
        cluster.call("DELETE", f"{RBAC}{scope}/{words[2]}s/{words[3]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A kubectl command that is refused to jane, the request to see the grant by, and its neighbours (METHOD path)."""

    args: str
    says: str
    granted: str
    neighbours: tuple[str, ...]
    body: Mapping[str, Any] | None = None


CORE = "/api/v1/namespaces/{ns}"
REFUSED = {
    "namespace": Refused(
        args="get pods -n {ns}",
        says="jane may not list pods in namespace {ns}.",
        granted=f"GET {CORE}/pods",
        neighbours=(f"DELETE {CORE}/pods/p1", f"DELETE {CORE}/pods", f"GET {CORE}/secrets", "GET /api/v1/pods",
                    "GET /api/v1/namespaces/default/pods"),
    ),
    "object": Refused(
        args="get configmap mine -n {ns}",
        says="jane may not get configmap mine in namespace {ns}.",
        granted=f"GET {CORE}/configmaps/mine",
        neighbours=(f"GET {CORE}/configmaps/other", f"DELETE {CORE}/configmaps/mine", f"GET {CORE}/configmaps",
                    "GET /api/v1/namespaces/default/configmaps/mine"),
    ),
    "cluster": Refused(
        args="get nodes",
        says="jane may not list nodes",
        granted="GET /api/v1/nodes",
        neighbours=("GET /api/v1/nodes/n0", "DELETE /api/v1/nodes/n0", "GET /api/v1/namespaces"),
    ),
    "all-namespaces": Refused(
        args="get services -A",
        says="jane may not list services in all namespaces",
        granted="GET /api/v1/services",
        neighbours=("GET /api/v1/pods", f"GET {CORE}/services/none", f"DELETE {CORE}/services/none"),
    ),
    "log": Refused(
        args="logs p1 -n {ns}",
        says="jane may not read the log of pod p1 in namespace {ns}.",
        granted=f"GET {CORE}/pods/p1/log",
        neighbours=(f"GET {CORE}/pods/p2/log", f"GET {CORE}/pods/p1/exec?command=ls&stdout=true", f"GET {CORE}/pods",
                    "GET /api/v1/namespaces/default/pods/p1/log"),
    ),
    "path": Refused(
        args="get --raw /metrics",
        says="jane may not get the path /metrics.",
        granted="GET /metrics",
        neighbours=("GET /metrics/slis", "GET /logs", "POST /metrics"),
    ),
    "create": Refused(
        args="create configmap new -n {ns} --dry-run=server",
        says="jane may not create",
        granted=f"POST {CORE}/configmaps?dryRun=All",
        body={"metadata": {"name": "new"}},
        neighbours=(f"GET {CORE}/configmaps", f"PUT {CORE}/configmaps/mine",
                    "POST /api/v1/namespaces/default/configmaps?dryRun=All"),
    ),
    "scale": Refused(
        args="scale deployment web -n {ns} --replicas=0",
        says="jane may not scale deployment web in namespace {ns}.",
        granted="PATCH /apis/apps/v1/namespaces/{ns}/deployments/web/scale",
        body={"spec": {"replicas": 0}},
        neighbours=("GET /apis/apps/v1/namespaces/{ns}/deployments/web/scale",
                    "PATCH /apis/apps/v1/namespaces/{ns}/deployments/web",
                    "PATCH /apis/apps/v1/namespaces/{ns}/deployments/other/scale",
                    "PATCH /apis/apps/v1/namespaces/default/deployments/web/scale"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_pasted_fix_allows_what_was_refused_and_nothing_beside_it(
    explain: Explain, cluster: Cluster, kubectls: tuple[Kubectl, ...], place: str, tmp_path: Path, name: str
) -> None:
    case = REFUSED[name]
    args = case.args.format(ns=place).split()

    def status(asked: str) -> int:
        method, path = asked.format(ns=place).split(" ")
        headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else None
        body = case.body if method in ("POST", "PUT", "PATCH") else None
        return cluster.call(method, path, body, identity="jane", headers=headers).status

    told = explain(args, "jane")
    found = told.check("rbac-denied", "api-server", "authorization")
    assert found["summary"].startswith(case.says.format(ns=place)), found["summary"]
    lines = grants(told)
    assert len(lines) == 2, told.report
    assert status(case.granted) == 403
    pasted(cluster, kubectls[-1], tmp_path, lines)
    try:
        wait_until("the grant is in force", lambda: status(case.granted) != 403, 10)
        explain(args, "jane").check_works()
        assert {asked: status(asked) for asked in case.neighbours} == dict.fromkeys(case.neighbours, 403)
    finally:
        take_back(cluster, lines)


def test_exec_is_refused_over_spdy_and_websocket_alike_and_the_fix_allows_both(
    explain: Explain, cluster: Cluster, kubectls: tuple[Kubectl, ...], place: str, tmp_path: Path
) -> None:
    command = ["exec", "p1", "-n", place, "--", "true"]
    oldest, newest = (explain(command, "jane", program=kubectl) for kubectl in (kubectls[0], kubectls[-1]))
    for told in (oldest, newest):
        found = told.check("rbac-denied", "api-server", "authorization")
        assert found["summary"] == f"jane may not exec into pod p1 in namespace {place}."
    upgrades = [
        {field["value"] for entry in told.har["log"]["entries"] for field in entry["request"]["headers"]
         if field["name"].lower() == "upgrade"}
        for told in (oldest, newest)
    ]  # fmt: skip
    assert upgrades[0] == {"SPDY/3.1"}
    assert "websocket" in upgrades[1]
    lines = grants(oldest)
    assert lines == grants(newest)
    pasted(cluster, kubectls[-1], tmp_path, lines)
    try:
        path = f"/api/v1/namespaces/{place}/pods/p1/exec?command=true&stdout=true"
        wait_until("the grant is in force", lambda: cluster.call("POST", path, identity="jane").status != 403, 10)
        for kubectl in (kubectls[0], kubectls[-1]):
            explain(command, "jane", program=kubectl).check_works()
        other = f"/api/v1/namespaces/{place}/pods/p1"
        for neighbour in (f"{other}/attach?stdout=true", f"{other}/portforward"):
            assert cluster.call("POST", neighbour, identity="jane").status == 403
        assert cluster.call("POST", path.replace("p1", "p2"), identity="jane").status == 403
    finally:
        take_back(cluster, lines)


def test_role_with_more_than_its_author_holds_is_an_escalation(
    explain: Explain, cluster: Cluster, kubectl: Kubectl
) -> None:
    with faults.namespace(cluster, "roles") as name:
        everything = ["create", "get", "list"]
        rule = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": everything}
        grant(cluster, name, "role-writer", [rule], "jane")
        args = ["create", "role", "secret-reader", "-n", name, "--verb=get,list", "--resource=secrets"]
        path, empty = f"{RBAC}/namespaces/{name}/roles?dryRun=All", {"metadata": {"name": "empty"}, "rules": []}
        wait_until("jane may write roles", lambda: cluster.call("POST", path, empty, identity="jane").status == 201)
        told = explain(args, "jane", program=kubectl)
    found = told.check("rbac-escalation", "api-server", "storage")
    assert found["summary"].startswith(f"jane may not create role secret-reader in namespace {name}")
    assert 'Resources:["secrets"]' in json.dumps(found["evidence"]).replace('\\"', '"')


def test_binding_to_a_role_that_its_author_does_not_hold_is_refused_likewise(
    explain: Explain, cluster: Cluster
) -> None:
    with faults.namespace(cluster, "bindings") as name:
        rule = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings"], "verbs": ["create"]}
        grant(cluster, name, "binder", [rule], "jane")
        path = f"{RBAC}/namespaces/{name}/rolebindings?dryRun=All"
        wait_until("jane may write", lambda: cluster.call("POST", path, {}, identity="jane").status != 403)
        told = explain(["create", "rolebinding", "jane-edit", "-n", name, "--clusterrole=edit", "--user=jane"], "jane")
    found = told.check("rbac-escalation", "api-server", "storage")
    assert "the role bound there grants permissions" in found["summary"]


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ("bob", "jane may not act as user bob."),
        ("system:serviceaccount:{ns}:default", "jane may not act as service account default of namespace {ns}."),
    ],
)
def test_impersonation_is_refused_by_name_and_the_pasted_fix_allows_it(
    explain: Explain,
    cluster: Cluster,
    kubectls: tuple[Kubectl, ...],
    place: str,
    tmp_path: Path,
    user: str,
    says: str,
) -> None:
    path, headers = f"/api/v1/namespaces/{place}/pods", {"Impersonate-User": user.format(ns=place)}

    def refused_to() -> str:
        return str(cluster.call("GET", path, identity="jane", headers=headers).json["message"])

    told = explain(["get", "pods", "-n", place, f"--as={user.format(ns=place)}"], "jane")
    found = told.check("rbac-impersonation", "api-server", "authorization")
    assert found["summary"] == says.format(ns=place)
    assert 'User "jane"' in refused_to()
    lines = grants(told)
    pasted(cluster, kubectls[-1], tmp_path, lines)
    try:
        wait_until("the grant is in force", lambda: f'User "{user.format(ns=place)}"' in refused_to(), 10)
        other = cluster.call("GET", path, identity="jane", headers={"Impersonate-User": "admin"})
        assert 'User "jane"' in other.json["message"]
    finally:
        take_back(cluster, lines)


def test_impersonation_of_a_group_is_refused_too(explain: Explain) -> None:
    told = explain(["get", "pods", "-n", "default", "--as=bob", "--as-group=system:masters"], "jane")
    told.check("rbac-impersonation", "api-server", "authorization")


def test_impersonated_user_is_the_one_who_is_refused(explain: Explain, kubectl: Kubectl) -> None:
    told = explain(["get", "pods", "-n", "default", "--as=jane"], program=kubectl)
    found = told.check("rbac-denied", "api-server", "authorization")
    assert found["summary"] == "jane may not list pods in namespace default."
    assert "--user=jane" in told.report
