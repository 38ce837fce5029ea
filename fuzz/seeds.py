"""What a run begins with: the recordings and fixtures of the tests, and the parts that they are made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from analyzers.decode import body as body_decoder
from analyzers.decode import status
from analyzers.exchange import Exchange, Request, Response
from analyzers.output import har
from analyzers.readers import wire_text

TESTS = Path(__file__).parent.parent / "tests"


def files(*patterns: str) -> tuple[bytes, ...]:
    """The content of the files under tests/ that match, in the order of their names."""
    return tuple(path.read_bytes() for pattern in patterns for path in sorted(TESTS.glob(pattern)) if path.is_file())


@lru_cache(maxsize=1)
def wire_texts() -> tuple[bytes, ...]:
    """Every recording that is kept as wire text."""
    return files("analyzers/**/*.http", "mitmkube/**/*.http")


@lru_cache(maxsize=1)
def exchanges() -> tuple[Exchange, ...]:
    """The exchanges in them."""
    return tuple(one for text in wire_texts() for one in wire_text.read(text.decode()))


@lru_cache(maxsize=1)
def bodies() -> tuple[bytes, ...]:
    """What was sent and answered in them, Content-Encoding undone."""
    messages: Iterator[Request | Response | None] = (
        message for one in exchanges() for message in (one.request, one.response)
    )
    found = (
        body_decoder.decode(message.body, message.headers.get("Content-Encoding"))
        for message in messages
        if message is not None and message.body
    )
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=1)
def events() -> tuple[bytes, ...]:
    """The ERROR events of their watches."""
    return tuple(
        one.response.error_event for one in exchanges() if one.response is not None and one.response.error_event
    )


@lru_cache(maxsize=1)
def header_fields() -> tuple[bytes, ...]:
    """The header fields of each message, one on a line."""
    sent = ("\n".join(f"{name}: {value}" for name, value in one.request.headers) for one in exchanges())
    came = (
        "\n".join(f"{name}: {value}" for name, value in one.response.headers)
        for one in exchanges()
        if one.response is not None
    )
    return tuple(dict.fromkeys(fields.encode() for group in (sent, came) for fields in group))


@lru_cache(maxsize=1)
def request_lines() -> tuple[bytes, ...]:
    """``GET /api/v1/pods`` of each request."""
    return tuple(dict.fromkeys(f"{one.request.method} {one.request.path}".encode() for one in exchanges()))


@lru_cache(maxsize=1)
def messages() -> tuple[bytes, ...]:
    """What failed, as kubectl prints it."""
    found: list[str] = []
    for one in exchanges():
        if one.failure is not None:
            found.append(f"Unable to connect to the server: {one.failure.message}")
        said = status.decode(one.response.body) if one.response is not None else None
        if said is not None:
            found.append(f"Error from server ({said.reason}): {said.message}")
    return tuple(dict.fromkeys(message.encode() for message in found))


@lru_cache(maxsize=1)
def certificates() -> tuple[bytes, ...]:
    """The certificates, as DER."""
    connections = (one.connection for one in exchanges() if one.connection is not None)
    return tuple(dict.fromkeys(der for one in connections for der in one.server_certificates + one.client_certificates))


@lru_cache(maxsize=1)
def archives() -> tuple[bytes, ...]:
    """HARs as mitmkube writes them, and as a browser would: without what only mitmkube says."""
    found: list[bytes] = []
    for one in exchanges():
        entry = har.entry(one)
        theirs = {key: value for key, value in entry.items() if not key.startswith("_")}
        for creator, content in (("mitmkube", entry), ("WebInspector", theirs)):
            log = {"log": {"version": "1.2", "creator": {"name": creator}, "entries": [content]}}
            found.append(json.dumps(log).encode("utf-8", "replace"))
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=1)
def audit_logs() -> tuple[bytes, ...]:
    """API server audit logs: whole ones, and single events of them."""
    logs = files("analyzers/readers/audit/*.log", "analyzers/readers/audit/*.json")
    lines = dict.fromkeys(line for log in logs for line in log.split(b"\n")[:200] if line.startswith(b"{"))
    return (*logs, *lines)


@lru_cache(maxsize=1)
def terminals() -> tuple[bytes, ...]:
    """kubectl's logs, printed failures, and whatever else a person might paste."""
    return (*files("analyzers/readers/**/*.txt", "analyzers/readers/**/*.log"), *messages())


@lru_cache(maxsize=1)
def lines() -> tuple[bytes, ...]:
    """Each line of those."""
    return tuple(dict.fromkeys(line for text in terminals() for line in text.split(b"\n") if line.strip()))
