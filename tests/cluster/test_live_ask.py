"""``run --ask`` on the real cluster: the rest of the story, by the same user and by GET alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import faults
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import Explain
from tests.cluster.kubectl import Kubectl
from tests.cluster.recordings.case import MERGE, deployment

ASK = ("--ask",)


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[str]:
    """A namespace with a Deployment."""
    with faults.namespace(cluster, "asked") as name:
        cluster.arrange("POST", f"/apis/apps/v1/namespaces/{name}/deployments", deployment("web"))
        yield name


def test_stale_replacement_is_told_with_the_version_and_the_writer_of_now(
    explain: Explain, kubectl: Kubectl, cluster: Cluster, place: str, tmp_path: Path
) -> None:
    path = f"/apis/apps/v1/namespaces/{place}/deployments/web"
    old = cluster.arrange("GET", path)
    change = {"metadata": {"labels": {"changed-by": kubectl.name}}}
    cluster.arrange("PATCH", f"{path}?fieldManager=somebody-else", change, headers=MERGE)
    (tmp_path / "web.yaml").write_text(json.dumps(old))
    told = explain(["replace", "-f", tmp_path / "web.yaml"], program=kubectl, options=ASK)
    found = told.check("conflict-stale", "api-server", "storage")
    latest = cluster.arrange("GET", path)["metadata"]["resourceVersion"]
    said = [evidence["text"] for evidence in found["evidence"]]
    assert f"resourceVersion {latest} is what it has by now" in said
    assert any(text.startswith("since then wrote somebody-else: .metadata.labels.changed-by at ") for text in said)
    assert "somebody-else" in found["summary"].partition(" changed deployment web ")[0]
    (asked,) = told.story["asked"]
    assert (asked["method"], asked["status"], asked["phrase"]) == ("GET", 200, f"get deployments web in {place}")


def test_apply_conflict_is_told_with_the_owner_and_the_value_of_every_field(
    explain: Explain, kubectl: Kubectl, cluster: Cluster, place: str, tmp_path: Path
) -> None:
    path = f"/apis/apps/v1/namespaces/{place}/deployments/web?fieldManager=autoscaler"
    cluster.arrange("PATCH", path, {"spec": {"minReadySeconds": 1}}, headers=MERGE)
    (tmp_path / "web.yaml").write_text(json.dumps(deployment("web", minReadySeconds=3)))
    told = explain(["apply", "--server-side", "-n", place, "-f", tmp_path / "web.yaml"], program=kubectl, options=ASK)
    found = told.check("conflict-apply", "api-server", "storage")
    said = [evidence["text"] for evidence in found["evidence"]]
    assert any(
        text.startswith("autoscaler owns .spec.minReadySeconds (set with Update at ")
        and text.endswith("1 there, 3 here")
        for text in said
    )


def test_name_that_is_taken_is_told_with_its_maker(explain: Explain, kubectl: Kubectl, place: str) -> None:
    told = explain(["create", "deployment", "web", "-n", place, "--image=busybox"], program=kubectl, options=ASK)
    found = told.check("conflict-exists", "api-server", "storage")
    assert any(text["text"].startswith("the one that is there has UID ") for text in found["evidence"])


def test_what_holds_a_namespace_is_asked_for(explain: Explain, kubectl: Kubectl, cluster: Cluster) -> None:
    with faults.terminating_namespace(cluster) as name:
        told = explain(["create", "configmap", "new", "-n", name], program=kubectl, options=ASK)
    found = told.check("conflict-namespace-terminating", "api-server", "admission")
    assert any(text["text"].startswith("it is being deleted since ") for text in found["evidence"])


def test_impersonated_user_asks_as_the_impersonated_user(
    explain: Explain, kubectl: Kubectl, cluster: Cluster, place: str
) -> None:
    grant = {"metadata": {"name": "create"}, "rules": [{"apiGroups": ["apps"], "resources": ["deployments"],
                                                        "verbs": ["create"]}]}  # fmt: skip
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{place}"
    if cluster.call("GET", f"{roles}/roles/create").status == 404:
        cluster.arrange("POST", f"{roles}/roles", grant)
        subject = {"kind": "User", "name": "asker", "apiGroup": "rbac.authorization.k8s.io"}
        reference = {"kind": "Role", "name": "create", "apiGroup": "rbac.authorization.k8s.io"}
        binding = {"metadata": {"name": "create"}, "subjects": [subject], "roleRef": reference}
        cluster.arrange("POST", f"{roles}/rolebindings", binding)
    command = ["create", "deployment", "web", "-n", place, "--image=busybox", "--as=asker"]
    told = explain(command, program=kubectl, options=ASK)
    told.check("conflict-exists", "api-server", "storage")
    (asked,) = told.story["asked"]
    # May create and not get: the refusal is that of the same user, and nothing is told from it.
    assert (asked["status"], asked["identity"]["known_as"]) == (403, "asker")
    assert [request["method"] for request in told.story["requests"]][-1] == "POST"


def test_quota_that_is_used_up_is_told_as_it_is_by_now(explain: Explain, kubectl: Kubectl, cluster: Cluster) -> None:
    with faults.exhausted_quota(cluster) as name:
        told = explain(["run", "one", "-n", name, "--image=busybox"], program=kubectl, options=ASK)
    found = told.check("request-quota", "api-server", "admission")
    assert any(one["text"].startswith("quota no-more by now: pods ") for one in found["evidence"])


def test_names_behind_a_429_are_told_where_a_request_showed_them(
    explain: Explain, kubectls: tuple[Kubectl, ...], cluster: Cluster
) -> None:
    kubectl = shlex.quote(str(kubectls[-1].path))
    schemas = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
    script = f"{kubectl} get --raw /version --as=bob; {kubectl} get --raw {schemas}; exit 1"
    with faults.throttled(cluster, "bob") as name:
        told = explain([script], program=("sh", "-c"))
    found = told.check("health-throttled", "api-server", "flow-control")
    assert any(f" is {name}, which leads to priority level {name}" in one["text"] for one in found["evidence"])
