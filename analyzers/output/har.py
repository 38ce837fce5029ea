"""HTTP Archive 1.2, one entry at a time, with what mitmkube found in it and without what grants access.

Any HAR viewer shows the finding, as the entry's comment; a program finds it under ``_mitmkube``. Times follow the
specification: what did not happen is -1, ``ssl`` is part of ``connect``, ``time`` is the sum without the -1s, and
``content.size`` is the decoded length. A request without an answer has status 0 and ``_error``. Of bodies only those of
refusals are there, unless all are asked for.

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
from urllib.parse import parse_qsl, quote, urlsplit

from analyzers import redact
from analyzers.command import Story, is_failure
from analyzers.exchange import Connection, Exchange, Headers, Timing
from analyzers.facts import Facts
from analyzers.output import har_body, har_messages
from analyzers.output.comment import comment
from analyzers.output.json import command_object, credential_object, finding_object, request_info_object, timestamp
from analyzers.output.outline import outline
from analyzers.redact import SEEN, guard
from analyzers.streams import stream

if TYPE_CHECKING:
    from analyzers.finding import Finding

SEPARATOR = ",\n"
TAIL = "\n]}}\n"
_PARTS = tuple(field.name for field in dataclasses.fields(Timing))
# All that is printable but "#": the specification's URLs have no fragment.
_PLAIN = "".join(map(chr, range(0x21, 0x7F))).replace("#", "")


def head(version: str = "", story: Story | None = None, lacking: str = "") -> str:
    """The text before the first entry; ``version`` is mitmkube's. With ``story``, what is known of its command;
    ``lacking`` says what the archive does not have."""
    creator = json.dumps({"name": "mitmkube", "version": version}, ensure_ascii=False)
    told_of = guard.document(command_object(story.info)) if story is not None else None
    command = json.dumps({"command": told_of}, ensure_ascii=False) if told_of is not None else ""
    told = f'"_mitmkube": {command}, ' if command else ""
    said = f'"comment": {json.dumps(lacking)}, ' if lacking else ""
    return f'{{"log": {{"version": "1.2", "creator": {creator}, {said}{told}"pages": [], "entries": [\n'


def entry_text(
    exchange: Exchange, findings: Sequence[Finding] = (), notes: Sequence[str] = (), *, bodies: bool = False
) -> str:
    """One entry as JSON on one line, to be written between ``head()`` and ``TAIL``; every one is made here."""
    return json.dumps(entry(exchange, findings, notes, bodies=bodies), ensure_ascii=False)


def secret_in(text: str) -> str:
    """Where in an entry a secret of the session stands all the same, ``response.statusText``; "" where none does.

    Such an entry is not written. What is only seen later may make one of it: to be asked again in the end.
    """
    return SEEN.place_in(json.loads(text)) or "it" if SEEN.stands_in(text) else ""


def left_out(number: int, place: str) -> str:
    """What to say of an entry that is not written."""
    return f"request {number} is left out of the HAR: a secret stands in {place}"


def document(story: Story, version: str = "", *, bodies: bool = False) -> str:
    """A whole archive of what the story holds, findings and notes as it tells them apart."""
    texts = {
        verdict.exchange.id: entry_text(verdict.exchange, verdict.findings, verdict.notes, bodies=bodies)
        for verdict in story.verdicts
    }
    texts |= {verdict.exchange.id: entry_text(verdict.exchange, bodies=bodies) for verdict in story.asked}
    places = {number: place for number, text in texts.items() if (place := secret_in(text))}
    lacking = [story.left_out.said(story.left_out.requests)] if story.left_out.spans else []
    lacking += [left_out(number, place) for number, place in places.items()]
    entries = (text for number, text in texts.items() if number not in places)
    return head(version, story, "; ".join(lacking)) + SEPARATOR.join(entries) + TAIL


def entry(
    exchange: Exchange, findings: Sequence[Finding] = (), notes: Sequence[str] = (), *, bodies: bool = False
) -> dict[str, Any]:
    """One exchange as a HAR entry. ``notes`` say why a failure is not raised, or what else is worth a word; with
    ``bodies`` all bodies are there, redacted."""
    facts = Facts.of(exchange)
    redacted = redact.exchange(exchange)
    shown = redacted if bodies else har_body.without_contents(redacted)
    timings = _timings(exchange.timing)
    messages = har_messages.messages(shown)
    found: dict[str, Any] = {
        # Required by the specification, so never left out; an exchange without a time starts with the epoch.
        "startedDateTime": timestamp(exchange.timing.started) or "1970-01-01T00:00:00.000Z",
        "time": round(sum(value for name, value in timings.items() if value >= 0 and name != "ssl"), 3),
        "request": _request(shown, exchange, wanted=bodies, websocket=messages is not None),
        "response": _response(shown, exchange, wanted=bodies or har_body.is_refusal(exchange)),
        "cache": {},
        "timings": timings,
        "comment": comment(exchange, facts.request_info, findings, notes),
        "_mitmkube": told(shown, facts, findings, notes),
    }
    if not bodies:
        _add_outlines(found["_mitmkube"], redacted, shown)
    connection = exchange.connection
    if connection is not None and connection.id:
        found["connection"] = connection.id
    if connection is not None and (address := _address(connection.peer)):
        found["serverIPAddress"] = address
    if messages is not None:
        found |= {"_resourceType": "websocket", "_webSocketMessages": messages}
    return found


def _timings(timing: Timing) -> dict[str, float]:
    opened = [max(part, 0.0) for part in (timing.connect, timing.tls) if part is not None]
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


def _request(shown: Exchange, recorded: Exchange, *, wanted: bool, websocket: bool) -> dict[str, Any]:
    request = shown.request
    # A viewer parses every URL, and host:port alone is none.
    url = f"https://{request.path}/" if shown.tunnel else quote(request.url, safe=_PLAIN)
    if websocket:
        url = f"ws{url.removeprefix('http')}"  # as Chrome has it
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
    if request.body_bytes or recorded.request.body:
        found["postData"] = har_body.post_data(request, recorded.request, wanted=wanted)
    return found


def _response(shown: Exchange, recorded: Exchange, *, wanted: bool) -> dict[str, Any]:
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
        "content": har_body.content(response, original, wanted=wanted),
        "redirectURL": response.headers.get("Location"),
        "headersSize": -1,
        "bodySize": response.body_bytes,
    }
    return found | ({"_error": error} if error else {})


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


def _add_outlines(own: dict[str, Any], redacted: Exchange, shown: Exchange) -> None:
    sides = (("request", redacted.request, shown.request), ("response", redacted.response, shown.response))
    for side, whole, bare in sides:
        if whole is not None and bare is not None and bare.body is None and (known := outline(whole.body)):
            own.setdefault(side, {})["outline"] = known


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
