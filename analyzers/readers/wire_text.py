"""Exchanges as text that a person can read and edit: recordings, fixtures and bug reports.

Close to what ``curl -v`` prints: ``>`` before what was sent, ``<`` before what came back, ``#`` before comments, ``@``
before what is not on the wire. A line ``---`` separates exchanges. UTF-8, lines end in a newline::

    @cluster dev
    @connection {"peer": "127.0.0.1", "verified": true}
    > GET https://127.0.0.1:6443/api/v1/namespaces/prod/pods HTTP/1.1
    > Accept: application/json
    < HTTP/1.1 403 Forbidden
    < Content-Type: application/json
    <
    < {"kind":"Status","status":"Failure"}

Without the bare ``>`` or ``<`` after the headers there is no body (None); with it, the body is the lines behind it,
joined by newlines. An exchange without a ``>`` line is one of which only the outcome is known. Other ``@`` lines: id,
live, asked, credential and timing (JSON), client-certificate and server-certificate (base64, repeatable, leaf first),
failure PHASE MESSAGE, error-event JSON, request-body and response-body ``base64``, request-bytes and response-bytes (on
the wire, where that differs from the body), request-incomplete and response-incomplete.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from analyzers.decode.credential import Credential, Kind
from analyzers.exchange import Connection, Exchange, Failure, FailurePhase, Headers, Request, Response, Timing

_SEPARATOR = "---"
_DEFAULT_PORTS = {"https": 443, "http": 80}
_BASE64_COLUMNS = 100
_LATEST = 1e15
"""Seconds. No date is later."""
_CONNECTION_FIELDS = ("id", "peer", "sni", "tls_version", "verified")
_CREDENTIAL_FIELDS = tuple(field.name for field in dataclasses.fields(Credential))
_TIMING_FIELDS = tuple(field.name for field in dataclasses.fields(Timing))


def read(text: str) -> tuple[Exchange, ...]:
    """The exchanges in ``text``, counted from 1 where they give no id. Raises ValueError with the line's number."""
    exchanges: list[Exchange] = []
    for first_line, lines in _sections(text):
        parts = _Parts()
        for number, line in enumerate(lines, first_line):
            try:
                parts.take(line)
            except (ValueError, TypeError, RecursionError) as error:
                raise ValueError(f"line {number}: {error}") from None
        if parts.empty:
            continue
        try:
            exchanges.append(parts.exchange(len(exchanges) + 1))
        except (ValueError, TypeError) as error:
            raise ValueError(f"line {first_line}: {error}") from None
    return tuple(exchanges)


def write(exchanges: Iterable[Exchange], comment: str = "") -> str:
    """``exchanges`` as text that ``read`` gives back as they are. Nothing is redacted here."""
    head = [f"# {line}".rstrip() for line in comment.split("\n")] if comment else []
    sections = [list(_lines(exchange, place)) for place, exchange in enumerate(exchanges, start=1)]
    body = f"\n{_SEPARATOR}\n".join("\n".join(section) for section in sections)
    return "".join(part + "\n" for part in ("\n".join(head), body) if part)


# Reading


