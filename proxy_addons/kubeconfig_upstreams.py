"""The kubeconfig as the proxy needs it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from analyzers.kubeconfig import Cluster, KeyPairSource, KubeconfigError, load
from proxy_addons.upstream import KeyPairs, Upstream, Upstreams

logger = logging.getLogger("mitmkube")


def upstream(cluster: Cluster, user: str = "") -> Upstream:
    """Where ``cluster`` really is. ``user`` is its name in proxy-url."""
    problem = cluster.ca_error
    if cluster.ca is not None and not problem and b"-----BEGIN CERTIFICATE-----" not in cluster.ca:
        problem = "unable to load root certificates: unable to parse bytes as PEM block"
    return Upstream(
        cluster=cluster.name,
        scheme=cluster.scheme,
        host=cluster.host,
        port=cluster.port,
        server_name=cluster.server_name,
        user=user,
        ca=None if cluster.insecure else cluster.ca,
        insecure=cluster.insecure,
        problem="" if cluster.insecure else problem,
    )


def key_pairs(sources: Iterable[KeyPairSource], paths: Iterable[Path] = ()) -> KeyPairs:
    """Every key pair of ``sources``, and of whatever the files at ``paths`` hold when an unknown one is asked for."""
    fixed, files = tuple(sources), tuple(paths)

    def read() -> Iterator[tuple[bytes, bytes]]:
        try:
            current = load(files).key_pair_sources
        except KubeconfigError:
            current = ()
        for source in (*fixed, *current):
            try:
                pair = source.read()
            except KubeconfigError:
                continue
            yield pair.certificate, pair.key

    return KeyPairs(read)


def by_hand(paths: tuple[Path, ...]) -> Upstreams:
    """For a proxy-url that was set by hand: nobody asks for a password, and the address alone says which cluster.

    Such an entry carries the proxy's own CA. The one to trust the server by stands in the entry it was copied from, so
    entries without a proxy-url come first.
    """

    def read() -> Iterator[Upstream]:
        try:
            clusters = load(paths).clusters.values()
        except KubeconfigError as error:
            logger.error("%s", error)
            return
        for cluster in sorted(clusters, key=lambda cluster: bool(cluster.proxy_url)):
            if cluster.host:
                yield upstream(cluster)

    return Upstreams(read, key_pairs((), paths))
