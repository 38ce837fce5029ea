"""The API server and what stands behind it, made to fail, and what mitmkube says of it: health, explained."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from tests.cluster import faults
from tests.cluster.api import wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import Explain, OwnCluster
from tests.cluster.kubectl import Kubectl
from tests.cluster.webhook import deny, fail

WRITE = ["create", "configmap", "late"]
READ = ["get", "configmap", "kube-root-ca.crt"]
READY = ["get", "--raw", "/readyz"]


@pytest.mark.parametrize(
    ("fault", "commands"),
    [
        pytest.param(faults.etcd_killed, [READY, WRITE], id="killed"),
        pytest.param(faults.etcd_paused, [READY, WRITE, READ], id="paused"),
    ],
)
def test_stopped_etcd_is_a_matter_of_health_for_checks_writes_and_reads(
    explain: Explain,
    fragile_cluster: Cluster,
    fault: Callable[[Cluster], AbstractContextManager[None]],
    commands: list[list[str]],
) -> None:
    """Side by side, because each takes as long as the API server waits."""
    admin = fragile_cluster.kubeconfig()
    with fault(fragile_cluster), ThreadPoolExecutor(len(commands)) as side_by_side:
        ready, written, *read = side_by_side.map(lambda args: explain(args, admin), commands)
    found = ready.check("health-check-failing", "api-server", "processing")
    assert found["summary"].startswith("The API server says of itself (/readyz) that it is not well: etcd")
    found = written.check("health-timeout", "api-server", "processing")
    assert "Whether the change was made is not known." in found["summary"]
    assert written.step("authorization")[0] == "passed"
    assert written.step("storage")[0] == "not-observable"
    for told in read:
        found = told.check("health-timeout", "api-server", "processing")
        assert "change was made" not in found["summary"]


def new_configmap(namespace: str) -> list[str]:
    return ["create", "configmap", "new", "-n", namespace]


def test_webhook_that_nobody_runs_is_a_matter_of_health_at_admission(explain: Explain, cluster: Cluster) -> None:
    with faults.unreachable_webhook(cluster) as namespace:
        told = explain(new_configmap(namespace))
    found = told.check("health-webhook", "webhook", "admission")
    assert found["summary"].startswith("The webhook policy.mitmkube.test refuses connections")
    assert told.step("authorization")[0] == "passed"
    assert told.step("storage")[0] == "not-reached"


def test_webhook_that_takes_too_long_is_said_to_be_slow(explain: Explain, cluster: Cluster) -> None:
    with faults.slow_webhook(cluster) as namespace:
        found = explain(new_configmap(namespace)).check("health-webhook", "webhook", "admission")
    assert "in time" in found["summary"]


def test_certificate_of_a_webhook_is_no_matter_of_login(explain: Explain, cluster: Cluster) -> None:
    with faults.refusing_webhook(cluster, deny("never asked"), trusted=False) as namespace:
        found = explain(new_configmap(namespace)).check("health-webhook", "webhook", "admission")
    assert "certificate" in found["summary"]


def test_webhook_that_fails_is_told_from_one_that_denies(explain: Explain, cluster: Cluster) -> None:
    with faults.refusing_webhook(cluster, fail(500)) as namespace:
        explain(new_configmap(namespace)).check("health-webhook", "webhook", "admission")


def test_aggregated_api_without_a_server_is_named(explain: Explain, cluster: Cluster) -> None:
    with faults.unavailable_api(cluster) as path:
        group = path.split("/")[2]
        asked = explain(["get", "--raw", f"{path}/things"])
        looked_up = explain(["get", f"things.v1.{group}"])
    for told in (asked, looked_up):
        found = told.check("health-aggregated-api", "aggregated-server", "processing")
        assert found["summary"].startswith(f"The API {group}/v1, served by another program in the cluster,")
        assert f"kubectl get apiservice v1.{group} -o yaml" in told.report


def test_aggregated_api_that_only_discovery_met_is_noted_and_not_raised(
    explain: Explain, kubectl: Kubectl, cluster: Cluster
) -> None:
    with faults.unavailable_api(cluster):
        told = explain(["get", "pods", "-n", "default"], program=kubectl)
        quiet = explain(["get", "pods", "-n", "default"], program=kubectl, options=["--quiet"])
    told.check_works()
    assert "did no harm" in told.noted["health-aggregated-api"]
    assert (quiet.outcome.status, quiet.report) == (0, "")


def test_aggregated_api_is_not_blamed_for_another_failure(explain: Explain, cluster: Cluster) -> None:
    with faults.unavailable_api(cluster):
        told = explain(["get", "pods", "-n", "default"], "jane")
    told.check("rbac-denied", "api-server", "authorization")
    assert [finding["rule"] for finding in told.story["findings"]] == ["rbac-denied"]
    assert "health-aggregated-api" in told.noted


def throttled_requests(cluster: Cluster, path: str, since: int) -> int:
    """How often bob was told to come back later."""
    return sum(
        event["requestURI"].partition("?")[0] == path
        and event["user"]["username"] == "bob"
        and event["responseStatus"]["code"] == 429
        for event in cluster.audit_events(since)
    )


def test_request_that_flow_control_always_turns_away_is_throttled_and_its_repeats_are_counted(
    explain: Explain, cluster: Cluster
) -> None:
    with faults.throttled(cluster, "bob"):
        since = cluster.audit_log.stat().st_size
        told = explain(["get", "--raw", "/version"], "bob")
        asked = throttled_requests(cluster, "/version", since)
    told.check("health-throttled", "api-server", "flow-control")
    assert asked == len(told.story["requests"]) > 1
    assert f"429 x {asked}" in told.report
    # Flow control stands between authentication and authorization.
    assert told.step("authentication")[0] == "passed"
    assert told.step("authorization")[0] == "not-reached"


def test_throttling_that_the_clients_retry_cured_is_noted_and_not_raised(explain: Explain, cluster: Cluster) -> None:
    told = []
    since = cluster.audit_log.stat().st_size
    with faults.throttled(cluster, "bob"):
        already = throttled_requests(cluster, "/version", since)
        running = threading.Thread(target=lambda: told.append(explain(["get", "--raw", "/version"], "bob")))
        running.start()
        wait_until("kubectl was turned away", lambda: throttled_requests(cluster, "/version", since) > already)
    running.join(60)
    told[0].check_works()
    assert "cured" in told[0].noted["health-throttled"]
    assert "recovered" in told[0].report


def test_api_server_that_dies_during_a_watch_is_told_as_a_lost_connection(
    explain: Explain, own_cluster: OwnCluster
) -> None:
    cluster = own_cluster()
    told = []
    path = "/api/v1/namespaces/default/configmaps?watch=1"
    running = threading.Thread(target=lambda: told.append(explain(["get", "--raw", path], cluster.kubeconfig())))
    running.start()
    # An event about a watch that goes on is one that it has started to answer.
    wait_until("the watch has begun", lambda: any(event["requestURI"] == path for event in cluster.audit_events()))
    cluster.apiserver.kill()
    running.join(60)
    told[0].check("network-connection-lost", "client", "delivery")
    assert told[0].step("authorization")[0] == "passed"
