"""Kubeconfigs for one test: another server, another authority, another token."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.cluster.cluster import Cluster
from tests.cluster.servers import Server


def pointing_at(cluster: Cluster, folder: Path, url: str, ca: bytes, identity: str = "jane") -> Path:
    """A kubeconfig of ``identity`` for the server at ``url`` that trusts ``ca`` (PEM; b"" for none)."""
    authority = base64.b64encode(ca).decode() or None
    stanza = {"server": url, "certificate-authority-data": authority}
    user = cluster.identities.stanza(identity)
    return cluster.identities.write_kubeconfig(folder / "elsewhere.kubeconfig", identity, user, stanza)


def for_server(cluster: Cluster, folder: Path, server: Server, identity: str = "jane") -> Path:
    """A kubeconfig of ``identity`` for a server of ``tests.cluster.servers``."""
    return pointing_at(cluster, folder, server.url, server.ca, identity)


def with_token(cluster: Cluster, folder: Path, token: str) -> Path:
    """A kubeconfig for the cluster whose user has that token."""
    return cluster.identities.write_kubeconfig(folder / "token.kubeconfig", "token", {"token": token})
