"""What went over the wire, once, frozen: the input of every decoder and rule.

A live flow, a HAR entry and a pasted log all become an ``Exchange``; nothing behind it needs to know which it was.
No field holds anything that grants access: ``Authorization`` and its kin are decoded to a ``Credential`` where the
exchange is made and taken out of the headers there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from analyzers.decode.credential import Credential
    from analyzers.streams.stream import Stream


class Headers:
    """Header fields in wire order, duplicates kept, names compared without case. Immutable; repr shows names only."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = tuple(fields)

    def get(self, name: str, default: str = "") -> str:
        """The first value of ``name``, or ``default``."""
        wanted = name.lower()
        for key, value in self._fields:
            if key.lower() == wanted:
                return value
        return default

    def get_all(self, name: str) -> tuple[str, ...]:
        """Every value of ``name``, in wire order."""
        wanted = name.lower()
        return tuple(value for key, value in self._fields if key.lower() == wanted)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(key.lower() == name.lower() for key, _ in self._fields)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        return f"Headers({', '.join(name for name, _ in self._fields)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request as the client sent it, or the CONNECT that asked for a tunnel.

    ``path`` is the raw target: percent-encoded path and query, or ``host:port`` for a CONNECT. ``body`` is the content
    with its Content-Encoding undone, or its beginning when ``body_complete`` is false, or None when it was not kept.
    ``body_bytes`` counts bytes on the wire. What was not seen is "": a pasted message has no method, and often neither
    host nor path.
    """

    method: str
    scheme: str = "https"
    host: str = ""
    port: int = 443
    path: str = field(default="/", repr=False)
    http_version: str = "HTTP/1.1"
    headers: Headers = field(default_factory=Headers)
    body: bytes | None = field(default=None, repr=False)
    body_complete: bool = True
    body_bytes: int = 0

    @property
    def known(self) -> bool:
        """False where only what came of the request is known."""
        return bool(self.method)

    @property
    def authority(self) -> str:
        """``host:port``, IPv6 in brackets, the port always given; "" for a host that is not known."""
        if not self.host:
            return ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL as a log would print it: the port only where the scheme does not imply it."""
        if self.method == "CONNECT" or not self.host:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"https": 443, "http": 80}.get(self.scheme)
        port = "" if self.port == default else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One HTTP response. Fields as in ``Request``.

    ``error_event`` is the JSON of the last watch event of type ERROR inside a streamed body: watches fail inside a
    200, and the kept beginning of the body may end before that. It has the same form for the Status with which an
    upgraded connection (exec, port-forward) failed inside its 101. ``stream`` is what was seen of a body that was
    looked at while it passed, and of an upgraded connection; ``body_bytes`` are then what the server sent on it.
    ``decoded_bytes`` counts a body with its Content-Encoding undone, also where ``body`` is not all of it; None where
    nobody did.
    """

    status: int
    reason: str = field(default="", repr=False)
    http_version: str = "HTTP/1.1"
    headers: Headers = field(default_factory=Headers)
    body: bytes | None = field(default=None, repr=False)
    body_complete: bool = True
    body_bytes: int = 0
    error_event: bytes | None = field(default=None, repr=False)
    stream: Stream | None = None
    decoded_bytes: int | None = None

    def without_body(self) -> Response:
        """The same without its body; if there was one, it is then no longer complete."""
        counted = len(self.body) if self.body is not None and self.body_complete else self.decoded_bytes
        complete = self.body_complete and not self.body
        return replace(self, body=None, body_complete=complete, decoded_bytes=counted)


FailurePhase = Literal["client", "proxy", "dns", "dial", "tls", "request", "response", "mitmkube"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no (whole) response: the leg between the proxy and the server broke, or one of the ends gave up.

    ``phase`` names how far it got: the client alone ("client": its kubeconfig, its credential plugin, its own checks;
    known only from what it printed), a forward proxy on the way, name lookup, TCP dial, TLS handshake, after the
    request was begun and before any response ("request"), after the response was begun ("response"), or ``mitmkube``
    when the proxy itself is the cause. ``message`` is in the words client-go would have used.
    """

    phase: FailurePhase
    message: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds. ``started`` is a Unix time; every other field a duration, None where it was not seen or not needed.

    ``connect`` is TCP including the name lookup; ``tls`` comes after it; both only on the exchange that paid for the
    connection. ``wait`` is from the last byte sent to the first received, ``receive`` from there to the last.
    """

    started: float = 0.0
    connect: float | None = None
    tls: float | None = None
    send: float | None = None
    wait: float | None = None
    receive: float | None = None

    @property
    def total(self) -> float:
        """Everything that was seen, added up."""
        return sum(part for part in (self.connect, self.tls, self.send, self.wait, self.receive) if part is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The connection to the server that carried the exchange. Certificates are DER, leaf first.

    ``client_certificates`` is what the client presented to the proxy, having proved that it holds the key;
    ``verified`` is None where there is no TLS, and False where the kubeconfig says insecure-skip-tls-verify.
    """

    id: str = ""
    peer: str = ""
    sni: str = ""
    tls_version: str = ""
    server_certificates: tuple[bytes, ...] = field(default=(), repr=False)
    client_certificates: tuple[bytes, ...] = field(default=(), repr=False)
    verified: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what came of it. Exactly one of ``response`` and ``failure`` may be missing, or neither.

    ``id`` counts from 1 within a session. ``cluster`` is the name of the kubeconfig's cluster, "" where unknown.
    ``path_prefix`` is what the cluster's server URL puts before every path; the API server does not see it. ``live`` is
    true while a long answer (a watch, an exec) is still open. ``asked``: not the command's, mitmkube asked it
    afterwards to complete the story (``run --ask``). ``foreign``: meant for no API server but for a host that the user
    let through by name, and so not judged; it has neither bodies nor a query.
    """

    id: int
    request: Request
    response: Response | None = None
    failure: Failure | None = None
    timing: Timing = field(default_factory=Timing)
    connection: Connection | None = None
    credential: Credential | None = None
    cluster: str = ""
    path_prefix: str = ""
    live: bool = False
    asked: bool = False
    foreign: bool = False

    @property
    def api_path(self) -> str:
        """The request's path and query as the API server sees them."""
        return self.request.path.removeprefix(self.path_prefix) or "/"

    @property
    def held_bytes(self) -> int:
        """What both bodies take in memory."""
        response = self.response
        return len(self.request.body or b"") + len((response.body if response is not None else b"") or b"")

    def without_bodies(self) -> Exchange:
        """The same with no bodies; one that there was is then no longer complete."""
        request, response = self.request, self.response
        return replace(
            self,
            request=replace(request, body=None, body_complete=request.body_complete and not request.body),
            response=response and response.without_body(),
        )

    @property
    def tunnel(self) -> bool:
        """True for a CONNECT: the request meant for the API server was never sent."""
        return self.request.method == "CONNECT"
