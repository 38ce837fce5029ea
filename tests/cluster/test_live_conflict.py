"""Two writers, old versions, namespaces that go: conflicts on the real cluster, explained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import faults
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import RAW, Explain
from tests.cluster.kubectl import Kubectl
from tests.cluster.recordings.case import MERGE, deployment


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[str]:
    """A namespace with a ConfigMap and a Deployment."""
    with faults.namespace(cluster, "conflict") as name:
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}}
        cluster.arrange("POST", f"/api/v1/namespaces/{name}/configmaps", config)
        cluster.arrange("POST", f"/apis/apps/v1/namespaces/{name}/deployments", deployment("web"))
        yield name


def test_replacement_with_an_old_version_is_stale_and_says_which(
    explain: Explain, kubectl: Kubectl, cluster: Cluster, place: str, tmp_path: Path
) -> None:
    path = f"/apis/apps/v1/namespaces/{place}/deployments/web"
    old = cluster.arrange("GET", path)
    cluster.arrange("PATCH", path, {"metadata": {"labels": {"changed-by": kubectl.name}}}, headers=MERGE)
    (tmp_path / "web.yaml").write_text(json.dumps(old))
    told = explain(["replace", "-f", tmp_path / "web.yaml"], program=kubectl)
    found = told.check("conflict-stale", "api-server", "storage")
    assert f"resourceVersion {old['metadata']['resourceVersion']}" in found["summary"]
    # Which one is the latest, no request showed: the report names the command that does.
    latest = cluster.arrange("GET", path)["metadata"]["resourceVersion"]
    assert f"resourceVersion {latest}" not in told.report
    assert f"kubectl get deployments.apps web -n {place} -o yaml --show-managed-fields" in told.report


def test_name_that_is_taken_exists(explain: Explain, kubectl: Kubectl, place: str) -> None:
    told = explain(["create", "configmap", "settings", "-n", place], program=kubectl)
    found = told.check("conflict-exists", "api-server", "storage")
    assert f"settings in namespace {place}" in found["summary"]


def test_field_of_another_manager_is_a_conflict_that_names_it(
    explain: Explain, kubectl: Kubectl, cluster: Cluster, place: str, tmp_path: Path
) -> None:
    path = f"/apis/apps/v1/namespaces/{place}/deployments/web?fieldManager=autoscaler"
    cluster.arrange("PATCH", path, {"spec": {"replicas": 0, "minReadySeconds": 1}}, headers=MERGE)
    (tmp_path / "web.yaml").write_text(json.dumps(deployment("web", minReadySeconds=3)))
    told = explain(["apply", "--server-side", "-n", place, "-f", tmp_path / "web.yaml"], program=kubectl)
    found = told.check("conflict-apply", "api-server", "storage")
    assert found["summary"] == (
        f"The field manager autoscaler owns .spec.minReadySeconds of deployment web in namespace {place}, "
        "which this apply would change."
    )


def test_deletion_of_the_object_with_another_uid_is_a_failed_precondition(
    explain: Explain, kubectl: Kubectl, place: str, tmp_path: Path
) -> None:
    preconditions = {"uid": "11111111-2222-3333-4444-555555555555"}
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
    (tmp_path / "options.json").write_text(json.dumps(options))
    path = f"/api/v1/namespaces/{place}/configmaps/settings"
    told = explain(["delete", "--raw", path, "-f", tmp_path / "options.json"], program=kubectl)
    told.check("conflict-precondition", "api-server", "storage")


def test_list_that_goes_on_too_late_has_expired(explain: Explain, cluster: Cluster) -> None:
    with faults.expired_resource_version(cluster) as past:
        page = explain(["get", "--raw", past.continue_path])
        exact = explain(["get", "--raw", past.list_path])
        again = explain(["get", "events", "-n", past.namespace])
    found = page.check("conflict-expired", "api-server", "storage")
    assert "its next page was asked for too late" in found["summary"]
    exact.check("conflict-expired", "api-server", "storage")
    again.check_works()


def test_watch_from_a_forgotten_version_expires_inside_a_200(explain: Explain, cluster: Cluster) -> None:
    with faults.expired_resource_version(cluster) as past:
        told = explain(["GET", past.watch_path], program=RAW)
    told.check("conflict-expired", "api-server", "storage")
    request = told.story["requests"][-1]
    assert (request["status"], request["reason"]) == (200, "Expired")
    assert "200/410" in told.report


def test_expired_watch_that_the_command_takes_for_success_is_noted(explain: Explain, cluster: Cluster) -> None:
    with faults.expired_resource_version(cluster) as past:
        told = explain(["get", "--raw", past.watch_path])
    assert told.outcome.status == 0
    assert '"ERROR"' in told.outcome.stdout
    assert told.story["findings"] == []
    assert "conflict-expired" in told.noted


def test_nothing_new_can_be_made_in_a_namespace_that_goes(explain: Explain, kubectl: Kubectl, cluster: Cluster) -> None:
    with faults.terminating_namespace(cluster) as name:
        told = explain(["create", "configmap", "new", "-n", name], program=kubectl)
    # A 403 in the words of RBAC's refusals, and no matter of permissions.
    assert told.story["requests"][-1]["status"] == 403
    found = told.check("conflict-namespace-terminating", "api-server", "admission")
    assert found["summary"] == f"Namespace {name} is being deleted, so nothing new can be made in it."
    assert told.step("authorization")[0] == "passed"
