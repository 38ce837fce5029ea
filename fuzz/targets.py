"""Everything that reads what nobody vouches for, each as a function of bytes.

A target raises where the product would have raised, and where what it gave cannot be used: text that cannot be encoded,
JSON that is none. What it returns says in a few words what was found; an input that finds something new is kept, since
most of a reader is in its patterns, of which no line or branch tells.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzers import admission_diff, redact
from analyzers.attributes import Attributes
from analyzers.classify import classify
from analyzers.command import Story, display_argv
from analyzers.decode import (
    audit_event,
    body,
    body_reader,
    cbor,
    certificate,
    credential,
    flow_control,
    impersonation,
    list_page,
    managed_fields,
    protobuf,
    request_info,
    resource_version,
    status,
    table,
    untrusted,
    warning,
    watch,
)
from analyzers.decode.upgraded.reader import UpgradedReader
from analyzers.exchange import Exchange, Headers, Request, Response
from analyzers.explain import explain
from analyzers.facts import Facts
from analyzers.kubeconfig import syntax
from analyzers.kubeconfig.model import Cluster, Context, User
from analyzers.output import explained, har, view
from analyzers.output import json as json_output
from analyzers.output import text as text_output
from analyzers.readers import (
    audit,
    client_words,
    command_info,
    curl,
    error_codes,
    har_entry,
    json_text,
    kubectl_log,
    log_line,
    recognise,
    recording,
    server_log,
    server_words,
    statement,
    terminal,
    wire_text,
)
from analyzers.readers import har as har_reader
from analyzers.readers.passage import Passage
from analyzers.readers.source import Source
from analyzers.redact import archive
from analyzers.streams import stream
from analyzers.streams.list_page import ListPage
from analyzers.streams.upgraded import Upgraded
from analyzers.streams.watch import Watch
from analyzers.subject import Subject
from fuzz import seeds
from mitmkube import reading

ROOT = Path(__file__).parent.parent
CODE = tuple(f"{ROOT}/{package}/" for package in ("analyzers", "proxy_addons", "mitmkube"))
"""Where lines and branches count."""

Seeds = Callable[[], Sequence[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One reader or decoder. ``share``: how much of a run's inputs it gets; ``largest``: how many bytes they have."""

    name: str
    run: Callable[[bytes], object]
    seeds: Seeds
    share: int = 2
    largest: int = 8192


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _fields(data: bytes) -> list[tuple[str, str]]:
    """Header fields from lines; any byte is a character, as on the wire."""
    pairs = (line.partition(":") for line in data.decode("latin-1").split("\n"))
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def _request_line(data: bytes) -> tuple[str, str]:
    method, _, path = data.decode("utf-8", "surrogateescape").partition(" ")
    return method, path


