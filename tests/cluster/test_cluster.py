"""The harness itself, without any proxy: who asks gets the answer they should, and every fault shows its real face."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import faults, servers, webhook
from tests.cluster.api import wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.command import run
from tests.cluster.conftest import OwnCluster, RunDirect
from tests.cluster.identities import Identity
from tests.cluster.kubectl import Kubectl
from tests.cluster.part import PartDied

REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAP = {"metadata": {"name": "some"}}
POD = {"metadata": {"name": "some"}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}

RIGHTLESS = ("jane", "jane-files", "dave", "bob", "deployer", "as-jane", "as-jane-ops", "as-uid-extra", "as-deployer")


def config_maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


# Identities


@pytest.mark.parametrize("name", ["admin", "token", *RIGHTLESS])
def test_api_server_knows_identity(cluster: Cluster, identities: dict[str, Identity], name: str) -> None:
    user = cluster.call("POST", REVIEW, {}, identity=name).json["status"]["userInfo"]
    assert user["username"] == identities[name].user


@pytest.mark.parametrize("name", ["expired", "wrongca", "badtoken"])
def test_bad_credential_is_unauthorized(cluster: Cluster, name: str) -> None:
    answer = cluster.call("GET", PODS, identity=name)
    assert (answer.status, answer.json["reason"]) == (401, "Unauthorized")


@pytest.mark.parametrize("name", [*RIGHTLESS, "anonymous"])
def test_identity_without_rights_is_forbidden(cluster: Cluster, identities: dict[str, Identity], name: str) -> None:
    answer = cluster.call("GET", PODS, identity=name)
    assert answer.status == 403
    assert f'User "{identities[name].user}" cannot list resource "pods"' in answer.json["message"]


def test_impersonation_without_right_is_forbidden(cluster: Cluster) -> None:
    answer = cluster.call("GET", PODS, identity="jane-as-admin")
    assert answer.status == 403
    # Not "cannot impersonate resource": the newer, constrained verb is the last one the API server asks about.
    assert 'User "jane" cannot impersonate-on:user-info:list resource "pods"' in answer.json["message"]


def test_admin_lists_the_running_pod(cluster: Cluster) -> None:
    (pod,) = cluster.arrange("GET", PODS)["items"]
    assert (pod["metadata"]["name"], pod["status"]["phase"]) == ("p0", "Running")


def test_service_account_token_is_bound_and_expires(identities: dict[str, Identity]) -> None:
    payload = identities["deployer"].headers["Authorization"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["sub"] == "system:serviceaccount:ci:deployer"
    assert claims["exp"] > claims["iat"]
    assert claims["kubernetes.io"]["serviceaccount"]["name"] == "deployer"


def test_identity_repr_shows_no_token(identities: dict[str, Identity]) -> None:
    token = identities["token"].headers["Authorization"].removeprefix("Bearer ")
    assert token not in repr(identities)


# kubectl


def test_every_kubectl_lists_pods(run_direct: RunDirect, every_kubectl: Kubectl) -> None:
    outcome = run_direct(every_kubectl, ["get", "pods", "-o", "name"])
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "pod/p0\n", "")


def test_kubectls_differ_and_come_oldest_first(kubectls: tuple[Kubectl, ...]) -> None:
    assert len({kubectl.name for kubectl in kubectls}) == len(kubectls)
    assert [kubectl.version for kubectl in kubectls] == sorted(kubectl.version for kubectl in kubectls)


def test_kubectl_prints_forbidden(run_direct: RunDirect, kubectl: Kubectl) -> None:
    outcome = run_direct(kubectl, ["get", "pods"], "jane")
    assert outcome.status == 1
    assert outcome.stderr.startswith('Error from server (Forbidden): pods is forbidden: User "jane" cannot list')


def test_kubectl_runs_a_command_in_the_pod(run_direct: RunDirect, kubectl: Kubectl) -> None:
    outcome = run_direct(kubectl, ["exec", "p0", "--", "echo", "hello"])
    assert (outcome.status, outcome.stdout) == (0, "hello\n")


def test_kubectl_reads_the_pods_log(run_direct: RunDirect, kubectl: Kubectl) -> None:
    outcome = run_direct(kubectl, ["logs", "p0", "--tail=1"])
    assert (outcome.status, outcome.stdout) == (0, "line 5\n")


def test_masked_outcomes_of_the_same_verbose_command_hold_no_times(run_direct: RunDirect, kubectl: Kubectl) -> None:
    outcome = run_direct(kubectl, ["config", "view", "-v=6"])
    _, _, stderr = outcome.masked
    assert "ETIME" not in outcome.stderr
    assert all(line.startswith("ITIME PID ") for line in stderr.splitlines())


def test_commands_do_not_see_the_machines_kubeconfig(tmp_path: Path) -> None:
    outcome = run(
        [sys.executable, "-c", "import os; print(sorted(n for n in os.environ if 'KUBE' in n))"], home=tmp_path
    )
    assert outcome.stdout == "[]\n"


# Faults of the cluster


def test_throttled_identity_gets_429(cluster: Cluster) -> None:
    with faults.throttled(cluster, "bob"):
        for _ in range(3):
            answer = cluster.call("GET", PODS, identity="bob")
            assert (answer.status, answer.text) == (429, "Too many requests, please try again later.\n")
            assert int(answer.header("Retry-After")) > 0
        assert cluster.call("GET", PODS, identity="dave").status == 403


def test_identity_is_served_again_when_it_is_throttled_no_more(cluster: Cluster) -> None:
    with faults.throttled(cluster, "bob"):
        pass
    assert cluster.call("GET", "/version", identity="bob").status == 200


def test_denying_webhook_denies(cluster: Cluster) -> None:
    with faults.refusing_webhook(cluster, webhook.deny("no, said the policy", code=403)) as namespace:
        answer = cluster.call("POST", config_maps(namespace), CONFIG_MAP)
    assert answer.status == 403
    assert answer.json["message"] == (
        'admission webhook "policy.mitmkube.test" denied the request: no, said the policy'
    )


@pytest.mark.parametrize(
    ("decide", "trusted", "message"),
    [
        pytest.param(webhook.fail(500), True, "an error on the server", id="answers 500"),
        pytest.param(webhook.garbage(), True, "json parse error", id="answers garbage"),
        pytest.param(webhook.allow(), False, "x509: certificate signed by unknown authority", id="untrusted"),
    ],
)
def test_broken_webhook_fails_the_request(
    cluster: Cluster, decide: webhook.Decision, trusted: bool, message: str
) -> None:
    with faults.refusing_webhook(cluster, decide, trusted=trusted) as namespace:
        answer = cluster.call("POST", config_maps(namespace), CONFIG_MAP)
    assert answer.status == 500
    assert 'failed calling webhook "policy.mitmkube.test"' in answer.json["message"]
    assert message in answer.json["message"]


def test_slow_webhook_times_out(cluster: Cluster) -> None:
    with faults.slow_webhook(cluster) as namespace:
        answer = cluster.call("POST", config_maps(namespace), CONFIG_MAP)
    assert answer.status == 500
    assert "context deadline exceeded" in answer.json["message"]


def test_unreachable_webhook_is_refused(cluster: Cluster) -> None:
    with faults.unreachable_webhook(cluster) as namespace:
        answer = cluster.call("POST", config_maps(namespace), CONFIG_MAP)
    assert answer.status == 500
    assert answer.json["message"].endswith("connect: connection refused")


def test_unavailable_api_answers_503(cluster: Cluster) -> None:
    with faults.unavailable_api(cluster) as path:
        answer = cluster.call("GET", path)
    assert (answer.status, answer.text) == (503, "service unavailable\n")


def test_terminating_namespace_takes_nothing_new(cluster: Cluster) -> None:
    with faults.terminating_namespace(cluster) as namespace:
        answer = cluster.call("POST", config_maps(namespace), CONFIG_MAP)
    assert answer.status == 403
    assert [cause["reason"] for cause in answer.json["details"]["causes"]] == ["NamespaceTerminating"]


def test_exhausted_quota_takes_no_pod(cluster: Cluster) -> None:
    with faults.exhausted_quota(cluster) as namespace:
        answer = cluster.call("POST", f"/api/v1/namespaces/{namespace}/pods", POD)
    assert answer.status == 403
    assert "exceeded quota: no-more" in answer.json["message"]


def test_restricted_namespace_takes_no_careless_pod(cluster: Cluster) -> None:
    with faults.restricted_namespace(cluster) as namespace:
        answer = cluster.call("POST", f"/api/v1/namespaces/{namespace}/pods", POD)
    assert answer.status == 403
    assert 'violates PodSecurity "restricted:latest"' in answer.json["message"]


def test_disruption_budget_refuses_eviction(cluster: Cluster) -> None:
    with faults.disruption_budget(cluster) as budget:
        answer = cluster.call("POST", budget.eviction_path, budget.eviction)
    assert (answer.status, answer.json["details"]["causes"][0]["reason"]) == (429, "DisruptionBudget")


def test_expired_watch_is_an_error_inside_a_200(fragile_cluster: Cluster) -> None:
    with faults.expired_resource_version(fragile_cluster) as expired:
        answer = fragile_cluster.call("GET", expired.watch_path)
    assert (answer.status, answer.json["type"], answer.json["object"]["code"]) == (200, "ERROR", 410)


@pytest.mark.parametrize("path", ["list_path", "continue_path"])
def test_expired_list_is_gone(fragile_cluster: Cluster, path: str) -> None:
    with faults.expired_resource_version(fragile_cluster) as expired:
        answer = fragile_cluster.call("GET", getattr(expired, path))
    assert (answer.status, answer.json["reason"]) == (410, "Expired")


@pytest.mark.parametrize("fault", [faults.etcd_paused, faults.etcd_killed])
def test_readyz_fails_without_etcd(
    fragile_cluster: Cluster, fault: Callable[[Cluster], AbstractContextManager[None]]
) -> None:
    with fault(fragile_cluster):
        ready = fragile_cluster.call("GET", "/readyz")
        written = fragile_cluster.call("POST", config_maps("default"), CONFIG_MAP)
    assert ready.status == 500
    assert "[-]etcd failed" in ready.text
    assert (written.status, json.loads(written.body)["reason"]) == (504, "Timeout")


def test_cluster_is_whole_after_etcd_was_killed(fragile_cluster: Cluster) -> None:
    path = config_maps("default")
    fragile_cluster.arrange("POST", path, {"metadata": {"name": "kept"}})
    with faults.etcd_killed(fragile_cluster):
        pass
    assert fragile_cluster.arrange("GET", f"{path}/kept")["metadata"]["name"] == "kept"
    fragile_cluster.arrange("DELETE", f"{path}/kept")


def test_audit_log_tells_who_asked(cluster: Cluster, identities: dict[str, Identity]) -> None:
    before = cluster.audit_log.stat().st_size
    cluster.call("GET", f"{config_maps('default')}/audited", identity="dave")
    events = [event for event in cluster.audit_events(before) if event["requestURI"].endswith("/audited")]
    assert [(event["user"]["username"], event["responseStatus"]["code"]) for event in events] == [("dave", 403)]


# Starting and stopping


def test_cluster_leaves_no_process_and_no_file(own_cluster: OwnCluster) -> None:
    cluster = own_cluster()
    parts = (cluster.etcd, cluster.apiserver)
    assert stat.S_IMODE(cluster.run.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in (cluster.run / "kubeconfig").iterdir())
    cluster.stop()
    assert not any(part.alive for part in parts)
    assert not cluster.run.exists()


def test_part_that_dies_shows_the_end_of_its_log(programs: Path, tmp_path: Path) -> None:
    cluster = Cluster(programs, tmp_path / "run", controllers=False, nodes=False, apiserver_flags=["--no-such-flag"])
    with pytest.raises(PartDied, match=r"(?s)^kube-apiserver ended .*unknown flag: --no-such-flag"):
        cluster.start()
    assert not cluster.etcd.alive


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
def test_cluster_ends_with_the_process_that_started_it(programs: Path, tmp_path: Path) -> None:
    starting = """
