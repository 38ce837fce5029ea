"""What a request means to the API server: its RequestInfo, computed as the server computes it.

The authorizer sees these fields and nothing else, so a rule that quotes them quotes what RBAC compared. Follows
k8s.io/apiserver, pkg/endpoints/request/requestinfo.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, unquote

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_VERBS_IN_PATH = frozenset({"proxy", "watch"})
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
_LONG_RUNNING_SUBRESOURCES = frozenset({"attach", "exec", "proxy", "log", "portforward"})
_WITH_SELECTORS = frozenset({"list", "watch", "deletecollection"})
_INT64 = re.compile(r"[+-]?0*[0-9]{1,19}")
_VERSION = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?")
_ABSOLUTE = re.compile(r"\A[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*")
# The API server's own paths below which ``api`` or ``apis`` may follow and mean something else.
_OWN_PATHS = frozenset({"openapi", "logs", "healthz", "readyz", "livez", "metrics", "debug", "version", ".well-known"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestInfo:
    """The API server's RequestInfo. Every field is "" where it does not apply.

    ``path`` is decoded and without its query. ``verb`` is the API verb of a resource request ("" for a method that has
    none), else the HTTP method in lower case. ``name`` of a list or watch comes from a field selector on metadata.name.
    """

    is_resource_request: bool
    verb: str
    path: str
    api_prefix: str = ""
    api_group: str = ""
    api_version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""

    @property
    def phrase(self) -> str:
        """``list pods in namespace prod``, ``get pods/log web in namespace prod``, ``get path /readyz``."""
        if not self.is_resource_request:
            return f"{self.verb} path {self.path}"
        kind = self.resource
        if self.api_group:
            kind += f".{self.api_group}"
        if self.subresource:
            kind += f"/{self.subresource}"
        words = [self.verb, kind, self.name]
        if self.namespace and not (self.resource == "namespaces" and self.name):
            words += ["in namespace", self.namespace]
        return " ".join(word for word in words if word)

    @property
    def long_running(self) -> bool:
        """Whether the server exempts it from time-outs: watch, exec, attach, port-forward, log, proxy."""
        if not self.is_resource_request:
            return self.path.startswith("/debug/pprof/")
        return self.verb in _VERBS_IN_PATH or self.subresource in _LONG_RUNNING_SUBRESOURCES


@lru_cache(maxsize=256)
def decode(method: str, path: str) -> RequestInfo:
    """The RequestInfo of ``method`` and a raw request target such as ``/api/v1/pods?watch=1``.

    A gateway's path prefix (``/k8s/clusters/c-1/api/v1/pods``) is taken off first, as the gateway does it.
    """
    raw_path, _, raw_query = _ABSOLUTE.sub("", path, count=1).partition("?")
    decoded = unquote(raw_path) or "/"
    parts = decoded.strip("/").split("/")
    if prefix := _prefix_length(parts):
        parts = parts[prefix:]
        decoded = "/" + "/".join(parts)
    outside = RequestInfo(is_resource_request=False, verb=method.lower(), path=decoded)
    if len(parts) < 3 or parts[0] not in ("api", "apis"):
        return outside
    api_prefix, parts = parts[0], parts[1:]
    group = ""
    if api_prefix == "apis":
        if len(parts) < 3:
            return outside
        group, parts = parts[0], parts[1:]
    version, parts = parts[0], parts[1:]

    verb_in_path = parts[0] in _VERBS_IN_PATH
    if verb_in_path:
        if len(parts) < 2:
            return outside  # the server answers 500: unable to determine kind and namespace
        verb, parts = parts[0], parts[1:]
    else:
        verb = _VERBS.get(method, "")

    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    name = parts[1] if len(parts) > 1 else ""
    subresource = parts[2] if len(parts) > 2 and verb != "proxy" else ""

    query = _query(raw_query)
    if not name and verb == "get":
        verb = "watch" if _watched(query) else "list"
        name = _selected_name(query)
    if not name and verb == "delete":
        verb = "deletecollection"
    selective = verb in _WITH_SELECTORS and not verb_in_path
    return RequestInfo(
        is_resource_request=True,
        verb=verb,
        path=decoded,
        api_prefix=api_prefix,
        api_group=group,
        api_version=version,
        namespace=namespace,
        resource=parts[0],
        subresource=subresource,
        name=name,
        field_selector=query.get("fieldSelector", "") if selective else "",
        label_selector=query.get("labelSelector", "") if selective else "",
    )


def _prefix_length(parts: list[str]) -> int:
    """How many segments stand before the API server's own path; 0 when none do, or nobody can tell."""
    for place, part in enumerate(parts):
        if part in _OWN_PATHS:
            return 0
        rest = parts[place + 1 :]
        if part == "api" and len(rest) >= 2 and _VERSION.fullmatch(rest[0]):
            return place
        if part == "apis" and len(rest) >= 3 and _VERSION.fullmatch(rest[1]):
            return place
        if place == 0 and part in ("api", "apis"):
            return 0
    return 0


def _query(raw: str) -> dict[str, str]:
    """The first value of each parameter, as Go's Values.Get reads it."""
    found: dict[str, str] = {}
    for pair in raw.split("&"):
        if ";" in pair:
            continue  # Go drops such a pair
        for key, value in parse_qsl(pair, keep_blank_values=True):
            found.setdefault(key, value)
        if pair and "=" not in pair:
            found.setdefault(unquote(pair.replace("+", " ")), "")
    return found


def _watched(query: dict[str, str]) -> bool:
    """``?watch`` and ``?watch=`` are true as well."""
    return "watch" in query and query["watch"].lower() not in ("0", "false")


def _selected_name(query: dict[str, str]) -> str:
    """The object that a field selector pins down. One option that cannot be read makes the server forget them all."""
    if any(not _is_int64(query[option]) for option in ("limit", "timeoutSeconds") if option in query):
        return ""
    pinned = ""
    for term in _selector_terms(query.get("fieldSelector", "")):
        found = re.match(r"((?:[^\\=!]|\\.|!(?!=))*)(!=|==|=)(.*)", term, re.DOTALL)
        if found is None:
            return ""
        field, operator, value = found.groups()
        if field == "metadata.name" and operator != "!=" and not pinned:
            pinned = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
    if pinned in (".", "..") or "/" in pinned or "%" in pinned:
        return ""
    return pinned


def _selector_terms(selector: str) -> list[str]:
    """The terms between commas that no backslash escapes."""
    return [term for term in re.findall(r"(?:[^\\,]|\\.)+", selector, re.DOTALL) if term]


def _is_int64(value: str) -> bool:
    return _INT64.fullmatch(value) is not None and -(1 << 63) <= int(value) < 1 << 63
