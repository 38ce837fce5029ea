"""How a case is written: which rules it records, on which API server, and the objects that cases share.

A hit must be that rule's; a miss differs from it in one thing, and is somebody else's or nobody's.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.cluster import pki
from tests.cluster.cluster import Cluster
from tests.cluster.identities import Identity
from tests.cluster.record import Recorder

type Case = Callable[[Recorder], None]

CASES: list[tuple[tuple[str, ...], Case, tuple[str, ...] | None]] = []
MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
DAY = 24 * 60 * 60
"""Seconds."""
PODS = "/api/v1/namespaces/prod/pods"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
}
EXEC = "/api/v1/namespaces/default/pods/p0/exec?command=ls&stdout=true"
CONFIGMAPS = "/api/v1/namespaces/{}/configmaps"
NEW = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}}


def records(*rules: str, alone: tuple[str, ...] | None = None) -> Callable[[Case], Case]:
    """Says whose fixtures a function records. ``alone``: flags of an API server of its own, which may be broken."""

    def register(case: Case) -> Case:
        CASES.append((rules, case, alone))
        return case

    return register


def arrange(cluster: Cluster) -> None:
    """Namespace prod, with something in it."""
    cluster.add_namespace("prod")
    cluster.arrange(
        "POST", "/api/v1/namespaces/prod/configmaps", {"metadata": {"name": "settings"}, "data": {"a": "1"}}
    )
    cluster.arrange("POST", "/apis/apps/v1/namespaces/prod/deployments", deployment("web"))


def deployment(name: str, **spec: object) -> dict[str, Any]:
    """A Deployment without replicas; ``spec`` adds to its spec."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template, **spec},
    }


def pod(name: str, **container: object) -> dict[str, Any]:
    """A Pod; ``container`` adds to its only container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "busybox", **container}]},
    }


def refused(r: Recorder, path: str, document: dict[str, Any]) -> bool:
    """Whether a dry run of this create is refused by now."""
    return r.cluster.call("POST", f"{path}?dryRun=All", document).status >= 400


def certified(r: Recorder, name: str, *organizations: str, **dates: Any) -> Identity:
    """A new identity with a certificate of the cluster's CA."""
    folder = r.cluster.run / "pki"
    r.cluster.identities.authority.issue(name, organizations, usage=pki.CLIENT, **dates).write(folder, "recorded")
    return Identity(
        name=name,
        user=name,
        kubeconfig=folder / "none",
        certificate=folder / "recorded.crt",
        key=folder / "recorded.key",
    )


def bearing(name: str, token: str) -> Identity:
    """An identity that shows ``token``."""
    return Identity(name=name, user=name, kubeconfig=Path("none"), headers={"Authorization": f"Bearer {token}"})


def signed(r: Recorder, claims: Mapping[str, object]) -> str:
    """A service account token, signed with the cluster's own key."""
    key = serialization.load_pem_private_key((r.cluster.run / "pki" / "sa.key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(public)

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    head = {"alg": "RS256", "kid": part(digest.finalize())}
    text = f"{part(json.dumps(head).encode())}.{part(json.dumps(claims).encode())}"
    return f"{text}.{part(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def claims(r: Recorder, expires_in: float) -> dict[str, object]:
    """What the cluster itself would write into a token of prod/default that ends in ``expires_in`` seconds."""
    account = r.cluster.arrange("GET", "/api/v1/namespaces/prod/serviceaccounts/default")["metadata"]
    now = int(time.time())
    issuer = "https://kubernetes.default.svc.cluster.local"
    return {
        "iss": issuer,
        "aud": [issuer],
        "sub": "system:serviceaccount:prod:default",
        "iat": now - DAY,
        "nbf": now - DAY,
        "exp": int(now + expires_in),
        "kubernetes.io": {"namespace": "prod", "serviceaccount": {"name": "default", "uid": account["uid"]}},
    }
