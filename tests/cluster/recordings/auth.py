"""Who is asking: certificates, tokens, none at all, and what mitmkube itself refuses."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from analyzers.exchange import Connection, Exchange, Failure, Request
from proxy_addons.tunnels import _UNKNOWN_IDENTITY
from tests.cluster import pki
from tests.cluster.identities import Identity
from tests.cluster.record import Recorder, certificates_of, client_failure, save
from tests.cluster.recordings.case import (
    DAY,
    PODS,
    bearing,
    certified,
    claims,
    records,
    signed,
)


@records("auth-certificate-expired", "auth-certificate-rejected")
def certificates(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    save(
        "auth-certificate-expired",
        "hit",
        [r.send("GET", PODS, identity="expired")],
        f"{said}: a certificate of its own CA, expired",
    )
    early = certified(r, "jane", "dev", not_before=10 * pki.DAY, not_after=20 * pki.DAY)
    save(
        "auth-certificate-expired",
        "hit_not_yet_valid",
        [r.send("GET", PODS, identity=early)],
        f"{said}: a certificate that becomes valid in ten days",
    )
    save(
        "auth-certificate-expired",
        "miss_foreign",
        [r.send("GET", PODS, identity="wrongca")],
        f"{said}: a certificate of another CA, within its dates",
    )
    save(
        "auth-certificate-rejected",
        "hit",
        [r.send("GET", PODS, identity="wrongca")],
        f"{said}: a certificate of another CA",
    )
    save(
        "auth-certificate-rejected",
        "miss_known",
        [r.send("GET", PODS, identity="jane")],
        f"{said}: a certificate that it accepts, without rights",
    )
    both = r.cluster.identity("wrongca")
    good = Identity(
        name="both",
        user="",
        kubeconfig=both.kubeconfig,
        certificate=both.certificate,
        key=both.key,
        headers=r.cluster.identity("bob").headers,
    )
    save(
        "auth-certificate-rejected",
        "miss_good_token_beside",
        [r.send("GET", PODS, identity=good)],
        f"{said}: a certificate of another CA and a good token: the token counts",
    )


@records("auth-token-expired", "auth-token-rejected", "auth-unauthorized")
def tokens(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    expired = bearing("expired", signed(r, claims(r, -3600)))
    save(
        "auth-token-expired",
        "hit",
        [r.send("GET", PODS, identity=expired)],
        f"{said}: a service account token that ended an hour ago",
    )
    good = bearing("good", signed(r, claims(r, 3600)))
    save(
        "auth-token-expired",
        "miss_valid",
        [r.send("GET", PODS, identity=good)],
        f"{said}: the same token with an hour left",
    )
    other = bearing("other", signed(r, {**claims(r, 3600), "aud": ["https://vault.example"]}))
    save(
        "auth-token-expired",
        "miss_audience",
        [r.send("GET", PODS, identity=other)],
        f"{said}: a token for another audience",
    )
    save(
        "auth-token-rejected",
        "hit_audience",
        [r.send("GET", PODS, identity=other)],
        f"{said}: a token for another audience",
    )
    save(
        "auth-token-rejected",
        "hit",
        [r.send("GET", PODS, identity="badtoken")],
        f"{said}: a token that it does not know",
    )
    save(
        "auth-token-rejected",
        "hit_discovery",
        r.failing("get", "pods", identity="badtoken")[:1],
        f"{said}: kubectl's discovery with a token that it does not know",
    )
    gone = {
        **claims(r, 3600),
        "sub": "system:serviceaccount:prod:gone",
        "kubernetes.io": {"namespace": "prod", "serviceaccount": {"name": "gone", "uid": "0"}},
    }
    save(
        "auth-token-rejected",
        "hit_deleted_account",
        [r.send("GET", PODS, identity=bearing("gone", signed(r, gone)))],
        f"{said}: a token of a service account that is not there",
    )
    save(
        "auth-token-rejected",
        "miss_expired",
        [r.send("GET", PODS, identity=expired)],
        f"{said}: a token that has expired",
    )
    protobuf = {"Accept": "application/vnd.kubernetes.protobuf"}
    save(
        "auth-token-rejected",
        "hit_protobuf",
        [r.send("GET", PODS, identity="badtoken", headers=protobuf)],
        f"{said}: the same, answered in protobuf",
    )


@records("auth-clock-skew")
def clocks(r: Recorder) -> None:
    """The server's answers are as they came; what is set is the clock of the client that asked."""
    said = f"recorded from kube-apiserver {r.version}"

    def by_clock(asked: Exchange, ahead: float) -> Exchange:
        return replace(asked, timing=replace(asked.timing, started=asked.timing.started + ahead))

    expired = r.send("GET", PODS, identity=bearing("expired", signed(r, claims(r, -3600))))
    early_claims = {**claims(r, 7200), "nbf": int(time.time()) + 1800}
    early = r.send("GET", PODS, identity=bearing("early", signed(r, early_claims)))
    tomorrow = certified(r, "jane", "dev", not_before=pki.DAY, not_after=20 * pki.DAY)
    certificate = r.send("GET", PODS, identity=tomorrow)
    unknown = r.send("GET", PODS, identity="badtoken")
    shown = {
        "hit": (
            by_clock(expired, -7200),
            "a token that ended an hour ago, by a client whose clock is two hours behind",
        ),
        "hit_ahead": (by_clock(early, 3600), "a token from the future, by a client whose clock is an hour ahead"),
        "hit_certificate": (
            by_clock(certificate, 2 * DAY),
            "a certificate from the future, by a client two days ahead",
        ),
        "miss_expired": (expired, "a token that ended an hour ago, by a client whose clock is right"),
        "miss_early": (early, "a token from the future by both clocks"),
        "miss_unknown": (
            by_clock(unknown, -7200),
            "a token without dates, by a client whose clock is two hours behind",
        ),
    }
    for name, (exchange, what) in shown.items():
        save("auth-clock-skew", name, [exchange], f"{said}: {what}")


