"""The one place that reads a flow: everything behind it sees an Exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import quote
from weakref import WeakKeyDictionary

from cryptography.hazmat.primitives.serialization import Encoding
from mitmproxy import certs, http
from mitmproxy.connection import Server

from analyzers.decode.credential import Credential
from analyzers.exchange import (
    Connection,
    Exchange,
    Failure,
    FailurePhase,
    Headers,
    Request,
    Response,
    Timing,
)
from analyzers.streams.upgraded import Upgraded
from analyzers.streams.watch import Watch
from proxy_addons.body_tap import BodyTap
from proxy_addons.layers import CLIENT_LEFT, FAILURE, PATIENCE_SECONDS
from proxy_addons.upstream import Upstream

if TYPE_CHECKING:
    from analyzers.streams.stream import Stream

# Everything that is printable, a percent sign too: what is encoded already stays.
_PLAIN = "".join(map(chr, range(0x21, 0x7F)))


def exchange(
    flow: http.HTTPFlow,
    number: int,
    *,
    request_tap: BodyTap,
    response_tap: BodyTap,
    upgraded: Upgraded | None = None,
    upstream: Upstream | None,
    credential: Credential | None,
    pays_for_connection: bool,
    live: bool = False,
) -> Exchange:
    """One flow as an Exchange. ``pays_for_connection``: it is the first on its connection, so TCP and TLS are its."""
    failure = _failure(flow)
    # What a failure was answered with is ours, not the server's.
    from_server = flow.response is not None and FAILURE not in flow.metadata
    return Exchange(
        id=number,
        request=_request(flow.request, request_tap),
        response=_response(cast(http.Response, flow.response), response_tap, upgraded) if from_server else None,
        failure=failure,
        timing=_timing(flow, pays_for_connection),
        connection=_connection(flow, upstream),
        credential=credential,
        cluster=upstream.cluster if upstream else "",
        path_prefix=upstream.path_prefix if upstream else "",
        live=live,
        foreign=upstream is not None and upstream.foreign,
    )


def _request(request: http.Request, tap: BodyTap) -> Request:
    connect = request.method == "CONNECT"
    return Request(
        method=request.method,
        scheme="https" if connect else request.scheme,
        host=request.host,
        port=request.port,
        path=_authority(request) if connect else _target(request),
        http_version=request.http_version,
        headers=headers(request.headers),
        body=tap.content or None,
        body_complete=tap.complete,
        body_bytes=tap.wire_bytes,
    )


def _target(request: http.Request) -> str:
    """Bytes that a client should have percent-encoded are: no output can hold them as they are."""
    path = request.path
    return path if path.isascii() else quote(path, safe=_PLAIN, errors="surrogateescape")


def _authority(request: http.Request) -> str:
    host = f"[{request.host}]" if ":" in request.host else request.host
    return f"{host}:{request.port}"


def _response(response: http.Response, tap: BodyTap, upgraded: Upgraded | None) -> Response:
    stream = upgraded or (tap.reader.stream(tap.wire_bytes) if tap.reader is not None else None)
    return Response(
        status=response.status_code,
        reason=response.reason,
        http_version=response.http_version,
        headers=headers(response.headers),
        body=tap.content or None,
        body_complete=tap.complete,
        body_bytes=upgraded.server_bytes if upgraded is not None else tap.wire_bytes,
        error_event=_error_event(stream),
        stream=stream,
        decoded_bytes=tap.decoded_bytes,
    )


def _error_event(stream: Stream | None) -> bytes | None:
    """Where an answer that began well failed inside: a watch says so in an event, an exec on a channel of its own."""
    if isinstance(stream, Watch):
        return stream.error_event
    failure = stream.failure_status if isinstance(stream, Upgraded) else None
    return b'{"type":"ERROR","object":%s}' % failure if failure is not None else None


def headers(fields: http.Headers) -> Headers:
    """Header fields as an Exchange has them: the same, in the same order."""
    return Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields.fields)


def _failure(flow: http.HTTPFlow) -> Failure | None:
    if found := flow.metadata.get(FAILURE):
        phase, message = found
        return Failure(phase=cast(FailurePhase, phase), message=str(message))
    if flow.error is None:
        return None
    if CLIENT_LEFT in flow.metadata or flow.error.msg == flow.error.KILLED_MESSAGE:
        waited = flow.error.timestamp - (flow.request.timestamp_end or flow.request.timestamp_start)
        if flow.response is not None or waited < PATIENCE_SECONDS:
            return None
        said = f"net/http: request canceled while awaiting headers: the client gave up after {waited:.1f} s"
        return Failure(phase="request", message=said)
    # Go: a message that ends before its time is an unexpected EOF, a connection that ends between two is an EOF.
    if flow.response is not None:
        return Failure(phase="response", message="unexpected EOF")
    return Failure(phase="request", message="unexpected EOF" if "response" in flow.error.msg else "EOF")


def _timing(flow: http.HTTPFlow, pays_for_connection: bool) -> Timing:
    server, request, response = flow.server_conn, flow.request, flow.response
    first, last = (response.timestamp_start, response.timestamp_end) if response else (None, None)
    if first is None and flow.error is not None:
        first = flow.error.timestamp  # what was waited for never came
    return Timing(
        started=request.timestamp_start,
        connect=_between(server.timestamp_start, server.timestamp_tcp_setup) if pays_for_connection else None,
        tls=_between(server.timestamp_tcp_setup, server.timestamp_tls_setup) if pays_for_connection else None,
        send=_between(request.timestamp_start, request.timestamp_end),
        wait=_between(request.timestamp_end, first),
        receive=_between(first, last),
    )


def _between(earlier: float | None, later: float | None) -> float | None:
    return max(0.0, later - earlier) if earlier is not None and later is not None else None


_established: WeakKeyDictionary[Server, Connection] = WeakKeyDictionary()


def _connection(flow: http.HTTPFlow, upstream: Upstream | None) -> Connection:
    """Made once for a connection that has answered: nothing of it changes from then on."""
    server: Server = flow.server_conn
    if (known := _established.get(server)) is not None:
        return known
    found = _described(flow, upstream)
    if flow.response is not None and FAILURE not in flow.metadata:
        _established[server] = found
    return found


def _described(flow: http.HTTPFlow, upstream: Upstream | None) -> Connection:
    server: Server = flow.server_conn
    has_tls = upstream is not None and upstream.scheme == "https"
    return Connection(
        id=server.id,
        peer=server.peername[0] if server.peername else "",
        sni=server.sni or "",
        tls_version=server.tls_version or "",
        server_certificates=_der(server.certificate_list),
        client_certificates=_der(flow.client_conn.certificate_list),
        verified=(not upstream.insecure) if upstream is not None and has_tls else None,
    )


def _der(chain: object) -> tuple[bytes, ...]:
    found = cast("list[certs.Cert]", chain or [])
    return tuple(cert.to_cryptography().public_bytes(Encoding.DER) for cert in found)