import os, pathlib, signal, sys
from tests.cluster.cluster import Cluster
cluster = Cluster(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), controllers=False, nodes=False)
cluster.start()
print(cluster.etcd.pid, cluster.apiserver.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", starting, programs, tmp_path / "run"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    pids = done.stdout.split()
    assert len(pids) == 2, done.stderr
    wait_until("the parts are gone", lambda: not any(_runs(int(pid)) for pid in pids))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Where nobody reaps orphans, they stay as zombies.
    return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()


# Servers that are no API server


def get(server: servers.Server) -> int:
    """A GET that trusts ``server.ca`` and only that; the status."""
    context = ssl.create_default_context(cadata=server.ca.decode())
    connection = http.client.HTTPSConnection(servers.HOST, server.port, timeout=10, context=context)
    try:
        connection.request("GET", "/api")
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("server", "message"),
    [
        (servers.foreign_certificate, "unable to get local issuer certificate"),
        (servers.expired_certificate, "certificate has expired"),
        (servers.certificate_for_another_name, "IP address mismatch"),
        (lambda: servers.intermediate(sends_chain=False), "unable to get local issuer certificate"),
    ],
    ids=["foreign", "expired", "another name", "intermediate left out"],
)
def test_bad_server_certificate_is_refused(
    server: Callable[[], AbstractContextManager[servers.Server]], message: str
) -> None:
    with server() as bad, pytest.raises(ssl.SSLCertVerificationError, match=message):
        get(bad)