@records("auth-unauthorized", alone=("--anonymous-auth=false",))
def nothing_sent(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version} with --anonymous-auth=false"
    save("auth-unauthorized", "hit", [r.send("GET", PODS, identity="anonymous")], f"{said}: no credential")
    basic = Identity(
        name="basic", user="", kubeconfig=Path("none"), headers={"Authorization": "Basic amFuZTpzZWNyZXQ="}
    )
    save("auth-unauthorized", "hit_basic", [r.send("GET", PODS, identity=basic)], f"{said}: user name and password")
    save(
        "auth-unauthorized",
        "miss_token",
        [r.send("GET", PODS, identity="badtoken")],
        f"{said}: a token that it does not know",
    )


@records("auth-anonymous")
def anonymous(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    save("auth-anonymous", "hit", [r.send("GET", PODS, identity="anonymous")], f"{said}: no credential")
    save(
        "auth-anonymous",
        "hit_discovery",
        r.failing("get", "pods", identity="anonymous")[:1],
        f"{said}: kubectl's discovery without a credential",
    )
    basic = Identity(
        name="basic", user="", kubeconfig=Path("none"), headers={"Authorization": "Basic amFuZTpzZWNyZXQ="}
    )
    save("auth-anonymous", "hit_basic", [r.send("GET", PODS, identity=basic)], f"{said}: user name and password")
    token = r.cluster.identity("bob").headers["Authorization"].split()[1]
    spaces = Identity(name="spaces", user="", kubeconfig=Path("none"), headers={"Authorization": f"Bearer  {token}"})
    save(
        "auth-anonymous",
        "hit_two_spaces",
        [r.send("GET", PODS, identity=spaces)],
        f"{said}: a good token behind two spaces",
    )
    impersonated = {"Impersonate-User": "system:anonymous", "Impersonate-Group": "system:unauthenticated"}
    save(
        "auth-anonymous",
        "miss_impersonated",
        [r.send("GET", PODS, headers=impersonated)],
        f"{said}: an administrator as system:anonymous",
    )
    save("auth-anonymous", "miss_known_user", [r.send("GET", PODS, identity="jane")], f"{said}: a user without rights")


@records("auth-key-not-available", "network-mitmkube-refused", "auth-ca-unusable")
def mitmkube(r: Recorder) -> None:
    """What the proxy refuses by itself, in its own words: no request of these reaches a server."""

    said = "in the words of mitmkube"
    jane = Connection(client_certificates=certificates_of(r.cluster.identity("jane")))
    path = "/api/v1/namespaces/prod/pods"
    asked = Request(method="GET", host="127.0.0.1", port=r.cluster.port, path=path)
    held = Exchange(id=1, request=asked, connection=jane, failure=Failure(phase="mitmkube", message=_UNKNOWN_IDENTITY))
    save("auth-key-not-available", "hit", [held], f"{said}: a certificate that a credential plugin made")
    tunnel = Request(method="CONNECT", host="10.0.0.9", port=443, path="10.0.0.9:443")
    strange = Failure(phase="mitmkube", message="mitmkube: 10.0.0.9:443 is no server of the kubeconfig")
    refused = Exchange(id=1, request=tunnel, failure=strange)
    save("network-mitmkube-refused", "hit", [refused], f"{said}: a server that the kubeconfig does not name")
    save("auth-key-not-available", "miss_server", [refused], f"{said}: a server that the kubeconfig does not name")
    save("network-mitmkube-refused", "miss_identity", [held], f"{said}: a certificate that a credential plugin made")
    folder = r.cluster.run / "peers"
    folder.mkdir(mode=0o700, exist_ok=True)
    unreadable = client_failure(r.cluster.url, "tls", ca=b"no certificate", folder=folder)
    save("auth-ca-unusable", "hit", [unreadable], "in the words of kubectl: a CA file that is no PEM")
    other = pki.Authority.create("another-cluster-ca").certificate_pem
    foreign = client_failure(r.cluster.url, "tls", ca=other, folder=folder)
    save("auth-ca-unusable", "miss_untrusted", [foreign], "in the words of kubectl: another cluster's CA")
