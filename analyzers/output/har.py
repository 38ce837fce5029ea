"""HTTP Archive 1.2, one entry at a time, with what mitmkube found in it and without what grants access.

Any HAR viewer shows the finding, as the entry's comment; a program finds it under ``_mitmkube``. Times follow the
specification: what did not happen is -1, ``ssl`` is part of ``connect``, ``time`` is the sum without the -1s, and
``content.size`` is the decoded length. A request without an answer has status 0 and ``_error``.

    HEAD + json(entry) + SEPARATOR + json(entry) + TAIL

is a whole document at every moment, so a writer that keeps TAIL at the end of the file never leaves a broken one.
"""

from __future__ import annotations

import base64
import dataclasses
import ipaddress
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from analyzers import redact
from analyzers.command import Story, is_failure
from analyzers.exchange import Connection, Exchange, Headers, Response, Timing
from analyzers.facts import Facts
from analyzers.output.comment import comment
from analyzers.output.json import command_object, credential_object, finding_object, request_info_object, timestamp
from analyzers.streams import stream

if TYPE_CHECKING:
    from analyzers.finding import Finding

SEPARATOR = ",\n"
TAIL = "\n]}}\n"
_PARTS = tuple(field.name for field in dataclasses.fields(Timing))


def head(version: str = "", story: Story | None = None, lacking: str = "") -> str:
    """The text before the first entry; ``version`` is mitmkube's. With ``story``, what is known of its command;
    ``lacking`` says what the archive does not have."""
    creator = json.dumps({"name": "mitmkube", "version": version}, ensure_ascii=False)
    command = json.dumps({"command": command_object(story.info)}, ensure_ascii=False) if story is not None else ""
    told = f'"_mitmkube": {command}, ' if command else ""
    said = f'"comment": {json.dumps(lacking)}, ' if lacking else ""
    return f'{{"log": {{"version": "1.2", "creator": {creator}, {said}{told}"pages": [], "entries": [\n'


def entry_text(exchange: Exchange, findings: Sequence[Finding] = (), notes: Sequence[str] = ()) -> str:
    """One entry as JSON on one line, to be written between ``head()`` and ``TAIL``."""
    return json.dumps(entry(exchange, findings, notes), ensure_ascii=False)


def document(story: Story, version: str = "") -> str:
    """A whole archive of what the story holds, findings and notes as it tells them apart."""
    entries = [entry_text(verdict.exchange, verdict.findings, verdict.notes) for verdict in story.verdicts]
    entries += [entry_text(verdict.exchange) for verdict in story.asked]
    lacking = story.left_out.said(story.left_out.requests) if story.left_out.spans else ""
    return head(version, story, lacking) + SEPARATOR.join(entries) + TAIL


def entry(exchange: Exchange, findings: Sequence[Finding] = (), notes: Sequence[str] = ()) -> dict[str, Any]:
    """One exchange as a HAR entry. ``notes`` say why a failure is not raised, or what else is worth a word."""
    facts = Facts.of(exchange)
    shown = redact.exchange(exchange)
    timings = _timings(exchange.timing)
    found: dict[str, Any] = {
        # Required by the specification, so never left out; an exchange without a time starts with the epoch.
        "startedDateTime": timestamp(exchange.timing.started) or "1970-01-01T00:00:00.000Z",
        "time": round(sum(value for name, value in timings.items() if value >= 0 and name != "ssl"), 3),
        "request": _request(shown, exchange),
        "response": _response(shown, exchange),
        "cache": {},
        "timings": timings,
        "comment": comment(exchange, facts.request_info, findings, notes),
        "_mitmkube": told(shown, facts, findings, notes),
    }
    connection = exchange.connection
    if connection is not None and connection.id:
        found["connection"] = connection.id
    if connection is not None and (address := _address(connection.peer)):
        found["serverIPAddress"] = address
    return found


def _timings(timing: Timing) -> dict[str, float]:
    opened = [part for part in (timing.connect, timing.tls) if part is not None]
    return {
        "blocked": -1,
        "dns": -1,
        "connect": _milliseconds(sum(opened)) if opened else -1,
        "ssl": _milliseconds(timing.tls) if timing.tls is not None else -1,
        "send": _milliseconds(timing.send or 0),
        "wait": _milliseconds(timing.wait or 0),
        "receive": _milliseconds(timing.receive or 0),
    }


def _milliseconds(seconds: float) -> float:
    return round(max(seconds, 0.0) * 1000, 3)


def _request(shown: Exchange, recorded: Exchange) -> dict[str, Any]:
    request = shown.request
    # A viewer parses every URL, and host:port alone is none.
    url = f"https://{request.path}/" if shown.tunnel else request.url
    found: dict[str, Any] = {
        "method": request.method,
        "url": url,
        "httpVersion": request.http_version,
        "cookies": [],
        "headers": _headers(request.headers),
        "queryString": [{"name": name, "value": value} for name, value in _query(url)],
        "headersSize": -1,
        "bodySize": request.body_bytes,
    }
    if request.body_bytes or request.body:
        text = _as_text(request.body)
        data = {"mimeType": request.headers.get("Content-Type"), "text": text or ""}
        why = _why_not_all(request.body, recorded.request.body, recorded.request.body_complete)
        if request.body is not None and text is None:
            why = "binary, left out"  # HAR has no encoding for what was sent
        found["postData"] = data | ({"comment": why} if why else {})
    return found


