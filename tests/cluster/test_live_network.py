"""Where no API server was reached, explained: a closed port, an unknown name, silence, another protocol."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.cluster import servers
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import Explain
from tests.cluster.kubeconfigs import for_server, pointing_at
from tests.cluster.kubectl import Kubectl

GET_PODS = ["get", "pods", "-n", "default"]
BEHIND_THE_CONNECTION = (
    "transmission", "authentication", "flow-control", "authorization", "admission", "validation", "storage",
    "processing", "delivery",
)  # fmt: skip


def test_refused_connection_is_named_with_its_address(
    explain: Explain, kubectl: Kubectl, cluster: Cluster, tmp_path: Path
) -> None:
    with servers.refused() as server:
        told = explain(GET_PODS, for_server(cluster, tmp_path, server), program=kubectl)
    found = told.check("network-refused", "client", "connection")
    assert found["summary"] == f"Nothing listens at 127.0.0.1:{server.port}: the connection was refused."
    assert {told.step(step)[0] for step in BEHIND_THE_CONNECTION} == {"not-reached"}


def test_unknown_name_is_a_matter_of_dns(explain: Explain, kubectl: Kubectl, cluster: Cluster, tmp_path: Path) -> None:
    kubeconfig = pointing_at(cluster, tmp_path, "https://cluster.invalid:6443", cluster.ca_file.read_bytes())
    told = explain(GET_PODS, kubeconfig, program=kubectl)
    found = told.check("network-dns", "client", "connection")
    assert "cluster.invalid" in found["summary"]


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (servers.plain_http, "network-not-tls"),
        (servers.closes_at_once, "network-tls-failed"),
        (servers.resets, "network-tls-failed"),
    ],
)
def test_peer_that_does_not_speak_tls_is_a_matter_of_the_network(
    explain: Explain,
    cluster: Cluster,
    tmp_path: Path,
    fault: Callable[[], AbstractContextManager[servers.Server]],
    rule: str,
) -> None:
    with fault() as server:
        told = explain(GET_PODS, for_server(cluster, tmp_path, server))
    told.check(rule, "client", "connection")
    assert {told.step(step)[0] for step in BEHIND_THE_CONNECTION} == {"not-reached"}


def test_api_server_spoken_to_in_plain_http_is_named(explain: Explain, cluster: Cluster, tmp_path: Path) -> None:
    kubeconfig = pointing_at(cluster, tmp_path, cluster.url.replace("https", "http"), b"", "bob")
    found = explain(GET_PODS, kubeconfig).check("network-https-expected", "client", "connection")
    assert found["summary"] == f"127.0.0.1:{cluster.port} speaks TLS, and the kubeconfig says http."


def test_silence_before_the_request_is_a_matter_of_the_network(
    explain: Explain, kubectl: Kubectl, cluster: Cluster, tmp_path: Path
) -> None:
    with servers.silent() as server:
        args = ["get", "--raw", "/version", "--request-timeout=2s"]
        told = explain(args, for_server(cluster, tmp_path, server), program=kubectl)
    told.check("network-tls-timeout", "client", "connection")
    assert told.step("transmission")[0] == "not-reached"


def test_silence_after_the_request_over_trusted_tls_is_a_matter_of_health(
    explain: Explain, kubectl: Kubectl, cluster: Cluster, tmp_path: Path
) -> None:
    with servers.silent_after_request() as server:
        args = ["get", "--raw", "/version", "--request-timeout=2s"]
        told = explain(args, for_server(cluster, tmp_path, server), program=kubectl)
    assert server.requests
    told.check("health-no-answer", "api-server", "processing")
    assert told.step("connection")[0] == "passed"
    assert told.step("authentication")[0] == "not-observable"


def test_connection_closed_instead_of_an_answer_is_lost(explain: Explain, cluster: Cluster, tmp_path: Path) -> None:
    with servers.closes_after_request() as server:
        told = explain(["get", "--raw", "/version"], for_server(cluster, tmp_path, server))
    told.check("network-connection-lost", "client", "transmission")
    assert told.step("authentication")[0] == "not-observable"


@pytest.mark.parametrize(("status", "page"), [(502, servers.BAD_GATEWAY), (503, servers.SERVICE_UNAVAILABLE)])
def test_page_of_a_load_balancer_without_a_backend_is_a_matter_of_health(
    explain: Explain, cluster: Cluster, tmp_path: Path, status: int, page: str
) -> None:
    with servers.html(status, page) as server:
        told = explain(["get", "--raw", "/version"], for_server(cluster, tmp_path, server))
    told.check("health-no-backend", "middlebox", "transmission")
    assert told.step("authorization")[0] == "not-observable"


def test_login_page_in_place_of_an_answer_is_a_matter_of_the_network(
    explain: Explain, cluster: Cluster, tmp_path: Path
) -> None:
    with servers.html(200, "<!DOCTYPE html><html><title>Sign in</title><body>Welcome</body></html>") as server:
        told = explain(GET_PODS, for_server(cluster, tmp_path, server))
    told.check("network-foreign-answer", "middlebox", "transmission")


def test_forward_proxy_that_wants_a_login_is_named(explain: Explain, cluster: Cluster, tmp_path: Path) -> None:
    with servers.proxy_refusing() as proxy:
        env = {"HTTPS_PROXY": proxy.url, "NO_PROXY": ""}
        # Loopback never goes through a forward proxy, so the server has another address.
        kubeconfig = pointing_at(cluster, tmp_path, "https://192.0.2.1:6443", cluster.ca_file.read_bytes())
        told = explain(GET_PODS, kubeconfig, env=env)
    found = told.check("network-proxy-refused", "forward-proxy", "connection")
    assert found["evidence"][0]["text"] == "Proxy Authentication Required"
