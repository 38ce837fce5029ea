"""One entry of a HAR as an Exchange, whoever wrote it, and whatever stands in it.

The specification leaves much open, and tools take more: an error stands in ``_error`` (Chrome, Safari, mitmproxy) or
``_failureText`` (Playwright), a status that is none is 0, -1 or null, HTTP/2's pseudo headers stand among the headers,
Charles puts JSON into ``params``. What mitmkube itself wrote under ``_mitmkube`` says what HAR has no field for.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast, get_args
from urllib.parse import urlencode

from analyzers import redact
from analyzers.decode import body as body_decoder
from analyzers.decode import credential as credential_decoder
from analyzers.decode import watch
from analyzers.decode.credential import Credential, Kind
from analyzers.decode.untrusted import integer, items, mapping, name, names, text
from analyzers.exchange import Connection, Exchange, Failure, FailurePhase, Headers, Request, Response, Timing
from analyzers.readers import error_codes
from analyzers.streams import stream

OWN = "_mitmkube"

_PORTS = {"https": 443, "http": 80, "wss": 443, "ws": 80}
_LONGEST_TARGET = 64 * 1024
_LATEST = 1e15
_GZIP = b"\x1f\x8b"
_PHASES = get_args(FailurePhase)
_KINDS = get_args(Kind)
# Who wrote the answer instead of the server that was asked.
_FIDDLER = "[Fiddler] "


def exchange(entry: object, number: int) -> Exchange | None:
    """The exchange of ``entry``; None for what is no entry. ``number`` is its id where it has none. Does not raise."""
    if not isinstance(entry, dict) or not isinstance(entry.get("request"), dict):
        return None
    own = entry.get(OWN)
    request, secret = _request(entry["request"])
    response = _response(mapping(entry.get("response")), request)
    failure = None if isinstance(own, dict) else _failure(entry, request, answered=response is not None)
    if failure is not None and failure.phase != "response":
        response = None  # the page of a proxy that says why there is no answer
    found = Exchange(
        id=number,
        request=request,
        response=response,
        failure=failure,
        timing=_timing(entry),
        connection=_connection(entry),
        credential=credential_decoder.decode(secret),
    )
    return told(found, own) if isinstance(own, dict) else found


def told(found: Exchange, own: Mapping[str, Any]) -> Exchange:
    """``found`` with what mitmkube wrote of it under ``_mitmkube``, in a HAR or beside a flow. Does not raise."""
    request, response = found.request, found.response
    event = own.get("errorEvent")
    if response is not None:
        response = replace(
            response,
            body=response.body or _outlined(own.get("response")),
            body_complete=mapping(own.get("response")).get("complete") is not False,
            error_event=_encoded(event) if isinstance(event, str) else None,
            stream=stream.read(own.get("stream"), _encoded(event) if isinstance(event, str) else None),
        )
    failure = mapping(own.get("failure"))
    phase = failure.get("phase")
    return replace(
        found,
        id=integer(own.get("id")) or found.id,
        request=replace(
            request,
            body=request.body or _outlined(own.get("request")),
            body_complete=mapping(own.get("request")).get("complete") is not False,
        ),
        response=response,
        failure=Failure(phase=cast(FailurePhase, phase), message=text(failure.get("message")))
        if phase in _PHASES
        else None,
        timing=_own_timing(mapping(own.get("timing"))),
        connection=_own_connection(own.get("connection"), found.connection.id if found.connection is not None else ""),
        credential=_credential(mapping(own.get("credential"))) or found.credential,
        cluster=name(own.get("cluster")),
        path_prefix=name(own.get("pathPrefix")),
        live=own.get("live") is True,
        asked=own.get("asked") is True,
    )


def _outlined(side: object) -> bytes | None:
    """What is known of a body that was left out, in its place."""
    known = mapping(mapping(side).get("outline"))
    return json.dumps(known, ensure_ascii=False).encode("utf-8", "replace") if known else None


# What was sent


def _request(sent: Mapping[str, Any]) -> tuple[Request, tuple[tuple[str, str], ...]]:
    """The request, and the header fields that were taken off it."""
    kept, secret = redact.split_secret_fields(_fields(sent.get("headers")))
    method = name(sent.get("method"))
    scheme, host, port, path = _target(text(sent.get("url"))[:_LONGEST_TARGET], method)
    content = _sent(sent.get("postData"))
    size = _size(sent.get("bodySize"))
    return Request(
        method=method,
        scheme=scheme,
        host=host,
        port=port,
        path=path,
        http_version=name(sent.get("httpVersion")),
        headers=Headers(kept),
        body=content,
        body_complete=content is not None or not size,
        body_bytes=size if size is not None else len(content or b""),
    ), secret


def _target(url: str, method: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and path of a request; what the URL does not say is ""."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _PORTS:
        return "https", "", 443, redact.path(url)
    end = next((at for at, character in enumerate(rest) if character in "/?#"), len(rest))
    authority, path = rest[:end].rpartition("@")[2], rest[end:].partition("#")[0]
    host, port = _host_port(authority, _PORTS[scheme])
    if method == "CONNECT":
        return "https", host, port, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    scheme = "https" if scheme in ("https", "wss") else "http"
    return scheme, host, port, redact.path(path if path.startswith("/") else f"/{path}")


def _host_port(authority: str, default: int) -> tuple[str, int]:
    host, colon, port = authority.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = authority, ""
    known = port.isascii() and port.isdigit() and len(port) < 6
    return name(host.removeprefix("[").removesuffix("]")), int(port) if known else default


def _sent(data: object) -> bytes | None:
    found = mapping(data)
    written = found.get("text")
    if isinstance(written, str) and written:
        if found.get("encoding") == "base64":
            return _base64(written)
        return _encoded(written)
    params = [mapping(one) for one in items(found.get("params"))]
    pairs = [(text(one.get("name")), text(one.get("value"))) for one in params]
    if len(pairs) == 1 and not pairs[0][1] and pairs[0][0].startswith(("{", "[")):
        return pairs[0][0].encode()  # not a form: JSON that a tool took for one
    return urlencode(pairs).encode() if pairs else None


# What came back


def _response(received: Mapping[str, Any], request: Request) -> Response | None:
    status = _status(received.get("status"))
    if not 100 <= status <= 999:
        return None
    headers = redact.headers(Headers(_fields(received.get("headers"))))
    content = mapping(received.get("content"))
    if "Content-Type" not in headers and (kind := name(content.get("mimeType"))) not in ("", "x-unknown"):
        headers = Headers((*headers, ("Content-Type", kind)))
    kept = _content(content, headers.get("Content-Encoding"))
    size = _size(received.get("bodySize"))
    length = _size(content.get("size"))
    return Response(
        status=status,
        reason=text(received.get("statusText")),
        http_version=name(received.get("httpVersion")),
        headers=headers,
        body=kept,
        body_complete=kept is not None or not length,
        body_bytes=size if size is not None else length if length is not None else len(kept or b""),
        error_event=_error_event(request, kept),
    )


def _content(content: Mapping[str, Any], content_encoding: str) -> bytes | None:
    written = content.get("text")
    if not isinstance(written, str) or not written:
        return None
    if content.get("encoding") != "base64":
        return _encoded(written)
    found = _base64(written)
    if found is not None and content_encoding and found.startswith(_GZIP):
        return body_decoder.decode(found, content_encoding)  # the specification wants it undone
    return found


def _error_event(request: Request, content: bytes | None) -> bytes | None:
    if content is None or "watch" not in request.path:
        return None
    reader = watch.WatchReader()
    reader.feed(content, 0.0)
    return reader.error_event


def _failure(entry: Mapping[str, Any], request: Request, *, answered: bool) -> Failure | None:
    response = mapping(entry.get("response"))
    places = (response.get("_error"), response.get("_failureText"), entry.get("_error"), response.get("_errorMessage"))
    said = next((text(one) for one in places if isinstance(one, str) and one), "")
    page = text(mapping(response.get("content")).get("text"))[:4096]
    if not said and page.startswith(_FIDDLER):
        return error_codes.failure(page, request.host, request.port, answered=False)
    return error_codes.failure(said, request.host, request.port, answered=answered)


# What surrounds them


def _own_timing(own: Mapping[str, Any]) -> Timing:
    return Timing(
        started=_number(own.get("started")) or 0.0,
        connect=_number(own.get("connect")),
        tls=_number(own.get("tls")),
        send=_number(own.get("send")),
        wait=_number(own.get("wait")),
        receive=_number(own.get("receive")),
    )


def _timing(entry: Mapping[str, Any]) -> Timing:
    """HAR counts milliseconds, the handshake as a part of the connecting, and -1 for what did not happen."""
    spent = mapping(entry.get("timings"))
    part = {key: _seconds(spent.get(key)) for key in ("dns", "connect", "ssl", "send", "wait", "receive")}
    connect, handshake = part["connect"], part["ssl"]
    if connect is not None:
        connect = max(0.0, connect - (handshake or 0.0)) + (part["dns"] or 0.0)
    return Timing(
        started=_started(entry.get("startedDateTime")),
        connect=connect,
        tls=handshake,
        send=part["send"],
        wait=part["wait"],
        receive=part["receive"],
    )


def _started(value: object) -> float:
    try:
        moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None:
            return 0.0
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _connection(entry: Mapping[str, Any]) -> Connection | None:
    label = entry.get("connection")
    label = name(label) if isinstance(label, str) else str(integer(label) or "")
    address = name(entry.get("serverIPAddress")).strip("[]")
    return Connection(id=label, peer=address) if label or address else None


def _own_connection(told: object, label: str) -> Connection | None:
    if not isinstance(told, dict):
        return None
    verified = told.get("verified")
    return Connection(
        id=label,
        peer=name(told.get("peer")),
        sni=name(told.get("sni")),
        tls_version=name(told.get("tlsVersion")),
        server_certificates=_certificates(told.get("serverCertificates")),
        client_certificates=_certificates(told.get("clientCertificates")),
        verified=verified if isinstance(verified, bool) else None,
    )


def _certificates(value: object) -> tuple[bytes, ...]:
    found = (_base64(one) for one in items(value) if isinstance(one, str))
    return tuple(one for one in found if one)


def _credential(told: Mapping[str, Any]) -> Credential | None:
    kind = told.get("kind")
    if kind not in _KINDS:
        return None
    return Credential(
        kind=cast(Kind, kind),
        scheme=name(told.get("scheme")),
        subject=name(told.get("subject")),
        username=name(told.get("username")),
        issuer=name(told.get("issuer")),
        audiences=names(told.get("audiences")),
        groups=names(told.get("groups")),
        not_before=integer(told.get("not_before")),
        expires=integer(told.get("expires")),
        namespace=name(told.get("namespace")),
        pod=name(told.get("pod")),
        node=name(told.get("node")),
        ignored=told.get("ignored") is True,
    )


# Values


def _fields(value: object) -> list[tuple[str, str]]:
    """Header fields as an array of name and value, or as an object, without HTTP/2's pseudo headers."""
    if isinstance(value, dict):
        return [(_field(key), _field(content)) for key, content in value.items() if key and not key.startswith(":")]
    return [
        (_field(key), _field(one.get("value")))
        for one in items(value)
        if isinstance(one, dict) and isinstance(key := one.get("name"), str) and key and not key.startswith(":")
    ]


def _field(value: object) -> str:
    if isinstance(value, str):
        return value if value.isascii() and value.isprintable() else text(value)
    if isinstance(value, list):
        return ", ".join(_field(one) for one in value if isinstance(one, str))
    return json.dumps(value) if isinstance(value, int | float) else ""


def _status(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:4])
    return integer(value) or 0


def _size(value: object) -> int | None:
    """Bytes; None for -1 and for what is no size."""
    found = integer(value)
    return found if found is not None and found >= 0 else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LATEST < value < _LATEST:
        return None  # NaN too
    return float(value)


def _seconds(milliseconds: object) -> float | None:
    found = _number(milliseconds)
    return found / 1000 if found is not None and found >= 0 else None


def _encoded(written: str) -> bytes:
    return written.encode("utf-8", "replace")


def _base64(written: str) -> bytes | None:
    try:
        return base64.b64decode(written, validate=False)
    except (ValueError, binascii.Error):
        return None
