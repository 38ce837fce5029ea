"""HAR 1.2 as its specification has it (http://www.softwareishard.com/blog/har-12-spec/), every rule of it.

``faults`` says what is wrong with an archive, one line each with the place. Fields that the specification does not
have are faults unless they begin with an underscore; null is a fault everywhere. WebSocket messages are checked in the
form in which Chrome exports them.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import ipaddress
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

type Check = Callable[[Any, str], Iterator[str]]

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_URL = re.compile(r"[a-z]+://[^\s#]*")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DURATIONS = ("blocked", "dns", "connect", "send", "wait", "receive")
_TEXT_FRAME, _BINARY_FRAME, _CLOSE_FRAME = 1, 2, 8


def check(text: str | bytes) -> dict[str, Any]:
    """The ``log`` of an archive; fails where it is not as the specification says."""

    def refused(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    document: dict[str, Any] = json.loads(text, parse_constant=refused)
    found = faults(document)
    assert not found, "\n".join(found[:20])
    log: dict[str, Any] = document["log"]
    return log


def check_written(arguments: Sequence[str], folder: Path) -> None:
    """Check the archive that a command line of mitmkube asked for, as seen from ``folder``, where it is a file."""
    words = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    named = [word.partition("=")[2] for word in words if word.startswith("--har=")]
    named += [after for word, after in pairwise(words) if word == "--har"]
    for name in named:
        file = folder / name
        if file.is_file() and not name.startswith("/dev/"):  # a stream of the tests' own
            check(file.read_bytes())


def faults(document: object) -> list[str]:
    """What is wrong with an archive, as parsed; [] when nothing is."""
    return list(_record({"log": _LOG})(document, ""))


def entry_faults(entry: object) -> list[str]:
    """What is wrong with one entry."""
    return list(_ENTRY(entry, "entry"))


# Kinds of values


def _record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None, *also: Check) -> Check:
    known = {**required, **(optional or {})}

    def check(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where}: no object"
            return
        found = [f"{where}.{name}: is required" for name in required if name not in value]
        for name, part in value.items():
            if name in known:
                found += known[name](part, f"{where}.{name}")
            elif not name.startswith("_"):
                found.append(f"{where}.{name}: the specification has no such field")
        if not found:
            for rule in also:
                found += rule(value, where)
        yield from found

    return check


def _array(of: Check) -> Check:
    def check(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{where}: no array"
            return
        for at, one in enumerate(value):
            yield from of(one, f"{where}[{at}]")

    return check


def _is(what: str, holds: Callable[[Any], bool]) -> Check:
    def check(value: Any, where: str) -> Iterator[str]:
        if not holds(value):
            yield f"{where}: {value!r:.80} is no {what}"

    return check


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_moment(value: Any) -> bool:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return False
    return dt.datetime.fromisoformat(value).tzinfo is not None


def _is_address(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(ipaddress.ip_address(value))
    except ValueError:
        return False


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return False
    return True


_TEXT = _is("text", lambda value: isinstance(value, str))
_BOOLEAN = _is("boolean", lambda value: isinstance(value, bool))
_COUNT = _is("size", lambda value: _integer(value) and value >= 0)
_SIZE = _is("size, nor -1", lambda value: _integer(value) and value >= -1)
_SPENT = _is("duration", lambda value: _number(value) and value >= 0)
_PERHAPS_SPENT = _is("duration, nor -1", lambda value: _number(value) and (value >= 0 or value == -1))
_MOMENT_FIELD = _is("ISO 8601 time with a zone", _is_moment)
_COMMENT = {"comment": _TEXT}


# Rules over several fields


def _body_is_said_once(data: Any, where: str) -> Iterator[str]:
    if ("text" in data) == ("params" in data):
        yield f"{where}: exactly one of text and params"


def _query_is_that_of_the_url(request: Any, where: str) -> Iterator[str]:
    try:
        query = parse_qsl(urlsplit(request["url"]).query, keep_blank_values=True)
    except ValueError:
        return
    if query != [(one["name"], one["value"]) for one in request["queryString"]]:
        yield f"{where}.queryString: not that of the URL, decoded"


def _size_of_what_was_sent(request: Any, where: str) -> Iterator[str]:
    if request["bodySize"] > 0 and "postData" not in request:
        yield f"{where}: a body of {request['bodySize']} bytes and no postData"


def _content_is_consistent(content: Any, where: str) -> Iterator[str]:
    encoding, text = content.get("encoding"), content.get("text")
    if encoding is not None and (encoding != "base64" or text is None or not _is_base64(text)):
        yield f"{where}.encoding: {encoding!r} is not how the text is encoded"
    if content["size"] == -1 and "comment" not in content:
        yield f"{where}.size: not known, and nothing says why"
    if content["size"] > 0 and not text and "comment" not in content:
        yield f"{where}: no text, and nothing says why"


def _sizes_agree(response: Any, where: str) -> Iterator[str]:
    content, sent = response["content"], response["bodySize"]
    if "compression" in content and content["compression"] != content["size"] - sent:
        yield f"{where}.content.compression: not what was saved"
    if "compression" not in content and content["size"] >= 0 and sent >= 0 and content["size"] != sent:
        yield f"{where}.content.size: {content['size']}, {sent} were sent, and no compression"
    if response["status"] == 304 and sent > 0:
        yield f"{where}.bodySize: 0 for what was cached"


def _handshake_is_in_connect(timings: Any, where: str) -> Iterator[str]:
    ssl, connect = timings.get("ssl", -1), timings.get("connect", -1)
    if ssl > connect:
        yield f"{where}.ssl: {ssl}, but it is a part of connect, {connect}"


def _time_is_the_sum(entry: Any, where: str) -> Iterator[str]:
    spent = sum(max(0, entry["timings"].get(name, -1)) for name in _DURATIONS)
    if not math.isclose(entry["time"], spent, rel_tol=1e-9, abs_tol=0.002):
        yield f"{where}.time: {entry['time']}, but its parts are {spent}"


def _messages_are_as_chrome_exports_them(entry: Any, where: str) -> Iterator[str]:
    messages = entry.get("_webSocketMessages")
    if messages is None:
        return
    yield from _array(_MESSAGE)(messages, f"{where}._webSocketMessages")
    if entry.get("_resourceType") != "websocket":
        yield f"{where}._resourceType: messages, but no websocket"
    if not entry["request"]["url"].startswith(("wss://", "ws://")):
        yield f"{where}.request.url: messages, but no wss://"
    if entry["response"]["status"] != 101:
        yield f"{where}.response.status: messages, but no 101"


def _binary_is_base64(message: Any, where: str) -> Iterator[str]:
    if message["opcode"] == _BINARY_FRAME and not _is_base64(message["data"]):
        yield f"{where}.data: binary, but no base64"


# What the specification has, from the inside out

_NAMED = _record({"name": _TEXT, "value": _TEXT}, _COMMENT)
_MAKER = _record({"name": _TEXT, "version": _TEXT}, _COMMENT)
_COOKIE = _record(
    {"name": _TEXT, "value": _TEXT},
    {"path": _TEXT, "domain": _TEXT, "expires": _MOMENT_FIELD, "httpOnly": _BOOLEAN, "secure": _BOOLEAN, **_COMMENT},
)
_PARAM = _record({"name": _TEXT}, {"value": _TEXT, "fileName": _TEXT, "contentType": _TEXT, **_COMMENT})
_POST_DATA = _record(
    {"mimeType": _TEXT}, {"text": _TEXT, "params": _array(_PARAM), **_COMMENT}, _body_is_said_once
)  # fmt: skip
_REQUEST = _record(
    {
        "method": _is("method", lambda value: isinstance(value, str) and bool(_TOKEN.fullmatch(value))),
        "url": _is("absolute URL", lambda value: isinstance(value, str) and bool(_URL.fullmatch(value))),
        "httpVersion": _TEXT,
        "cookies": _array(_COOKIE),
        "headers": _array(_NAMED),
        "queryString": _array(_NAMED),
        "headersSize": _SIZE,
        "bodySize": _SIZE,
    },
    {"postData": _POST_DATA, **_COMMENT},
    _query_is_that_of_the_url,
    _size_of_what_was_sent,
)
_CONTENT = _record(
    {"size": _SIZE, "mimeType": _TEXT},
    {"compression": _is("integer", _integer), "text": _TEXT, "encoding": _TEXT, **_COMMENT},
    _content_is_consistent,
)
_RESPONSE = _record(
    {
        "status": _is("status", lambda value: _integer(value) and (value == 0 or 100 <= value <= 999)),
        "statusText": _TEXT,
        "httpVersion": _TEXT,
        "cookies": _array(_COOKIE),
        "headers": _array(_NAMED),
        "content": _CONTENT,
        "redirectURL": _TEXT,
        "headersSize": _SIZE,
        "bodySize": _SIZE,
    },
    _COMMENT,
    _sizes_agree,
)
_CACHED = _record(
    {"lastAccess": _MOMENT_FIELD, "eTag": _TEXT, "hitCount": _COUNT}, {"expires": _MOMENT_FIELD, **_COMMENT}
)
_TIMINGS = _record(
    {"send": _SPENT, "wait": _SPENT, "receive": _SPENT},
    {"blocked": _PERHAPS_SPENT, "dns": _PERHAPS_SPENT, "connect": _PERHAPS_SPENT, "ssl": _PERHAPS_SPENT, **_COMMENT},
    _handshake_is_in_connect,
)
_MESSAGE = _record(
    {
        "type": _is("direction", lambda value: value in ("send", "receive")),
        "time": _SPENT,
        "opcode": _is("opcode", lambda value: value in (_TEXT_FRAME, _BINARY_FRAME, _CLOSE_FRAME)),
        "data": _TEXT,
    },
    None,
    _binary_is_base64,
)
_ENTRY = _record(
    {
        "startedDateTime": _MOMENT_FIELD,
        "time": _SPENT,
        "request": _REQUEST,
        "response": _RESPONSE,
        "cache": _record({}, {"beforeRequest": _CACHED, "afterRequest": _CACHED, **_COMMENT}),
        "timings": _TIMINGS,
    },
    {
        "pageref": _TEXT,
        "serverIPAddress": _is("IP address", _is_address),
        "connection": _is("name of a connection", lambda value: isinstance(value, str) and value != ""),
        **_COMMENT,
    },
    _time_is_the_sum,
    _messages_are_as_chrome_exports_them,
)
_PAGE = _record(
    {
        "startedDateTime": _MOMENT_FIELD,
        "id": _TEXT,
        "title": _TEXT,
        "pageTimings": _record({}, {"onContentLoad": _PERHAPS_SPENT, "onLoad": _PERHAPS_SPENT, **_COMMENT}),
    },
    _COMMENT,
)
_LOG = _record(
    {
        "version": _is("version 1.2", lambda value: value == "1.2"),
        "creator": _MAKER,
        "entries": _array(_ENTRY),
    },
    {"browser": _MAKER, "pages": _array(_PAGE), **_COMMENT},
)
