"""Which forward proxy a Go client would take to a cluster: proxy-url, else the environment's, unless NO_PROXY says no.

Rules: golang.org/x/net/http/httpproxy and client-go's transport; proxy-url replaces the environment altogether.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from analyzers.kubeconfig.model import Cluster

_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def forward_proxy(cluster: Cluster, environ: Mapping[str, str]) -> str:
    """The proxy's URL, "" when the server is dialled directly."""
    if cluster.proxy_url:
        return cluster.proxy_url
    name = f"{cluster.scheme.upper()}_PROXY"
    url = environ.get(name) or environ.get(name.lower()) or ""
    if not url or not _uses_proxy(cluster.host, cluster.port, environ.get("NO_PROXY") or environ.get("no_proxy") or ""):
        return ""
    return url if "://" in url else f"http://{url}"


def proxy_address(url: str) -> tuple[str, str, int, str, str] | None:
    """Scheme, host, port, user and password of a proxy's URL; None when it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return scheme, parts.hostname, port or _DEFAULT_PORTS[scheme], user, password


def _uses_proxy(host: str, port: int, no_proxy: str) -> bool:
    host = host.rstrip(".").lower()
    address = _ip(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return False
    return not passes_by(host, port, no_proxy)


def passes_by(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY names this server."""
    host = host.rstrip(".").lower()
    return any(_matches(entry.strip().lower(), host, port, _ip(host)) for entry in no_proxy.split(","))


type _Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _matches(entry: str, host: str, port: int, address: _Address | None) -> bool:
    if not entry:
        return False
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    if (literal := _ip(entry)) is not None:
        return literal == address
    name, colon, its_port = entry.rpartition(":")
    if colon and its_port.isdecimal():
        if int(its_port) != port:
            return False
        entry = name
        if (literal := _ip(entry.strip("[]"))) is not None:
            return literal == address
    entry = entry.removeprefix("*")
    if entry.startswith("."):
        return host.endswith(entry)
    return host == entry or host.endswith(f".{entry}")


def _ip(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
