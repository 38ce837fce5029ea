"""What curl -v prints: ``>`` before what was sent, ``<`` before what came back, ``*`` before curl's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from analyzers import redact
from analyzers.decode import credential
from analyzers.exchange import Exchange, Headers, Request, Response

BEGINS = re.compile(
    r"^(?:HTTP/[\d.]+ \d{3}\b|> [A-Z]+ \S+ HTTP/|\*\s+(?:Trying |Host |Rebuilt URL|Uses proxy|Connected to ))"
)
CONTINUES = re.compile(r"^(?:[<>*](?:\s|$)|\{ \[|\} \[)")
_SENT = re.compile(r"^(?P<method>[A-Z]+) (?P<path>\S+) (?P<version>HTTP/[\d.]+)")
_CAME = re.compile(r"^(?P<version>HTTP/[\d.]+) (?P<code>\d{3}) ?(?P<reason>.*)")
_METER = re.compile(r"--:--:--|^\s*(?:% Total|Dload\s+Upload)")
_TLS = re.compile(r"SSL connection using|TLS handshake, Client hello")


def read(lines: Sequence[str]) -> Exchange | None:
    """The last request that the lines show, with its answer, or the answer alone; None where they show neither."""
    sent: list[str] = []
    came: list[str] = []
    body: list[str] = []
    tls = False
    for line in _marked(lines):
        mark, rest = line[:1], line[1:].strip()
        if mark == ">" and (_SENT.match(rest) or sent):
            if _SENT.match(rest):
                sent, came, body = [], [], []
            sent.append(rest)
        elif mark == "<" and (sent or came or _CAME.match(rest)):
            if _CAME.match(rest):
                came, body = [], []
            came.append(rest)
        elif mark == "*" or CONTINUES.match(line):
            tls = tls or bool(_TLS.search(rest))
        elif came and not _METER.search(line):
            body.append(line)
    start = _SENT.match(sent[0]) if sent else None
    answer = _CAME.match(came[0]) if came else None
    if start is None and answer is None:
        return None
    kept, secret = redact.split_secret_fields(_fields(sent[1:]))
    content = "\n".join(body).strip().encode("utf-8", "replace") or None
    return Exchange(
        id=1,
        request=_request(start, Headers(kept), tls=tls),
        response=None if answer is None else _response(answer, came, content),
        credential=credential.decode(secret),
    )


def _request(start: re.Match[str] | None, headers: Headers, *, tls: bool) -> Request:
    if start is None:
        return Request(method="", path="")
    host, port = _host(headers.get("Host"), 443 if tls else 80)
    return Request(
        method=start["method"],
        scheme="https" if tls or port in (443, 6443, 8443) else "http",
        host=host,
        port=port,
        path=start["path"],
        http_version=start["version"],
        headers=headers,
    )


def _marked(lines: Sequence[str]) -> Iterator[str]:
    """curl -i shows the answer's headers without the mark."""
    bare = bool(lines) and _CAME.match(lines[0]) is not None
    for line in lines:
        bare = bare and bool(line.strip())
        yield f"< {line}" if bare else line


def _response(answer: re.Match[str], came: Sequence[str], content: bytes | None) -> Response:
    kept, _ = redact.split_secret_fields(_fields(came[1:]))
    fields: dict[str, Any] = {"headers": Headers(kept), "body": content, "body_bytes": len(content or b"")}
    return Response(status=int(answer["code"]), reason=answer["reason"], http_version=answer["version"], **fields)


def _fields(lines: Sequence[str]) -> list[tuple[str, str]]:
    found = (line.partition(":") for line in lines)
    return [(name.strip(), value.strip()) for name, colon, value in found if colon and name.strip()]


def _host(authority: str, default: int) -> tuple[str, int]:
    host, colon, port = authority.rpartition(":")
    if not colon or not port.isdecimal() or len(port) > 5:
        return authority.strip("[]"), default
    return host.strip("[]"), min(int(port), 65535)
