"""The kubeconfig as the proxy needs it."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from analyzers.kubeconfig import Cluster, KeyPairSource, KubeconfigError, forward_proxy, load, proxy_address
from proxy_addons.trust import certificates
from proxy_addons.upstream import ForwardProxy, KeyPairs, Upstream, Upstreams

logger = logging.getLogger("mitmkube")


def upstream(cluster: Cluster, user: str = "", proxy_url: str = "") -> Upstream:
    """Where ``cluster`` really is. ``user`` is its name in our proxy-url; ``proxy_url`` a forward proxy on the way."""
    problem = cluster.ca_error
    if cluster.ca is not None and not problem and not certificates(cluster.ca):
        problem = "unable to load root certificates: unable to parse bytes as PEM block"
    via = _via(proxy_url)
    if cluster.insecure:
        problem = ""
    if proxy_url and via is None:
        problem = f"mitmkube: {unsupported_proxy(cluster, proxy_url)}"
    return Upstream(
        cluster=cluster.name,
        scheme=cluster.scheme,
        host=cluster.host,
        port=cluster.port,
        server_name=cluster.server_name,
        path_prefix=cluster.path_prefix,
        user=user,
        ca=None if cluster.insecure else cluster.ca,
        insecure=cluster.insecure,
        via=via,
        problem=problem,
    )


def foreign(host: str, port: int, environ: Mapping[str, str]) -> Upstream:
    """A host that the user lets through by name: known by the system's roots, behind the environment's proxy."""
    name = f"[{host}]" if ":" in host else host
    cluster = Cluster.of("", Path(), {"server": f"https://{name}:{port}"})
    return replace(upstream(cluster, proxy_url=forward_proxy(cluster, environ)), foreign=True)


def unsupported_proxy(cluster: Cluster, proxy_url: str) -> str:
    """Why ``proxy_url`` cannot be passed on the way to ``cluster``, without what may be secret in it; "" if it can."""
    if not proxy_url or _via(proxy_url) is not None:
        return ""
    address = proxy_address(proxy_url)
    shown = f"{address[0]}://{address[1]}:{address[2]}" if address else "no URL of a proxy"
    return f"the way to cluster {cluster.name} leads through {shown}, and mitmkube passes http and https proxies only"


def _via(url: str) -> ForwardProxy | None:
    match proxy_address(url):
        case ("http" | "https" as scheme, host, port, user, password):
            login = base64.b64encode(f"{user}:{password}".encode()).decode() if user or password else ""
            return ForwardProxy(scheme=scheme, host=host, port=port, authorization=f"Basic {login}" if login else "")
        case _:
            return None


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