def _response(shown: Exchange, recorded: Exchange) -> dict[str, Any]:
    error = shown.failure.message if shown.failure is not None else ""
    response, original = shown.response, recorded.response
    if response is None or original is None:
        return {
            "status": 0,
            "statusText": "",
            "httpVersion": "",
            "cookies": [],
            "headers": [],
            "content": {"size": 0, "mimeType": "x-unknown"},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
            "_error": error or "no answer",
        }
    found = {
        "status": response.status,
        "statusText": response.reason,
        "httpVersion": response.http_version,
        "cookies": [],
        "headers": _headers(response.headers),
        "content": _content(response, original),
        "redirectURL": response.headers.get("Location"),
        "headersSize": -1,
        "bodySize": response.body_bytes,
    }
    return found | ({"_error": error} if error else {})


def _content(shown: Response, original: Response) -> dict[str, Any]:
    """``size`` is that of what the server sent, decoded, also where less of it is shown; -1 where it was not kept."""
    encoded = original.headers.get("Content-Encoding").lower() not in ("", "identity")
    size = original.body_bytes
    if encoded:
        size = len(original.body) if original.body is not None and original.body_complete else -1
    content: dict[str, Any] = {"size": size, "mimeType": original.headers.get("Content-Type") or "x-unknown"}
    if encoded and size >= 0:
        content["compression"] = size - original.body_bytes
    if shown.body:
        text = _as_text(shown.body)
        if text is not None:
            content["text"] = text
        else:
            content |= {"text": base64.b64encode(shown.body).decode(), "encoding": "base64"}
    if why := _why_not_all(shown.body, original.body, original.body_complete):
        content["comment"] = why
    return content


def _why_not_all(shown: bytes | None, original: bytes | None, complete: bool) -> str:
    """What to say where a body is not there as it was sent; "" where it is."""
    if not original:
        return "" if complete else "not kept"
    if shown is None:
        return "left out: it may hold secrets"
    return "" if complete else "the beginning only"


def told(exchange: Exchange, facts: Facts, findings: Sequence[Finding], notes: Sequence[str] = ()) -> dict[str, Any]:
    """What HAR has no field for; enough to judge the exchange again from the file. ``exchange`` is redacted."""
    found: dict[str, Any] = {
        "findings": [finding_object(finding) for finding in findings],
        "notes": list(notes),
        "id": exchange.id,
        "cluster": exchange.cluster,
        "pathPrefix": exchange.path_prefix,
        "timing": _timing(exchange.timing),
        "requestInfo": request_info_object(facts.request_info),
        "credential": credential_object(facts.credential),
    }
    if exchange.failure is not None:
        found["failure"] = {"phase": exchange.failure.phase, "message": exchange.failure.message}
    if exchange.live:
        found["live"] = True
    if exchange.asked:
        found["asked"] = True
    response = exchange.response
    if not exchange.request.body_complete:
        found["request"] = {"complete": False}
    if response is not None and not response.body_complete:
        found["response"] = {"complete": False}
    if response is not None and response.error_event is not None:
        found["errorEvent"] = response.error_event.decode("utf-8", "replace")
    if response is not None and response.stream is not None:
        found["stream"] = stream.document(response.stream)
    if exchange.connection is not None:
        # Certificates are public and long: once a connection, and where a failure may turn on them.
        first = exchange.timing.connect is not None or exchange.timing.tls is not None
        found["connection"] = _connection(
            exchange.connection, with_certificates=first or is_failure(exchange) or bool(findings)
        )
    return found


def _timing(timing: Timing) -> dict[str, float]:
    """Seconds, as exact as they were measured: HAR rounds, and does not tell 0 from what was not seen."""
    return {name: value for name in _PARTS if (value := getattr(timing, name)) is not None}


def _connection(connection: Connection, *, with_certificates: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "peer": connection.peer,
        "sni": connection.sni,
        "tlsVersion": connection.tls_version,
        "verified": connection.verified,
    }
    if with_certificates:
        found["clientCertificates"] = [base64.b64encode(der).decode() for der in connection.client_certificates]
        found["serverCertificates"] = [base64.b64encode(der).decode() for der in connection.server_certificates]
    return found


def _headers(headers: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]


def _as_text(body: bytes | None) -> str | None:
    if body is None:
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _query(url: str) -> Iterable[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return ()


def _address(peer: str) -> str:
    """The IP address in ``10.0.0.1``, ``10.0.0.1:6443``, ``::1`` or ``[::1]:6443``; "" where there is none."""
    for candidate in (peer, peer.rpartition(":")[0].strip("[]")):
        try:
            return str(ipaddress.ip_address(candidate))
        except ValueError:
            continue
    return ""
