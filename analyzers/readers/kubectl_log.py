"""What kubectl -v=6 to -v=10 logs of its requests, as exchanges; the format until client-go 1.32 and the one since.

client-go, transport/round_trippers.go and rest/request.go: level 6 one line a request, 7 request headers, 8 response
headers and bodies (cut off after some length), 9 and 10 a curl command and times. Only Authorization is masked there,
so everything else passes through the same doors as live traffic.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from analyzers import redact
from analyzers.decode import credential as credential_decoder
from analyzers.decode import untrusted
from analyzers.decode.credential import Credential
from analyzers.exchange import Connection, Exchange, Failure, Headers, Request, Response, Timing

FILES = frozenset({"round_trippers.go", "helper.go", "helpers.go", "request.go", "debug.go", "debugging.go"})
"""The source files whose lines are read here."""

_METHODS = "GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS"
_OLD_START = re.compile(rf"(?P<method>{_METHODS}) (?P<url>https?://\S+)\s*$")
_OLD_LINE = re.compile(
    rf"(?P<method>{_METHODS}) (?P<url>https?://\S+) (?P<status>.*?) ?in (?P<ms>\d{{1,9}}) milliseconds"
)
_OLD_STATUS = re.compile(r"Response Status: (?P<status>.*?) ?in (?P<ms>\d{1,9}) milliseconds")
_OLD_BODY = re.compile(r"(?P<side>Request|Response) Body: ?(?P<body>.*)", re.DOTALL)
_NEW = re.compile(r'"(?P<what>Request|Response|Request Body|Response Body)" ?(?P<fields>.*)', re.DOTALL)
_NEW_FIELD = re.compile(
    r'(?<!\w)(?P<key>[A-Za-z]\w*+)=(?:<\n(?P<lines>.*?)(?:\n >|\Z)|(?P<quoted>"(?:[^"\\]|\\.)*"?)|(?P<bare>\S+))',
    re.DOTALL,
)
_CURL = re.compile(
    rf"curl (?:-k )?-v -X(?P<method>{_METHODS}) (?P<options>(?:(?!-v -X).)*?)'?(?P<url>https?://[^'\s]+)'?", re.DOTALL
)
_CURL_HEADER = re.compile(r'-H "(?P<name>[^:"]+): (?P<value>(?:[^"\\]|\\.)*)"')
_HEADER_LINE = re.compile(r"^[ \t]*(?P<name>[A-Za-z][\w-]*): (?P<value>.*)$", re.MULTILINE)
# Each header has a line of its own until client-go 1.32.
_ONE_HEADER = re.compile(r"^\s{2,}[A-Za-z][\w-]*: .*$")
# encoding/hex.Dump, as client-go prints a body that holds zeros.
_DUMPED = re.compile(r"\s*00000000  [0-9a-f]{2} ")
_DUMPED_LINE = re.compile(r"^\s*[0-9a-f]{8}  (?P<bytes>(?:[0-9a-f]{2} {1,2}){1,16})", re.MULTILINE)
_TRUNCATED = re.compile(r"\s?\[truncated \d+ chars\]\s*$")
_DIALED = re.compile(
    r"Dial to tcp:(?P<peer>\S+) (?:succeed|failed: (?P<error>.+))"
    r"|Dial (?:succeed|failed).{0,300}?address=\"(?P<to>[^\"]+)\""
)
_OBJECT = re.compile(r"\A.{0,80}?server response object: (?:%s)?\[(?P<body>\{.*\})\]", re.DOTALL)
_STATISTICS = re.compile(
    r"(?P<name>DNSLookup|Dial|TLSHandshake|ServerProcessing|GetConnection|Duration) (?P<ms>\d{1,9}) ms"
)
_MILLISECONDS = re.compile(r"\d{1,9}")
_ESCAPE = re.compile(r'\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|([abfnrtv"\\\']))')
_PLAIN_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_MASKED = re.compile(r"^(?:(?P<scheme>\w+) )?<masked>$")


@dataclass
class _Open:
    """A request whose lines are still coming in."""

    line: int
    method: str
    url: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str | None = None
    status: str | None = None
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    response_body: str | None = None
    milliseconds: dict[str, int] = field(default_factory=dict)
    peer: str = ""
    dial_error: str = ""


class KubectlLog:
    """The requests of one command, line by line of its log."""

    def __init__(self) -> None:
        self._requests: list[_Open] = []
        self._next_body: str | None = None
        self._headers_of = ""

    def __bool__(self) -> bool:
        return bool(self._requests)

    def take(self, said: str, line: int) -> bool:
        """Reads one log line with the lines that continue it; False when it is none of a request."""
        said = said.strip("\n")
        if self._headers_of and _ONE_HEADER.match(said):
            self._headers(said, response=self._headers_of == "response")
            return True
        self._headers_of = ""
        if found := _NEW.match(said):
            return self._new(found["what"], _fields(found["fields"]), line)
        if found := _CURL.search(said):
            self._curl(found, line)
        elif found := _OLD_LINE.match(said):
            self._answered(found["method"], found["url"], found["status"], int(found["ms"]), line)
        elif found := _OLD_START.match(said):
            self._requests.append(_Open(line, found["method"], found["url"], body=self._taken_body()))
        elif found := _OLD_STATUS.match(said):
            self._status(found["status"], int(found["ms"]), line)
        elif said.startswith("Request Headers:"):
            self._headers_of = "request"
            self._headers(said, response=False)
        elif said.startswith("Response Headers:"):
            self._headers_of = "response"
            self._headers(said, response=True)
        elif found := _OLD_BODY.match(said):
            self._body(found["side"], found["body"])
        elif found := _OBJECT.search(said):
            if (last := self._last_answered()) is not None and last.response_body is None:
                last.response_body = found["body"]
        elif "HTTP Trace" in said or said.startswith("HTTP Statistics"):
            self._trace(said)
        else:
            return False
        return True

    def exchanges(self) -> Iterator[tuple[int, Exchange]]:
        """Each request with the line it was first seen in, in the order of the log; ids count from 1."""
        for place, one in enumerate(self._requests, start=1):
            exchange = _exchange(place, one)
            if exchange is not None:
                yield one.line, exchange

    # The formats

    def _new(self, what: str, fields: dict[str, str], line: int) -> bool:
        match what:
            case "Request Body":
                self._next_body = fields.get("body")
            case "Response Body":
                self._body("Response", fields.get("body", ""))
            case "Request":
                if found := _CURL.search(fields.get("curlCommand", "")):
                    self._curl(found, line)
                elif "url" in fields:
                    self._requests.append(
                        _Open(line, fields.get("verb", "GET"), fields["url"], body=self._taken_body())
                    )
                    self._headers(fields.get("headers", ""), response=False)
                else:
                    return False
            case _:
                if "status" not in fields:
                    return False
                took = int(fields["milliseconds"]) if _MILLISECONDS.fullmatch(fields.get("milliseconds", "")) else 0
                if "url" in fields:
                    self._answered(fields.get("verb", "GET"), fields["url"], fields["status"], took, line)
                else:
                    self._status(fields["status"], took, line)
                last = self._last_answered()
                if last is not None:
                    last.milliseconds |= {
                        name: int(fields[key])
                        for name, key in (("Dial", "dialMilliseconds"), ("TLSHandshake", "tlsHandshakeMilliseconds"))
                        if _MILLISECONDS.fullmatch(fields.get(key, ""))
                    }
                self._headers(fields.get("headers", ""), response=True)
        return True

    def _curl(self, found: re.Match[str], line: int) -> None:
        headers = [(one["name"], _unquoted(one["value"])) for one in _CURL_HEADER.finditer(found["options"])]
        self._requests.append(_Open(line, found["method"], found["url"], headers, self._taken_body()))

    def _answered(self, method: str, url: str, status: str, milliseconds: int, line: int) -> None:
        waiting = next(
            (one for one in self._requests if one.status is None and (one.method, one.url) == (method, url)), None
        )
        if waiting is None:
            waiting = _Open(line, method, url, body=self._taken_body())
            self._requests.append(waiting)
        waiting.status = status
        waiting.milliseconds["Duration"] = milliseconds
        # What follows (headers, a body) belongs to the answer that was logged last.
        self._requests.remove(waiting)
        self._requests.append(waiting)

    def _status(self, status: str, milliseconds: int, line: int) -> None:
        waiting = next((one for one in self._requests if one.status is None), None)
        if waiting is None and not self._requests:  # the log begins after its request
            self._requests.append(waiting := _Open(line, "", ""))
        if waiting is not None:
            self._answered(waiting.method, waiting.url, status, milliseconds, waiting.line)

    def _headers(self, text: str, *, response: bool) -> None:
        found = [(one["name"], one["value"].strip()) for one in _HEADER_LINE.finditer(text)]
        found = [(name, value) for name, value in found if not (name in ("Request", "Response") and not value)]
        if response and (last := self._last_answered()) is not None:
            last.response_headers += found
        elif not response and self._requests:
            self._requests[-1].headers += found

    def _body(self, side: str, body: str) -> None:
        if side == "Request":
            self._next_body = body
        elif (last := self._last_answered()) is not None and last.response_body is None:
            last.response_body = body

    def _trace(self, said: str) -> None:
        if not self._requests:
            return
        last = self._requests[-1]
        if found := _DIALED.search(said):
            last.peer = found["peer"] or found["to"] or ""
            last.dial_error = (found["error"] or "").strip()
        last.milliseconds |= {found["name"]: int(found["ms"]) for found in _STATISTICS.finditer(said)}

    def _taken_body(self) -> str | None:
        body, self._next_body = self._next_body, None
        return body

    def _last_answered(self) -> _Open | None:
        return next((one for one in reversed(self._requests) if one.status is not None), None)


def _exchange(place: int, one: _Open) -> Exchange | None:
    try:
        url = urlsplit(one.url)
        port = url.port or (80 if url.scheme == "http" else 443)
    except ValueError:
        return None
    kept, secret = redact.split_secret_fields(one.headers)
    body, whole = _content(one.body)
    request = Request(
        method=one.method,
        scheme=url.scheme,
        host=url.hostname or "",
        port=port,
        path=redact.path((url.path or ("/" if one.url else "")) + (f"?{url.query}" if url.query else "")),
        headers=Headers(kept),
        body=body,
        body_complete=whole,
        body_bytes=len(body or b""),
    )
    exchange = Exchange(
        id=place,
        request=request,
        credential=_credential(secret),
        timing=_timing(one.milliseconds),
        connection=Connection(peer=one.peer) if one.peer else None,
    )
    if one.status is None:
        return exchange  # the log ends before the answer
    code, _, reason = one.status.strip().partition(" ")
    if not (code.isdecimal() and len(code) == 3):
        # An empty status: the transport failed, and what it said stands elsewhere.
        message = (
            f"dial tcp {one.peer}: {one.dial_error}"
            if one.dial_error and "dial" not in one.dial_error
            else one.dial_error
        )
        return replace(exchange, failure=Failure(phase="dial" if one.dial_error else "request", message=message))
    body, whole = _content(one.response_body)
    kept, _ = redact.split_secret_fields(one.response_headers)
    return replace(
        exchange,
        response=Response(
            status=int(code),
            reason=reason,
            headers=Headers(kept),
            body=body,
            body_complete=whole,
            body_bytes=len(body or b""),
        ),
    )


def _content(text: str | None) -> tuple[bytes | None, bool]:
    """The body and whether it is whole. What is no text is logged as a dump, since most bodies are protobuf."""
    if text is None:
        return None, True
    if _DUMPED.match(text):
        found = bytes.fromhex("".join(line["bytes"] for line in _DUMPED_LINE.finditer(text)))
        return found, _TRUNCATED.search(text) is None
    whole = _TRUNCATED.sub("", text)
    return (whole.encode("utf-8", "replace") or None), len(whole) == len(text)


def _credential(secret: tuple[tuple[str, str], ...]) -> Credential | None:
    for name, value in secret:
        if name.lower() == "authorization" and (masked := _MASKED.match(value)):
            scheme = masked["scheme"] or ""
            if scheme.lower() == "basic":
                return Credential(kind="basic", scheme=scheme, ignored=True)
            return Credential(kind="opaque-token" if scheme.lower() == "bearer" else "other", scheme=scheme)
    return credential_decoder.decode(secret)


def _timing(milliseconds: dict[str, int]) -> Timing:
    def seconds(name: str) -> float | None:
        return milliseconds[name] / 1000 if name in milliseconds else None

    return Timing(
        connect=seconds("Dial"),
        tls=seconds("TLSHandshake"),
        wait=seconds("ServerProcessing") if "ServerProcessing" in milliseconds else seconds("Duration"),
    )


def _fields(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in _NEW_FIELD.finditer(text):
        if one["lines"] is not None:
            found[one["key"]] = "\n".join(line.removeprefix("\t") for line in one["lines"].split("\n"))
        else:
            found[one["key"]] = _unquoted(one["quoted"]) if one["quoted"] is not None else one["bare"]
    return found


def _unquoted(text: str) -> str:
    """A string as Go's %q writes it, without its quotes; one that was cut off too."""
    inner = text[1:].removesuffix('"') if text.startswith('"') else text
    try:
        return untrusted.text(json.loads(f'"{inner}"'))
    except ValueError:
        return _ESCAPE.sub(_character, inner)


def _character(found: re.Match[str]) -> str:
    number = found[1] or found[2] or found[3]
    if number:
        code = int(number, 16)
        return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
    return _PLAIN_ESCAPES.get(found[4], found[4])
