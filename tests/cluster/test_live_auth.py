"""Who is refused at the door of the real cluster, and whose certificate kubectl does not take: auth, explained."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import servers
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import RAW, Explain
from tests.cluster.kubeconfigs import for_server, pointing_at, with_token
from tests.cluster.kubectl import Kubectl
from tests.cluster.record import Recorder
from tests.cluster.recordings.case import signed

GET_PODS = ["get", "pods", "-n", "default"]


def deployers_claims(cluster: Cluster) -> dict[str, Any]:
    """What stands in the token that the cluster itself issued to ci/deployer."""
    payload = cluster.identity("deployer").headers["Authorization"].split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def test_expired_client_certificate_is_named_with_its_end(explain: Explain, kubectl: Kubectl) -> None:
    found = explain(GET_PODS, "expired", program=kubectl).check("auth-certificate-expired", "client", "authentication")
    assert found["summary"].startswith("The client certificate of admin expired on ")
    said = [evidence["text"] for evidence in found["evidence"]]
    assert any(text.startswith("the server's clock says ") for text in said)
    assert any(text.startswith("user expired of ") and text.endswith(": a client certificate") for text in said)


def test_client_certificate_of_a_foreign_authority_is_named_with_its_issuer(explain: Explain) -> None:
    found = explain(GET_PODS, "wrongca").check("auth-certificate-rejected", "client", "authentication")
    assert "the client certificate of admin, signed by some-other-ca" in found["summary"]


def test_unknown_token_is_rejected_and_shown_nowhere(explain: Explain, kubectl: Kubectl, cluster: Cluster) -> None:
    told = explain(GET_PODS, "badtoken", program=kubectl)
    found = told.check("auth-token-rejected", "client", "authentication")
    assert "does not accept the token" in found["summary"]
    secret = cluster.identity("badtoken").headers["Authorization"].split()[1]
    assert secret not in told.report + json.dumps(told.story) + json.dumps(told.har)


def test_expired_service_account_token_is_named_with_its_account_and_end(
    explain: Explain, cluster: Cluster, tmp_path: Path
) -> None:
    ended = deployers_claims(cluster) | {"exp": int(time.time()) - 3600}
    told = explain(GET_PODS, with_token(cluster, tmp_path, signed(Recorder(cluster), ended)))
    found = told.check("auth-token-expired", "client", "authentication")
    assert found["summary"].startswith("The token of system:serviceaccount:ci:deployer expired on ")
    assert "kubectl create token deployer -n ci" in told.report


def test_token_for_another_audience_is_rejected_with_that_audience(
    explain: Explain, cluster: Cluster, tmp_path: Path
) -> None:
    other = deployers_claims(cluster) | {"aud": ["https://vault.example"]}
    told = explain(GET_PODS, with_token(cluster, tmp_path, signed(Recorder(cluster), other)))
    found = told.check("auth-token-rejected", "client", "authentication")
    assert "https://vault.example" in json.dumps(found["evidence"])


def test_token_that_the_kubeconfig_holds_is_said_to_be_renewed_by_nobody(explain: Explain) -> None:
    found = explain(GET_PODS, "badtoken").check("auth-token-rejected", "client", "authentication")
    (source,) = (one["text"] for one in found["evidence"] if one["where"] == "kubeconfig")
    assert source.endswith("badtoken.kubeconfig: a token that stands in the file, so nothing renews it")


def test_expired_token_that_a_slow_clock_takes_for_a_good_one_is_laid_to_the_clock(
    explain: Explain, cluster: Cluster, tmp_path: Path
) -> None:
    slow = "import time\ntrue = time.time\ntime.time = lambda: true() - 7200\n"
    (tmp_path / "sitecustomize.py").write_text(slow)
    ended = deployers_claims(cluster) | {"exp": int(time.time()) - 3600}
    kubeconfig = with_token(cluster, tmp_path, signed(Recorder(cluster), ended))
    told = explain(GET_PODS, kubeconfig, env={"PYTHONPATH": str(tmp_path)})
    found = told.check("auth-clock-skew", "client", "authentication")
    # 7200 seconds less what the answer took.
    assert re.match(r"This machine's clock is (?:2 h|120 min) behind the API server's", found["summary"])


def test_same_token_with_time_left_is_no_matter_of_login(explain: Explain, cluster: Cluster, tmp_path: Path) -> None:
    good = deployers_claims(cluster) | {"exp": int(time.time()) + 3600}
    told = explain(GET_PODS, with_token(cluster, tmp_path, signed(Recorder(cluster), good)))
    told.check("rbac-denied", "api-server", "authorization")


def test_403_for_nobody_is_a_matter_of_login_and_not_of_permissions(explain: Explain) -> None:
    told = explain(["GET", "/api/v1/namespaces/default/pods"], "anonymous", program=RAW)
    found = told.check("auth-anonymous", "client", "authentication")
    assert found["summary"].endswith("/anonymous.kubeconfig has no credential.")
    assert "rolebinding" not in told.report
    assert "no credential was sent" in told.report


def test_user_name_and_password_count_for_nothing(explain: Explain, kubectl: Kubectl) -> None:
    told = explain([*GET_PODS, "--username=nobody", "--password=hush-hush"], "anonymous", program=kubectl)
    found = told.check("auth-anonymous", "client", "authentication")
    assert "a user name and password were sent, which API servers ignore" in found["summary"]
    assert "hush-hush" not in told.report + json.dumps(told.story) + json.dumps(told.har)


def test_server_certificate_of_another_authority_is_named_with_its_signer(
    explain: Explain, kubectl: Kubectl, cluster: Cluster, tmp_path: Path
) -> None:
    other = (cluster.run / "pki" / "other-ca.crt").read_bytes()
    told = explain(GET_PODS, pointing_at(cluster, tmp_path, cluster.url, other), program=kubectl)
    found = told.check("auth-server-certificate-untrusted", "client", "connection")
    assert "is signed by" in found["summary"]
    assert told.step("authentication")[0] == "not-reached"


def test_server_name_that_the_certificate_lacks_is_named(explain: Explain, kubectl: Kubectl) -> None:
    told = explain(["--tls-server-name=cluster.example.com", *GET_PODS], program=kubectl)
    found = told.check("auth-server-certificate-name", "client", "connection")
    assert "cluster.example.com" in found["summary"]


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (servers.expired_certificate, "auth-server-certificate-expired"),
        (servers.foreign_certificate, "auth-server-certificate-untrusted"),
        (servers.certificate_for_another_name, "auth-server-certificate-name"),
    ],
)
def test_bad_server_certificate_is_a_matter_of_login_found_at_the_connection(
    explain: Explain,
    cluster: Cluster,
    tmp_path: Path,
    fault: Callable[[], AbstractContextManager[servers.Server]],
    rule: str,
) -> None:
    with fault() as server:
        told = explain(GET_PODS, for_server(cluster, tmp_path, server))
    told.check(rule, "client", "connection")
    assert server.requests == []
