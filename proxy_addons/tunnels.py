"""What the layers ask: may this client go there, which server is that, and as whom."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from weakref import WeakKeyDictionary

from mitmproxy import http
from mitmproxy.connection import Client
from OpenSSL import SSL

from analyzers.exchange import FailurePhase
from proxy_addons import go_errors
from proxy_addons.lifted import Lifted, LiftedAnswer
from proxy_addons.lookups import Lookups
from proxy_addons.trust import Trust
from proxy_addons.upstream import KeyPair, Upstream, Upstreams

type Watcher = Callable[[bool, bytes], None]
"""Told what passes on an upgraded connection, after it was sent on: whether the client sent it, and the bytes; no bytes
when that side has ended."""

STRANGER = "mitmkube.stranger"
"""Key of ``flow.metadata``: the client did not know the proxy's password, so the flow is nobody's we report on."""

_UNKNOWN_IDENTITY = (
    "the client presented a certificate whose key no user of the kubeconfig has, so it cannot be passed on "
    "(a credential plugin that returns a certificate keeps the key to itself without --wrap-plugin)"
)


class Tunnels:
    """The proxy's open tunnels and what is held for them. One per running proxy."""

    def __init__(self, upstreams: Upstreams, trust: Trust | None = None) -> None:
        self.upstreams = upstreams
        self.trust = trust or Trust()
        self.lifted: WeakKeyDictionary[http.Request, Lifted] = WeakKeyDictionary()
        self.lifted_answers: WeakKeyDictionary[http.Response, LiftedAnswer] = WeakKeyDictionary()
        self.watchers: dict[http.Request, Watcher] = {}
        self.lookups = Lookups()
        self.turned_away = False
        """Whether a client came without the proxy's password."""
        self._by_client: dict[str, Upstream] = {}
        self._refusals: dict[str, str] = {}

    def admit(self, request: http.Request, lifted: Lifted, client: Client) -> Upstream | http.Response:
        """The server that ``request`` may reach, or the answer that refuses it."""
        if not self.knows_password(lifted):
            self.turned_away = True
            return _refusal(407, "Proxy Authentication Required", {"Proxy-Authenticate": 'Basic realm="mitmkube"'})
        user, _ = _user_info(lifted.proxy_authorization)
        upstream = self.upstreams.find(request.host, request.port, user)
        if upstream is None:
            return _refusal(403, f"mitmkube: {request.host}:{request.port} is no server of the kubeconfig")
        if upstream.foreign and request.method != "CONNECT":
            return _refusal(403, f"mitmkube: {request.host} may be reached with TLS only, by CONNECT")
        if upstream.problem:
            return _refusal(502, upstream.problem)
        if request.method != "CONNECT" and (upstream.scheme, request.scheme) != ("http", "http"):
            # Sent on as it came, its credentials would lie open on the wire.
            return _refusal(403, f"mitmkube: {request.host}:{request.port} is reached by CONNECT")
        self._by_client[client.id] = upstream
        return upstream

    def knows_password(self, lifted: Lifted) -> bool:
        """Whether this request came with the proxy's password."""
        return self.upstreams.authenticated(_user_info(lifted.proxy_authorization)[1])

    def of(self, client: Client) -> Upstream | None:
        """The server that this client's connection was admitted to."""
        return self._by_client.get(client.id)

    def close(self, client: Client) -> None:
        """Forget a client that has gone."""
        self._by_client.pop(client.id, None)
        self._refusals.pop(client.id, None)

    def present_identity(self, upstream: Upstream, client: Client, tls: SSL.Connection) -> str:
        """Let a suspended handshake go on as the client: "" when it may, else why not."""
        pair, refusal = self._identity(client)
        if not refusal:
            self.trust.present(tls, pair)
        return refusal

    def handshake_again(self, upstream: Upstream, client: Client) -> SSL.Connection:
        """A second connection of the same tunnel: the client has long said who it is.

        One that must not go on stays suspended, and so fails, where the server asks for a certificate.
        """
        pair, refusal = self._identity(client)
        return self.trust.handshake(upstream, may_suspend=bool(refusal), pair=pair)

    def _identity(self, client: Client) -> tuple[KeyPair | None, str]:
        """The key pair of the client's certificate, None when it presented none; or why it cannot be passed on."""
        if not client.certificate_list:
            return None, ""
        pair = self.upstreams.key_pairs.find(client.certificate_list[0].fingerprint())
        if pair is None:
            self._refusals[client.id] = _UNKNOWN_IDENTITY
            return None, _UNKNOWN_IDENTITY
        return pair, ""

    def explain(self, error: str, client: Client) -> tuple[FailurePhase, str]:
        """Phase and words of a connection that failed after the client's own handshake."""
        if refusal := self._refusals.get(client.id):
            return "mitmkube", refusal
        upstream = self.of(client)
        if upstream is not None and (go_errors.is_refused_connect(error) or _is_dial_error(error)):
            return self.dial_failure(upstream, error)
        return "tls", go_errors.tls(error)

    def looking_up(self, upstream: Upstream) -> str:
        """The server's name, where it is what DNS has not answered yet; otherwise ""."""
        return upstream.host if upstream.via is None and self.lookups.is_underway(upstream.host) else ""

    def dial_failure(self, upstream: Upstream, error: str) -> tuple[FailurePhase, str]:
        """Phase and words of a connection that could not be opened."""
        if upstream.via is not None:
            return "proxy", go_errors.forward_proxy(error, upstream.via.host, upstream.via.port)
        return go_errors.dial(upstream.host, upstream.port, error)


def _is_dial_error(error: str) -> bool:
    return (
        "Connect call failed" in error
        or "Errno" in error
        or error
        in (
            go_errors.DIAL_TIMED_OUT,
            go_errors.LOOKUP_TIMED_OUT,
        )
    )


def _user_info(header: str) -> tuple[str, str]:
    """User and password of a Basic header; empty strings when there is none that can be read."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _refusal(status: int, reason: str, headers: dict[str, str] | None = None) -> http.Response:
    """One line in the reason phrase, where a CONNECT's client looks, and in the body, where others do."""
    response = http.Response.make(status, f"{reason}\n".encode(), {"Content-Type": "text/plain", **(headers or {})})
    response.data.reason = " ".join(reason.split()).encode("ascii", "backslashreplace")
    return response
