"""Which requests of somebody's recording went to a Kubernetes API: a browser's archive holds everything else too.

A host is known by one request that only a Kubernetes API is sent, or one answer that only it gives. What failed on a
host that is not known yet is held back until it is.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

from analyzers.exchange import Exchange

# The groups and types that every API server has; /api/v1/users is anybody's.
_CORE = (
    r"bindings|componentstatuses|configmaps|endpoints|limitranges|namespaces|nodes|persistentvolumeclaims|persistentvolumes"
    r"|pods|podtemplates|replicationcontrollers|resourcequotas|serviceaccounts"
)
_API_PATH = re.compile(
    rf"^(?P<prefix>(?:/[^/?]+)*?)/(?:api/v1/(?:watch/)?(?:{_CORE})(?=[/?]|$)|apis/[a-z0-9.-]+/v\d+(?:(?:alpha|beta)\d+)?(?=[/?]|$)"
    r"|apis/[a-z0-9-]+(?:\.[a-z0-9-]+)+(?=\?|$)|openapi/v[23](?=[/?]|$)|\.well-known/openid-configuration(?=\?|$)"
    r"|(?:readyz|livez)(?=[/?]|$))"
)
# What Go's client-go says of itself: kubectl/v1.33.1 (linux/amd64) kubernetes/8adc0f0.
_CLIENT = re.compile(
    r"^(?:kubectl|oc|helm|k9s|Helm)/|\bkubernetes/[0-9a-f$]|\bclient-go\b|kubernetes-client|OpenAPI-Generator/.*/python"
)
_MEDIA_TYPE = re.compile(r"application/vnd\.kubernetes\.|g=(?:meta|apidiscovery)\.k8s\.io")
_OBJECT = re.compile(
    rb'^\s*\{(?=.{0,400}"apiVersion"\s*:\s*"(?:v1|[a-z0-9.-]+/v\d\w*)")(?=.{0,400}"kind"\s*:\s*"[A-Z])', re.DOTALL
)
_MOST_HOSTS = 1024
_MOST_HELD = 500
_LARGEST_HELD = 64 * 1024


class KubernetesTraffic:
    """Lets through what went to a Kubernetes API, and counts the rest. Memory is bounded."""

    def __init__(self) -> None:
        self.passed_over = 0
        self._known: OrderedDict[str, None] = OrderedDict()
        self._held: dict[str, list[Exchange]] = {}
        self._held_count = 0

    def take(self, exchange: Exchange) -> Iterator[Exchange]:
        """``exchange`` if it belongs here, after what was held back for the same host; else nothing."""
        host = exchange.request.path if exchange.tunnel else exchange.request.authority
        if host in self._known:
            yield with_prefix(exchange)
            return
        if is_kubernetes(exchange):
            self._known[host] = None
            if len(self._known) > _MOST_HOSTS:
                self._known.popitem(last=False)
            held = self._held.pop(host, [])
            self._held_count -= len(held)
            self.passed_over -= len(held)
            yield from map(with_prefix, held)
            yield with_prefix(exchange)
            return
        self.passed_over += 1
        response = exchange.response
        failed = exchange.failure is not None or (response is not None and response.status >= 400)
        small = response is None or response.body is None or len(response.body) <= _LARGEST_HELD
        if failed and small and self._held_count < _MOST_HELD:
            self._held.setdefault(host, []).append(exchange)
            self._held_count += 1

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of the rest."""
        count = self.passed_over
        if not count:
            return ()
        requests = "1 request was" if count == 1 else f"{count} requests were"
        return (f"{requests} passed over: nothing shows that a Kubernetes API was asked",)


def is_kubernetes(exchange: Exchange) -> bool:
    """Whether a Kubernetes API was asked, or answered, beyond doubt."""
    request, response = exchange.request, exchange.response
    headers = request.headers
    if "Kubectl-Session" in headers or "Kubectl-Command" in headers or _CLIENT.search(headers.get("User-Agent")):
        return True
    if _MEDIA_TYPE.search(headers.get("Accept")) or (not exchange.tunnel and _API_PATH.match(request.path)):
        return True
    if response is None:
        return False
    if "X-Kubernetes-Pf-Flowschema-Uid" in response.headers or "Audit-Id" in response.headers:
        return True
    if response.error_event is not None or _MEDIA_TYPE.search(response.headers.get("Content-Type")):
        return True
    return response.body is not None and _OBJECT.match(response.body[:1024]) is not None


def with_prefix(exchange: Exchange) -> Exchange:
    """The exchange with what stands before the API's own path told apart: /k8s/clusters/c-1, a Rancher's."""
    if exchange.path_prefix or exchange.tunnel:
        return exchange
    found = _API_PATH.match(exchange.request.path)
    return replace(exchange, path_prefix=found["prefix"]) if found is not None and found["prefix"] else exchange