def _sections(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each exchange's lines, with the number of the first."""
    first, lines = 1, list[str]()
    # Not splitlines(): it also splits at characters that may stand in a body.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.rstrip() == _SEPARATOR:
            yield first, lines
            first, lines = number + 1, []
        else:
            lines.append(line)
    yield first, lines


@dataclass
class _Message:
    """A request or a response while its lines come in."""

    start: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body_lines: list[str] | None = None
    base64: bool = False
    complete: bool = True
    wire_bytes: int | None = None

    def take(self, line: str) -> None:
        if self.body_lines is not None:
            self.body_lines.append(line)
        elif not self.start:
            self.start = line
        elif line:
            name, colon, value = line.partition(":")
            if not colon:
                raise ValueError(f"not a header field: {line[:40]!r}")
            self.headers.append((name, value.removeprefix(" ")))
        else:
            self.body_lines = []

    @property
    def body(self) -> bytes | None:
        if not self.body_lines:
            return None
        if self.base64:
            return base64.b64decode("".join(self.body_lines), validate=True)
        return "\n".join(self.body_lines).encode()

    def common(self) -> dict[str, Any]:
        body = self.body
        return {
            "headers": Headers(self.headers),
            "body": body,
            "body_complete": self.complete,
            "body_bytes": self.wire_bytes if self.wire_bytes is not None else len(body or b""),
        }


@dataclass
class _Parts:
    """One exchange while its lines come in."""

    sent: _Message = field(default_factory=_Message)
    received: _Message = field(default_factory=_Message)
    failure: Failure | None = None
    error_event: bytes | None = None
    connection: dict[str, Any] | None = None
    client_certificates: list[bytes] = field(default_factory=list)
    server_certificates: list[bytes] = field(default_factory=list)
    rest: dict[str, Any] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return self == _Parts()

    def take(self, line: str) -> None:
        match line[:1]:
            case ">":
                self.sent.take(line[1:].removeprefix(" "))
            case "<":
                self.received.take(line[1:].removeprefix(" "))
            case "@":
                name, _, value = line[1:].partition(" ")
                self._directive(name.strip(), value)
            case "#" | "*" | "":
                pass
            case _:
                raise ValueError(f"a line begins with one of > < @ #, not with {line[:1]!r}")

    def _directive(self, name: str, value: str) -> None:
        match name:
            case "id":
                self.rest["id"] = int(value)
            case "cluster":
                self.rest["cluster"] = value
            case "live":
                self.rest["live"] = True
            case "asked":
                self.rest["asked"] = True
            case "credential":
                self.rest["credential"] = _credential(_object(value, _CREDENTIAL_FIELDS))
            case "timing":
                self.rest["timing"] = _timing(_object(value, _TIMING_FIELDS))
            case "connection":
                self.connection = _typed(_object(value, _CONNECTION_FIELDS), Connection)
            case "client-certificate":
                self.client_certificates.append(base64.b64decode(value, validate=True))
            case "server-certificate":
                self.server_certificates.append(base64.b64decode(value, validate=True))
            case "failure":
                self.failure = _failure(value)
            case "error-event":
                encoded = value.startswith("base64 ")
                self.error_event = base64.b64decode(value[7:], validate=True) if encoded else value.encode()
            case "request-body" | "response-body":
                if value.strip() != "base64":
                    raise ValueError(f"@{name} is followed by base64")
                self._message(name).base64 = True
            case "request-incomplete" | "response-incomplete":
                self._message(name).complete = False
            case "request-bytes" | "response-bytes":
                self._message(name).wire_bytes = int(value)
            case _:
                raise ValueError(f"@{name[:40]} is not known")

    def _message(self, directive: str) -> _Message:
        return self.sent if directive.startswith("request") else self.received

    def exchange(self, number: int) -> Exchange:
        connection = None
        if self.connection is not None or self.client_certificates or self.server_certificates:
            connection = Connection(
                **(self.connection or {}),
                client_certificates=tuple(self.client_certificates),
                server_certificates=tuple(self.server_certificates),
            )
        return Exchange(
            request=self._request(),
            response=self._response(),
            failure=self.failure,
            connection=connection,
            **{"id": number, **self.rest},
        )

    def _request(self) -> Request:
        if not self.sent.start:
            return Request(method="", path="")
        method, _, rest = self.sent.start.partition(" ")
        target, _, version = rest.rpartition(" ")
        if not target:
            raise ValueError("a request begins with > METHOD URL HTTP/1.1")
        scheme, host, port, path = _split(target, method, dict(reversed(self.sent.headers)))
        return Request(
            method=method, scheme=scheme, host=host, port=port, path=path, http_version=version, **self.sent.common()
        )

    def _response(self) -> Response | None:
        if not self.received.start:
            if self.error_event is not None:
                raise ValueError("@error-event without a response")
            return None
        version, _, rest = self.received.start.partition(" ")
        code, _, reason = rest.partition(" ")
        return Response(
            status=int(code),
            reason=reason,
            http_version=version,
            error_event=self.error_event,
            **self.received.common(),
        )


def _split(target: str, method: str, headers: dict[str, str]) -> tuple[str, str, int, str]:
    """Scheme, host, port and path of ``https://host:port/path``, ``/path`` with a Host header, or ``host:port``."""
    if method == "CONNECT":
        host, port = _host_port(target, 443)
        return "https", host, port, target
    scheme, separator, rest = target.partition("://")
    if separator and scheme in _DEFAULT_PORTS:
        authority, slash, path = rest.partition("/")
        host, port = _host_port(authority, _DEFAULT_PORTS[scheme])
        return scheme, host, port, slash + path
    authority = next((value for name, value in headers.items() if name.lower() == "host"), "")
    host, port = _host_port(authority, 443)
    return "https", host, port, target


def _host_port(authority: str, default: int) -> tuple[str, int]:
    host, colon, port = authority.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = authority, ""
    return host.removeprefix("[").removesuffix("]"), int(port) if port else default


def _object(value: str, allowed: tuple[str, ...] | None = None) -> dict[str, Any]:
    document = json.loads(value)
    json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair could not be written again
    if not isinstance(document, dict):
        raise ValueError("a JSON object is expected")
    if allowed is not None and (unknown := document.keys() - set(allowed)):
        raise ValueError(f"not known: {', '.join(sorted(unknown))}")
    return document


def _credential(document: dict[str, Any]) -> Credential:
    if document.get("kind") not in get_args(Kind):
        raise ValueError(f"@credential has as its kind one of {', '.join(get_args(Kind))}")
    return Credential(**_typed(document, Credential))


def _timing(document: dict[str, Any]) -> Timing:
    for key, value in document.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and -_LATEST < value < _LATEST
        if not is_number and (value is not None or key == "started"):
            raise ValueError(f"{key} is no number of seconds")
    return Timing(**document)


def _typed(document: dict[str, Any], kind: type[Connection | Credential]) -> dict[str, Any]:
    """The fields of ``kind`` with the types that it has them in."""
    found: dict[str, Any] = {}
    for one in dataclasses.fields(kind):
        if one.name not in document:
            continue
        value = document[one.name]
        if isinstance(value, list):
            value = tuple(value)
        texts = value if isinstance(value, tuple) else (value,)
        fits = {
            "tuple[str, ...]": isinstance(value, tuple) and all(isinstance(text, str) for text in texts),
            "int | None": value is None or (isinstance(value, int) and not isinstance(value, bool)),
            "bool | None": isinstance(value, bool | None),
            "bool": isinstance(value, bool),
        }.get(str(one.type), isinstance(value, str))
        if not fits:
            raise ValueError(f"{one.name} is of another type")
        found[one.name] = value
    return found


def _failure(value: str) -> Failure:
    phase, _, message = value.partition(" ")
    if phase not in get_args(FailurePhase):
        raise ValueError(f"@failure begins with one of {', '.join(get_args(FailurePhase))}")
    if message.startswith('"'):
        message = str(json.loads(message))
        message.encode()
    return Failure(phase=cast(FailurePhase, phase), message=message)


# Writing


def _lines(exchange: Exchange, place: int) -> Iterator[str]:
    if exchange.id != place:
        yield f"@id {exchange.id}"
    if exchange.cluster:
        yield f"@cluster {exchange.cluster}"
    if exchange.live:
        yield "@live"
    if exchange.asked:
        yield "@asked"
    if exchange.credential is not None:
        yield f"@credential {_json(_changed(exchange.credential))}"
    connection = exchange.connection
    if connection is not None:
        told = {key: value for key, value in _changed(connection).items() if key in _CONNECTION_FIELDS}
        yield f"@connection {_json(told)}"
        for der in connection.client_certificates:
            yield f"@client-certificate {_base64(der)}"
        for der in connection.server_certificates:
            yield f"@server-certificate {_base64(der)}"
    if timing := _changed(exchange.timing):
        yield f"@timing {_json(timing)}"
    if exchange.failure is not None:
        yield f"@failure {exchange.failure.phase} {_one_line(exchange.failure.message)}"
    response = exchange.response
    if response is not None and response.error_event is not None:
        yield f"@error-event {_event(response.error_event)}"
    request = exchange.request
    target = request.url if request.method == "CONNECT" or request.host else request.path
    if request.known:
        yield from _message(">", "request", f"{request.method} {target} {request.http_version}", request)
    if response is not None:
        start = f"{response.http_version} {response.status} {response.reason}".rstrip()
        yield from _message("<", "response", start, response)


def _message(mark: str, side: str, start: str, message: Request | Response) -> Iterator[str]:
    body = message.body
    if not message.body_complete:
        yield f"@{side}-incomplete"
    if message.body_bytes != len(body or b""):
        yield f"@{side}-bytes {message.body_bytes}"
    lines: list[str] | None = None
    if body is not None:
        plain = _plain(body)
        if plain is None:
            yield f"@{side}-body base64"
            encoded = _base64(body)
            lines = [encoded[at : at + _BASE64_COLUMNS] for at in range(0, len(encoded), _BASE64_COLUMNS)]
        else:
            lines = plain.split("\n")
    yield f"{mark} {start}"
    for name, value in message.headers:
        yield f"{mark} {name}: {value}"
    if lines is not None:
        yield mark
        for line in lines:
            yield f"{mark} {line}" if line else mark


def _plain(body: bytes) -> str | None:
    """The body as text, None where a text file would not keep it: other bytes, and carriage returns."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    if any(character < " " and character not in "\t\n" for character in text):
        return None
    return text


def _one_line(message: str) -> str:
    if "\n" in message or "\r" in message or message.startswith('"'):
        return _json(message)
    return message


def _event(event: bytes) -> str:
    text = _plain(event)
    if text is None or "\n" in text or text.startswith("base64 "):
        return f"base64 {_base64(event)}"
    return text


def _changed(instance: Credential | Connection | Timing) -> dict[str, Any]:
    """The fields that have another value than their default."""
    return {
        one.name: value for one in dataclasses.fields(instance) if (value := getattr(instance, one.name)) != one.default
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