class _Slow(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes) -> None:
        self._left = data

    def read(self, size: int = -1) -> bytes:
        step = min(size, 1 + len(self._left) // 3)
        part, self._left = self._left[:step], self._left[step:]
        return part


def _source(data: bytes) -> Source:
    return Source(_Slow(data))


# The whole way


def _explain(data: bytes) -> object:
    return _explained(reading.passages(_source(data)))


def _explained(passages: Iterable[Passage]) -> object:
    found: set[object] = set()
    parts: list[str] = []
    for item in explain(passages):
        parts.append(explained.item_json(item, "a"))
        for marks in (True, False):
            explained.item_text(item, "a", marks=marks, color=marks).encode()
        found.add((item.kind, item.findings[0].rule if item.findings else "", bool(item.notes)))
    document = json.loads(explained.HEAD + ",".join(parts) + explained.TAIL, parse_constant=_no_json)
    json.dumps(document, ensure_ascii=False).encode()
    assert document["items"]
    return frozenset(found)


def _no_json(constant: str) -> object:
    raise AssertionError(f"{constant} is no JSON")


def _outputs(data: bytes) -> object:
    """Rules, and every other form of output, over a recording."""
    try:
        exchanges = wire_text.read(_text(data))
    except ValueError:
        return None
    story = Story.of(exchanges)
    for verdict in story.verdicts:
        view.above_body(verdict.exchange, verdict.findings).encode()
        admission_diff.of(verdict.exchange, verdict.facts)
    text_output.render(story).encode()
    for written in (json_output.render(story), har.document(story)):
        json.dumps(json.loads(written, parse_constant=_no_json), ensure_ascii=False).encode()
    return frozenset(finding.rule for verdict in story.verdicts for finding in verdict.findings)


# Readers


def _reader(read: Callable[[Source], Iterable[Passage]]) -> Callable[[bytes], object]:
    def run(data: bytes) -> object:
        found = set()
        for passage in read(_source(data)):
            for note in passage.notes:
                note.encode()
            for one in passage.exchanges:
                _check(one)
                found.add(
                    (passage.kind, one.failure and one.failure.phase, one.response and one.response.status // 100)
                )
        return frozenset(found)

    return run


def _check(exchange: Exchange) -> None:
    """The types that every rule relies on."""
    request, response, failure = exchange.request, exchange.response, exchange.failure
    texts = [request.method, request.scheme, request.host, request.path, request.http_version, exchange.cluster]
    texts += [part for field in request.headers for part in field]
    assert type(request.port) is int
    assert isinstance(request.body, bytes | None)
    if response is not None:
        assert type(response.status) is int
        assert isinstance(response.body, bytes | None)
        texts += [response.reason, *(part for field in response.headers for part in field)]
    if failure is not None:
        texts.append(failure.message)
    for text in texts:
        text.encode()


def _wire_text(data: bytes) -> object:
    try:
        exchanges = wire_text.read(_text(data))
    except ValueError as error:
        str(error).encode()
        return str(error).partition(": ")[2][:6]
    return min(len(exchanges), 4)


def _statement(data: bytes) -> object:
    found = statement.read(_text(data))
    if found is None:
        return None
    _check(found)
    return found.failure and found.failure.phase, found.response and found.response.status


def _log_line(data: bytes) -> object:
    found = log_line.read(_text(data))
    found.message.encode()
    return found.is_log, found.level[:1], bool(found.file), bool(found.fields)


def _server_words(data: bytes) -> object:
    text = _text(data)
    server_words.body_on_the_server(text)
    found = server_words.recognise(text)
    return found and (found.code, found.reason, bool(found.details.kind), min(len(found.causes), 3))


def _client_words(data: bytes) -> object:
    found = client_words.recognise(_text(data))
    return found and (found.phase, found.method)


def _error_codes(data: bytes) -> object:
    text = _text(data)
    found = error_codes.failure(text, "a:b" if len(data) % 2 else "", 443, answered=len(data) % 3 == 0)
    return found and found.phase


def _server_log(data: bytes) -> object:
    found = server_log.read(_text(data))
    return found and found.response and found.response.status


def _kubectl_log(data: bytes) -> object:
    log = kubectl_log.KubectlLog()
    for number, said in enumerate(_text(data).split("\x00\n" if b"\x00\n" in data else "\n"), start=1):
        line = log_line.read(said)
        log.take(line.said, number)
    found = set()
    for _, one in log.exchanges():
        _check(one)
        found.add((one.response and one.response.status // 100, one.failure is not None, one.credential is not None))
    return frozenset(found)


def _curl(data: bytes) -> object:
    found = curl.read(_text(data).split("\n"))
    if found is None:
        return None
    _check(found)
    return found.request.scheme, found.response and found.response.status // 100


def _json_text(data: bytes) -> object:
    text = json_text.JsonText(_source(data))
    try:
        for _ in text.members():
            if text.next() == "[":
                for _ in text.elements():
                    text.value()
            else:
                text.value()
    except json_text.Broken as broken:
        line, cut = broken.line, broken.cut
    else:
        return None
    assert 1 <= line <= 1 + data.count(b"\n")
    return cut


def _har_entry(data: bytes) -> object:
    found = har_entry.exchange(untrusted.parse_json(data), 1)
    if found is None:
        return None
    _check(found)
    return found.failure and found.failure.phase, found.response and found.response.status // 100


def _flows(data: bytes) -> object:
    return _reader(reading.reader("flows"))(data)


# Decoders


def _audit_event(data: bytes) -> object:
    found = audit_event.decode(untrusted.parse_json(data))
    if found is None:
        return None
    _check(audit_event.exchange(found))
    return found.code // 100


def _body(data: bytes) -> object:
    encoding = ("gzip", "deflate", "x-gzip", "br")[len(data) % 4]
    decoder = body.Decoder(encoding)
    half = len(data) // 2
    decoder.feed(data[:half], 1 << 20)
    decoder.feed(data[half:], 1 << 20)
    return encoding


def _cbor(data: bytes) -> object:
    reader = cbor.SequenceReader(1024)
    half = len(data) // 2
    parts = [*reader.feed(data[:half]), *reader.feed(data[half:])]
    found = cbor.decode(data)
    json.dumps(found)
    return type(found).__name__, min(len(parts), 3)


def _certificate(data: bytes) -> object:
    found = certificate.decode(data)
    return found is not None


def _headers(data: bytes) -> object:
    fields = _fields(data)
    found = credential.decode(fields)
    impersonation.decode(fields)
    flow_control.decode(fields)
    for text in warning.decode(fields):
        text.encode()
    redact.headers(Headers(fields))
    return found and found.kind


def _list_page(data: bytes) -> object:
    found = []
    for step in (1 + len(data), 1 + len(data) // 3):
        reader = list_page.ListReader("application/json")
        for at in range(0, len(data), step):
            reader.feed(data[at : at + step])
        found.append(reader.stream(len(data) // 2))
    whole = found[0]
    # A backslash where JSON has none is read one way or another.
    assert found == [whole, whole] or (b"\\" in data and untrusted.parse_json(data) is None)
    if whole is None:
        return None
    assert ListPage.read(whole.document()) == whole
    "\n".join((whole.phrase, *whole.lines())).encode()
    return whole.kind[-4:], min(whole.items, 3), whole.continues, whole.remaining is None, whole.complete


def _managed_fields(data: bytes) -> object:
    found = managed_fields.decode(untrusted.parse_json(data))
    return min(len(found), 2), bool(managed_fields.owners(found, ".spec.replicas"))


def _protobuf(data: bytes) -> object:
    envelope = protobuf.envelope(data)
    message = protobuf.Message(data)
    for number in range(1, 8):
        message.text(number).encode()
        message.number(number)
        message.raws(number)
    return envelope and bool(envelope.kind), message.complete


def _request_info(data: bytes) -> object:
    found = request_info.decode(*_request_line(data))
    assert isinstance(found.phrase, str)
    return found.verb in ("get", "list", "watch"), bool(found.subresource), found.is_resource_request


def _resource_version(data: bytes) -> object:
    resource_version.mismatch(_text(data))
    return bool(resource_version.decode(data))


def _status(data: bytes) -> object:
    found = [status.decode(data), status.decode(data, "application/yaml"), status.decode_event(data)]
    for one in found:
        if one is not None:
            json.dumps(status.document(one), ensure_ascii=False).encode()
    return tuple(one and (bool(one.reason), bool(one.details.kind)) for one in found)


def _table(data: bytes) -> object:
    return table.decode(data) is not None


def _watch(data: bytes) -> object:
    reader = watch.WatchReader()
    third = len(data) // 3
    for at, chunk in enumerate((data[:third], data[third : 2 * third], data[2 * third :])):
        reader.feed(chunk, float(at))
    found = reader.watch
    written = json.dumps(found.document())
    assert Watch.read(json.loads(written), found.error_event) == found
    for said in (found.phrase, *found.lines()):
        said.encode()
    return found.error_event is not None, found.counts, found.initial_events_end is not None


_STREAMED = ("/api/v1/pods?watch=1", "/api/v1/pods", "/api/v1/namespaces/d/pods/p/log")


def _body_reader(data: bytes) -> object:
    told = []
    for path in _STREAMED:
        reader = body_reader.reader_for("GET", path, 200, "application/json")
        assert reader is not None
        for at in range(0, len(data), 1 + len(data) // 2):
            reader.feed(data[at : at + 1 + len(data) // 2], 1.5)
        found = reader.stream(len(data))
        if found is not None:
            assert stream.read(json.loads(json.dumps(stream.document(found))), _error_event(found)) == found
        told.append(found is not None)
    return tuple(told)


def _error_event(found: stream.Stream) -> bytes | None:
    return found.error_event if isinstance(found, Watch) else None


def _watch_documents() -> Sequence[bytes]:
    found = []
    for content in seeds.bodies():
        reader = watch.WatchReader()
        reader.feed(content, 1.5)
        if reader.events:
            found.append(json.dumps(reader.watch.document()).encode())
    return found


def _watch_document(data: bytes) -> object:
    found = Watch.read(untrusted.parse_json(data))
    if found is None:
        return None
    found.lines()
    assert Watch.read(found.document()) == found
    return bool(found.first), bool(found.last), bool(found.dropped)


def _upgraded(data: bytes) -> object:
    """A line with upgrade, protocol and path; then parts: who sent it, the length in two bytes, and what was sent."""
    head, _, rest = data.partition(b"\n")
    upgrade, protocol, path, *_ = [*_text(head).split(" "), "", "", ""]
    names = {"websocket": "Sec-WebSocket-Protocol"}
    headers = Headers([("Upgrade", upgrade), (names.get(upgrade, "X-Stream-Protocol-Version"), protocol)])
    readers = [UpgradedReader(path, Headers(), headers) for _ in range(2)]
    at = 0
    while at + 3 <= len(rest):
        part = rest[at + 3 : at + 3 + int.from_bytes(rest[at + 1 : at + 3])]
        whole, sliced = ((one.feed_server, one.feed_client)[rest[at] & 1] for one in readers)
        whole(part)
        for begin in range(0, len(part), 5):
            sliced(part[begin : begin + 5])
        at += 3 + len(part)
    found, again = (one.upgraded for one in readers)
    for text in (found.phrase, *found.lines()):
        text.encode()
    assert Upgraded.read(json.loads(json.dumps(found.document()))) == found
    # What is no base64 is decoded by the piece.
    assert found == again or "base64" in protocol
    return (
        found.protocol[-9:],
        found.problem[-12:],
        min(len(found.channels), 3),
        found.exit_code is None,
        found.failure_status is None,
        found.closed_by,
    )


def _message(data: bytes) -> object:
    """What is read out of a refusal's text."""
    text = _text(data)
    asked = Attributes.of_refusal(text)
    subject = Subject.of(None, text)
    for said in (asked.phrase if asked else "", subject.thing if subject else "", subject.typed if subject else ""):
        said.encode()
    return asked and (bool(asked.path), bool(asked.group)), subject and (bool(subject.resource), bool(subject.name))


def _redact_text(data: bytes) -> object:
    text = _text(data)
    once = redact.text(text)
    redact.url(text)
    redact.path(text)
    redact.without_quoted_values(text)
    display_argv(text.split(" "))
    return min(once.count(redact.MASK), 4)


def _redact_body(data: bytes) -> object:
    line, _, content = data.partition(b"\n")
    info = request_info.decode(*_request_line(line))
    found = [
        redact.body(content, kind, info, complete=complete, refusal=complete)
        for kind, complete in (("application/json", True), ("application/yaml", True), ("text/plain", False))
    ]
    return tuple(one is None for one in found)


def _redact_entry(data: bytes) -> object:
    entry = untrusted.parse_json(data)
    if not isinstance(entry, dict):
        return None
    once = archive.entry(entry)
    assert archive.entry(once) == once
    return tuple(sorted(once))


def _facts(data: bytes) -> object:
    """Rules over an answer of any kind: first the request, then the answer's code, header fields, and its body."""
    head, _, content = data.partition(b"\n\n")
    first, _, fields = head.partition(b"\n")
    method, path = _request_line(first)
    code = 400 + len(data) % 150
    headers = Headers(_fields(fields))
    exchange = Exchange(
        id=1,
        request=Request(method=method, path=path, headers=headers, body=content),
        response=Response(status=code, headers=headers, body=content, error_event=content if code < 410 else None),
    )
    facts = Facts.of(exchange)
    assert isinstance(facts.user, str)
    redact.exchange(exchange)
    return frozenset(finding.rule for finding in classify(exchange))


def _kubeconfig(data: bytes) -> object:
    try:
        parsed = syntax.parse(data, Path("config"))
    except syntax.KubeconfigError as error:
        str(error).encode("utf-8", "surrogateescape")
        return len(str(error)) // 32
    file = Path("config")
    for section, kind in (("clusters", Cluster), ("users", User), ("contexts", Context)):
        for name, stanza in syntax.stanzas(parsed, section).items():
            kind.of(name, file, stanza)
    syntax.parse(syntax.dump(parsed).encode("utf-8", "surrogatepass"), file)
    return len(parsed)


def _command_info(data: bytes) -> object:
    found = command_info.decode(untrusted.parse_json(data))
    return bool(found.argv), found.credential is not None, bool(found.started)


# Seeds


def _entries() -> Sequence[bytes]:
    return [json.dumps(json.loads(one)["log"]["entries"][0]).encode("utf-8", "replace") for one in seeds.archives()]


def _with_request() -> Sequence[bytes]:
    lines = [one.request for one in seeds.exchanges()]
    return [
        f"{request.method} {request.path}\n".encode() + content
        for request, content in zip(
            lines, (one.response.body if one.response else None for one in seeds.exchanges()), strict=True
        )
        if content
    ]


def _answers() -> Sequence[bytes]:
    return [
        f"{one.request.method} {one.request.path}\n".encode()
        + "\n".join(f"{name}: {value}" for name, value in one.response.headers).encode()
        + b"\n\n"
        + (one.response.body or b"")
        for one in seeds.exchanges()
        if one.response is not None
    ]


def _whole_files() -> Sequence[bytes]:
    return (*seeds.terminals(), *seeds.archives()[::8], *seeds.audit_logs()[:20], *seeds.wire_texts()[::4])


def _bodies_and_events() -> Sequence[bytes]:
    return (*seeds.bodies(), *seeds.events(), *seeds.files("analyzers/decode/recordings/*.bin"))


def _kubeconfigs() -> Sequence[bytes]:
    return (*seeds.files("**/*kubeconfig*.yaml", "**/*kubeconfig*"), _SMALL_KUBECONFIG)


def _flow_files() -> Sequence[bytes]:
    from mitmproxy.io import FlowWriter
    from mitmproxy.test import tflow

    found: list[bytes] = []
    for one in seeds.exchanges()[::20]:
        flow = tflow.tflow(resp=one.response is not None, err=one.response is None)
        flow.request.method, flow.request.path = one.request.method or "GET", one.request.path or "/"
        flow.request.headers["Authorization"] = "Bearer a.b.c"
        if one.response is not None and flow.response is not None:
            flow.response.status_code, flow.response.content = one.response.status, one.response.body
        written = io.BytesIO()
        FlowWriter(written).add(flow)
        found.append(written.getvalue())
    return found


def _commands() -> Sequence[bytes]:
    return (
        b'{"argv":["kubectl","get"],"context":"a","credential":{"user":"a","file":"b","kinds":["c"],"options":{"a":"b"}},'
        b'"exit_status":1,"signal":"SIGINT","started":"2025-01-01T00:00:00Z","notices":["a"]}',
    )


_SMALL_KUBECONFIG = b"""apiVersion: v1
kind: Config
current-context: a
clusters: [{name: a, cluster: {server: 'https://a:6443', certificate-authority-data: YQ==}}]
users: [{name: a, user: {token: a, exec: {command: a, args: [b], env: [{name: a, value: b}]}}}]
contexts: [{name: a, context: {cluster: a, user: a, namespace: b}}]
"""


def _upgrades() -> Sequence[bytes]:
    return [one for file in seeds.files("analyzers/decode/upgraded/recordings/*.jsonl") if (one := _parts(file))]


def _parts(file: bytes) -> bytes:
    head, *parts, _ = [json.loads(line) for line in file.splitlines()]
    answer = Headers(map(tuple, head["response"]))
    protocol = answer.get("Sec-WebSocket-Protocol") or answer.get("X-Stream-Protocol-Version")
    written = f"{answer.get('Upgrade').lower()} {protocol} {head['path']}\n".encode()
    for side, data in parts:
        content = base64.b64decode(data)
        written += bytes((side == "client",)) + len(content).to_bytes(2) + content
    return written


TARGETS: tuple[Target, ...] = (
    Target(name="explain", run=_explain, seeds=_whole_files, share=6),
    Target(name="outputs", run=_outputs, seeds=seeds.wire_texts, share=6),
    Target(name="facts", run=_facts, seeds=_answers, share=6),
    Target(name="terminal", run=_reader(terminal.read), seeds=seeds.terminals, share=6),
    Target(name="statement", run=_statement, seeds=seeds.messages, share=6),
    Target(name="log-line", run=_log_line, seeds=seeds.lines, share=4),
    Target(name="server-words", run=_server_words, seeds=seeds.messages, share=4),
    Target(name="client-words", run=_client_words, seeds=seeds.messages, share=3),
    Target(name="error-codes", run=_error_codes, seeds=seeds.messages, share=1),
    Target(name="server-log", run=_server_log, seeds=seeds.lines, share=1),
    Target(
        name="kubectl-log",
        run=_kubectl_log,
        seeds=lambda: seeds.files("analyzers/readers/kubectl_log/*"),
        share=5,
        largest=16384,
    ),
    Target(name="curl", run=_curl, seeds=seeds.wire_texts, share=2),
    Target(name="recognise", run=recognise.recognise, seeds=_whole_files, share=1),
    Target(name="wire-text", run=_wire_text, seeds=seeds.wire_texts, share=3),
    Target(name="recording", run=_reader(recording.read), seeds=seeds.wire_texts, share=2),
    Target(name="json-text", run=_json_text, seeds=seeds.archives, share=2),
    Target(name="har", run=_reader(har_reader.read), seeds=seeds.archives, share=4, largest=16384),
    Target(name="har-entry", run=_har_entry, seeds=_entries, share=4),
    Target(name="command-info", run=_command_info, seeds=_commands, share=1),
    Target(name="audit", run=_reader(audit.read), seeds=seeds.audit_logs, share=4, largest=16384),
    Target(name="audit-event", run=_audit_event, seeds=seeds.audit_logs, share=2),
    Target(name="flows", run=_flows, seeds=_flow_files, share=2),
    Target(
        name="body",
        run=_body,
        seeds=lambda: seeds.files("analyzers/decode/recordings/*.gz") or (b"\x1f\x8b\x08\x00",),
        share=1,
    ),
    Target(name="cbor", run=_cbor, seeds=seeds.bodies, share=3),
    Target(name="certificate", run=_certificate, seeds=seeds.certificates, share=1),
    Target(name="headers", run=_headers, seeds=seeds.header_fields, share=3),
    Target(name="list-page", run=_list_page, seeds=lambda: seeds.files("analyzers/decode/list_page/*"), share=3),
    Target(name="managed-fields", run=_managed_fields, seeds=seeds.bodies, share=1),
    Target(name="protobuf", run=_protobuf, seeds=seeds.bodies, share=2),
    Target(name="request-info", run=_request_info, seeds=seeds.request_lines, share=3),
    Target(name="resource-version", run=_resource_version, seeds=seeds.bodies, share=1),
    Target(name="status", run=_status, seeds=_bodies_and_events, share=3),
    Target(name="table", run=_table, seeds=seeds.bodies, share=1),
    Target(name="body-reader", run=_body_reader, seeds=_bodies_and_events),
    Target(name="watch", run=_watch, seeds=_bodies_and_events, share=2),
    Target(name="upgraded", run=_upgraded, seeds=_upgrades, share=4),
    Target(name="watch-document", run=_watch_document, seeds=_watch_documents, share=1),
    Target(name="message", run=_message, seeds=seeds.messages, share=3),
    Target(name="redact-text", run=_redact_text, seeds=lambda: (*seeds.header_fields(), *seeds.messages()), share=3),
    Target(name="redact-entry", run=_redact_entry, seeds=_entries, share=2),
    Target(name="redact-body", run=_redact_body, seeds=_with_request, share=3),
    Target(name="kubeconfig", run=_kubeconfig, seeds=_kubeconfigs, share=2),
)