def test_certificate_with_its_intermediate_is_trusted() -> None:
    with servers.intermediate() as server:
        assert get(server) == 200


@pytest.mark.parametrize(
    ("server", "error"),
    [
        (servers.refused, ConnectionRefusedError),
        (servers.resets, ConnectionResetError),
        (servers.closes_at_once, ssl.SSLEOFError),
        (servers.plain_http, ssl.SSLError),
        (servers.closes_after_request, http.client.RemoteDisconnected),
    ],
)
def test_broken_server_breaks_the_connection(
    server: Callable[[], AbstractContextManager[servers.Server]], error: type[Exception]
) -> None:
    with server() as broken, pytest.raises(error):
        get(broken)


@pytest.mark.parametrize("status", [502, 503])
def test_middlebox_answers_html_over_trusted_tls(status: int) -> None:
    with servers.html(status) as server:
        assert get(server) == status
        assert server.requests == ["GET /api"]


def test_forward_proxy_asks_for_credentials() -> None:
    with servers.proxy_refusing() as proxy:
        connection = http.client.HTTPConnection(servers.HOST, proxy.port, timeout=10)
        connection.set_tunnel("kubernetes.example.test", 6443)
        with pytest.raises(OSError, match="407"):
            connection.request("GET", "/api")
        connection.close()
        assert proxy.requests == ["CONNECT kubernetes.example.test:6443"]


@pytest.mark.parametrize("server", [servers.silent, servers.silent_after_request])
def test_silent_server_accepts_and_says_nothing(
    server: Callable[[], AbstractContextManager[servers.Server]],
) -> None:
    with server() as silent, socket.create_connection((servers.HOST, silent.port), timeout=10) as connection:
        wait_until("accepted", lambda: silent.connections)
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)


def test_kubectl_names_the_refused_port(run_direct: RunDirect, kubectl: Kubectl, tmp_path: Path) -> None:
    with servers.refused() as server:
        config: dict[str, Any] = {
            "current-context": "gone",
            "clusters": [{"name": "gone", "cluster": {"server": server.url}}],
            "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "none"}}],
            "users": [{"name": "none", "user": {"token": "unused"}}],
        }
        (tmp_path / "config").write_text(json.dumps(config))
        outcome = run_direct(kubectl, ["get", "--raw", "/version"], tmp_path / "config")
    assert outcome.status == 1
    assert f"{servers.HOST}:{server.port} was refused" in outcome.stderr
