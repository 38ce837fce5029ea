"""A request in the fewest words a person would use: ``list pods in prod``, ``discovery /apis``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from analyzers.decode.request_info import RequestInfo
    from analyzers.exchange import Exchange

_DISCOVERY = re.compile(r"/(?:api|apis|version|openapi|swagger)(?:/|$)|^/swagger\.json$")
_GROUP_VERSION = re.compile(r"/(?:api/[^/]+|apis(?:/[^/]+){0,2})/?$")
# Where the verb alone would say the wrong thing: exec is a create, or a get.
_SUBRESOURCES = {
    "exec": "exec into",
    "attach": "attach to",
    "portforward": "forward ports to",
    "proxy": "proxy to",
    "eviction": "evict",
}


def phrase(exchange: Exchange, info: RequestInfo | None) -> str:
    """The verb phrase of a request; ``info`` is None for a CONNECT. Never empty."""
    request = exchange.request
    if request.method == "CONNECT":
        return f"connect to {request.path}"
    path = path_of(exchange)
    if exchange.foreign:
        return f"{request.method.lower()} {request.authority}{path}"
    if is_discovery(exchange):
        return f"discovery {path}"
    if info is None or not info.is_resource_request:
        return f"{request.method.lower()} {path}"
    resource = f"{info.resource}.{info.api_group}" if info.api_group and "." in info.api_group else info.resource
    if info.subresource in _SUBRESOURCES:
        said = f"{_SUBRESOURCES[info.subresource]} {resource}"
    elif info.subresource:
        said = f"{info.verb or request.method.lower()} {resource}/{info.subresource}"
    else:
        said = f"{info.verb or request.method.lower()} {resource}"
    if info.name:
        said += f" {info.name}"
    # The API server reads a namespace's own name as its namespace too: said once.
    if info.namespace and not (info.resource == "namespaces" and info.namespace == info.name):
        said += f" in {info.namespace}"
    return said


def is_discovery(exchange: Exchange) -> bool:
    """True for what a client asks only to learn which types there are: /api, /apis, a group version, openapi, version.

    A path prefix of the server (a gateway that serves many clusters) may stand before it.
    """
    if exchange.foreign or exchange.request.method not in ("GET", "HEAD"):
        return False
    path = path_of(exchange)
    if not (found := _DISCOVERY.search(path)):
        return False
    rest = path[found.start() :]
    if rest.startswith(("/version", "/openapi", "/swagger")):
        return True
    return rest in ("/api", "/apis") or _GROUP_VERSION.fullmatch(rest) is not None


def path_of(exchange: Exchange) -> str:
    """The path without its query, decoded for reading."""
    return unquote(exchange.api_path.partition("?")[0])
