"""No reader raises, loses what it was given, or looks at the same text again and again, whatever stands in it.

Where time is at stake the input is so long that a reader which tries everything would not end; nothing is measured.
"""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analyzers.command import Story
from analyzers.decode import audit_event
from analyzers.decode.credential import Credential
from analyzers.decode.untrusted import parse_json
from analyzers.exchange import Connection, Exchange, Headers, Request, Response, Timing
from analyzers.explain import explain
from analyzers.output import explained
from analyzers.output import json as json_output
from analyzers.readers import (
    audit,
    curl,
    gather,
    kubectl_log,
    log_line,
    recognise,
    server_log,
    server_words,
    statement,
    terminal,
    wire_text,
)
from analyzers.readers.passage import Passage
from analyzers.readers.source import LONGEST_LINE, Source

steady = settings(derandomize=True, deadline=None, max_examples=200)
KLOG = "I1122 19:46:47.520679   10434 "
LONG = 60_000


def source(data: bytes) -> Source:
    return Source(io.BytesIO(data))


def told(passages: Iterable[Passage]) -> str:
    """Everything that is written of the passages, as text and as JSON."""
    items = list(explain(passages))
    texts = [explained.item_text(item, "a", marks=True, color=True) for item in items]
    objects = ",".join(explained.item_json(item, "a") for item in items)
    return "".join((*texts, json.dumps(json.loads(f"[{objects}]"), ensure_ascii=False)))


# Any JSON value in any place

KEYS = st.sampled_from([
    "auditID", "verb", "user", "username", "groups", "extra", "objectRef", "responseStatus", "status", "code",
    "message", "requestURI", "annotations", "requestObject", "details", "causes", "sourceIPs", "stage",
    "impersonatedUser", "requestReceivedTimestamp", "items", "kind", "name", "",
])  # fmt: skip
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6),
    st.sampled_from(["\ud800", "9" * 5000, "0001-01-01T00:00:00+14:00", "https://[", "GET", "Failure", 1 << 70]),
)  # fmt: skip
DOCUMENTS: st.SearchStrategy[Any] = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
EVENT = {
    "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "a", "stage": "ResponseComplete", "verb": "create",
    "requestURI": "/api/v1/namespaces/a/pods", "user": {"username": "jane", "groups": ["a"], "extra": {"a": ["b"]}},
    "objectRef": {"resource": "pods", "namespace": "a"}, "responseStatus": {"status": "Failure", "code": 409},
    "requestReceivedTimestamp": "2026-11-22T19:46:47.5Z", "annotations": {"authorization.k8s.io/reason": "a"},
}  # fmt: skip


def places(document: Any) -> list[tuple[Any, ...]]:
    """The way to every value inside ``document``."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [way for key, value in inner for way in ((key,), *((key, *rest) for rest in places(value)))]


def with_value(document: Any, way: tuple[Any, ...], value: Any) -> Any:
    changed = json.loads(json.dumps(document))
    at = changed
    for step in way[:-1]:
        at = at[step]
    at[way[-1]] = value
    return changed


@steady
@given(way=st.sampled_from(places(EVENT)), value=DOCUMENTS)
def test_audit_log_takes_any_value_in_any_place(way: tuple[Any, ...], value: Any) -> None:
    event = with_value(EVENT, way, value)
    if (found := audit_event.decode(parse_json(json.dumps(event)))) is not None:
        audit_event.exchange(found)
    told(audit.read(source(json.dumps(event).encode() + b"\n")))


@pytest.mark.parametrize("depth", [500, 3000, 20_000])
def test_audit_event_that_is_nested_without_end_is_left_alone(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    told(audit.read(source(f'{{"a":{nested},"c":{{"code": 404}},"auditID":1}}\n'.encode())))


# What was written is read again

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
LINES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
TOKENS = st.text("abcXYZ019-_.:/", min_size=1, max_size=12)
SECONDS = st.none() | st.floats(-1e9, 1e9, allow_nan=False)


@steady
@given(
    timing=st.builds(Timing, started=st.floats(0, 4e9), connect=SECONDS, wait=SECONDS),
    credential=st.none() | st.builds(Credential, kind=st.just("jwt"), subject=WORDS, groups=st.lists(WORDS).map(tuple)),
    connection=st.none() | st.builds(Connection, peer=WORDS, verified=st.none() | st.booleans()),
    fields=st.lists(st.tuples(TOKENS.map(lambda name: name.replace(":", "")).filter(bool), TOKENS), max_size=3),
    body=st.none() | st.binary(max_size=60),
)
def test_wire_text_gives_back_what_was_written(
    timing: Timing,
    credential: Credential | None,
    connection: Connection | None,
    fields: list[tuple[str, str]],
    body: bytes | None,
) -> None:
    exchange = Exchange(
        id=1,
        request=Request(method="GET", host="a", path="/api", headers=Headers(fields), http_version="HTTP/1.1"),
        response=Response(
            status=403, reason="Forbidden", headers=Headers(fields), body=body, body_bytes=len(body or b"")
        ),
        timing=timing,
        credential=credential,
        connection=connection,
    )
    assert wire_text.read(wire_text.write([exchange])) == (exchange,)


@pytest.mark.parametrize(
    "line",
    [
        '@timing {"connect": "1"}', '@timing {"started": null}', '@timing {"started": 1e400}', '@timing {"wait": true}',
        '@connection {"peer": 1}', '@connection {"verified": "yes"}', '@connection {"sni": "\\ud800"}',
        '@credential {}', '@credential {"kind": []}', '@credential {"kind": "jwt", "groups": [1]}',
        '@credential {"kind": "jwt", "expires": "1"}', '@failure dial "\\ud800"',
    ],
)  # fmt: skip
def test_wire_text_refuses_a_value_of_another_type(line: str) -> None:
    with pytest.raises(ValueError, match=r"^line 1: "):
        wire_text.read(line)


def go_quoted(text: str) -> str:
    """strconv.Quote of Go."""
    short = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v", '"': '"', "\\": "\\"}
    quoted = ""
    for character in text:
        code = ord(character)
        if character in short:
            quoted += f"\\{short[character]}"
        elif character.isprintable():
            quoted += character
        elif code < 0x80:
            quoted += f"\\x{code:02x}"
        else:
            quoted += f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return f'"{quoted}"'


@steady
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters='\n\t"\\'), max_size=60))
@example(text='a "b" \\ \n c=<\n')
@example(text="\U000e0001\u200b\xa0")
def test_what_go_quoted_in_a_log_is_read_as_it_was(text: str) -> None:
    log = kubectl_log.KubectlLog()
    log.take(f'"Request" verb="GET" url="https://a/api" headers={go_quoted(f"X-Test: {text}")}', 1)
    log.take('"Response" status="200 OK" milliseconds=1', 2)
    log.take(f'"Response Body" body={go_quoted(text)}', 3)
    ((_, exchange),) = log.exchanges()
    assert exchange.response is not None
    assert (exchange.response.body or b"").decode() == text


@steady
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60))
def test_prefix_of_klog_is_taken_off_and_nothing_else(text: str) -> None:
    found = log_line.read(f"{KLOG}memcache.go:265] {text}")
    assert (found.said, found.file, found.level) == (text.rstrip(), "memcache.go", "info")


@steady
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\\"), max_size=60))
def test_what_a_logger_escaped_is_unescaped(text: str) -> None:
    escaped = text.replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    assert log_line.unescaped(escaped) == text or "\\" not in escaped


# Found by the fuzzer


def test_log_that_names_no_url_is_no_command() -> None:
    found = list(terminal.read(source(f"{KLOG}round_trippers.go:553] GET http://:n".encode())))
    assert [passage.exchanges for passage in found] == [()]


@pytest.mark.parametrize("data", [b"\0\0", b"a\0b", b"\xff\xfe\0", b"\xfe\xff\xd8\0", b"a\0\n\0\0"])
def test_what_looks_like_utf16_and_is_none_is_read(data: bytes) -> None:
    assert list(terminal.read(source(data)))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_what_powershell_wrote_is_read(encoding: str) -> None:
    said = 'Error from server (Forbidden): pods is forbidden: User "jäne" cannot list resource "pods"\r\n'
    (passage,) = terminal.read(source(said.encode(encoding)))
    assert passage.exchanges


def test_port_of_many_digits_is_no_port() -> None:
    found = curl.read(["> GET /api HTTP/1.1", f"> Host: a:{'9' * 5000}", "< HTTP/1.1 403 Forbidden"])
    assert found is not None
    assert found.request.port == 80


@pytest.mark.parametrize(
    "said",
    [
        f"GET https://a/api 403 Forbidden in {'9' * 5000} milliseconds",
        f'"Response" verb="GET" url="https://a/api" status="403 Forbidden" milliseconds={"9" * 5000}',
        f'"Response" verb="GET" url="https://a/api" status="{"9" * 5000}" milliseconds=1',
    ],
)
def test_number_of_many_digits_in_a_log_is_none(said: str) -> None:
    log = kubectl_log.KubectlLog()
    log.take('"Request" verb="GET" url="https://a/api"', 1)
    log.take(said, 2)
    log.take(f"HTTP Statistics: DNSLookup {'9' * 5000} ms", 3)
    assert [exchange.request.path for _, exchange in log.exchanges()] == ["/api"]


def test_half_a_surrogate_pair_in_a_log_can_be_written() -> None:
    text = f'{KLOG}x.go:1] "Response" verb="GET" url="https://a/\\ud800" status="403 \\udfff" milliseconds=1'
    told(terminal.read(source(text.replace("x.go", "round_trippers.go").encode()))).encode()


def test_code_of_many_digits_in_a_status_is_none() -> None:
    text = '{"kind":"Status","status":"Failure","message":"pods \\"a\\" not found","code":"' + "9" * 5000 + '","a'
    found = statement.read(text)
    assert found is not None
    assert found.response is not None
    assert found.response.status == 404


def test_number_that_no_float_holds_leaves_json_valid() -> None:
    exchange = wire_text.read(
        "> POST https://a/api/v1/namespaces/a/pods HTTP/1.1\n> Content-Type: application/json\n>\n"
        '> {"kind":"Pod","spec":{"a":1}}\n'
        '< HTTP/1.1 201 Created\n< Content-Type: application/json\n<\n< {"kind":"Pod","spec":{"a":1e4000,"b":NaN}}\n'
    )

    def no_json(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(json_output.render(Story.of(exchange)), parse_constant=no_json)


# Time and memory


@pytest.mark.parametrize("head", [b"\n" * 300, b"\r\n \n" * 300, b"#\n\n" * 300, b"@a\n \n" * 300])
def test_kind_of_a_file_of_empty_lines_is_told(head: bytes) -> None:
    recognise.recognise(head + b"INFO")


@pytest.mark.parametrize(
    "said",
    [
        '"HTTP" verb="GET" URI="/" audit-ID="" ' * (LONG // 30),
        "GET /: (" + "1" * LONG,
        "[[" * LONG,
    ],
)
def test_line_that_is_nearly_of_an_access_log_is_looked_at_once(said: str) -> None:
    assert server_log.read(said) is None


@pytest.mark.parametrize(
    "said",
    [
        '"Request" ' + "a" * LONG,
        '"Request" ' + "a=<\n" * (LONG // 4),
        "curl -v -XGET 'https://" * (LONG // 20),
        "Response Headers:" + "\n" * LONG,
        "HTTP Trace: " + "Dial failed " * (LONG // 12),
        "server response object: [{" * (LONG // 26),
    ],
)
def test_line_that_is_nearly_of_a_request_is_looked_at_once(said: str) -> None:
    kubectl_log.KubectlLog().take(said, 1)


@pytest.mark.parametrize(
    "text",
    [
        "a" * LONG, "a." * LONG, "A" * LONG, "lookup " + "a" * LONG, "lookup " * LONG, "x" + " " * LONG + "y",
        "x" + "\n" * LONG + "y", "404 A" + " " * LONG + "x", "policy '' with binding '' " * LONG,
        "The Pod \"a\" is invalid: " + "a" * LONG, "conversion webhook for " + "a" * LONG, 'conflicts with "' * LONG,
        "an error on the server (\"" * LONG, "oidc: " * LONG, "c.contai" * LONG,
    ],
)  # fmt: skip
def test_long_text_is_looked_at_once(text: str) -> None:
    statement.read(text)
    server_words.recognise(text[: 16 * 1024])


@pytest.mark.parametrize("line", ['{\n"' + '\\"' * (LONG // 2), "x$A=" * (LONG // 4), "$ " + "A=" * (LONG // 2)])
def test_long_line_of_a_terminal_is_looked_at_once(line: str) -> None:
    assert list(gather.statements(source(line.encode())))


def test_lines_are_put_together_from_blocks_that_end_anywhere() -> None:
    class Drops:
        def __init__(self, data: bytes) -> None:
            self._left = data

        def read(self, size: int, /) -> bytes:
            part, self._left = self._left[:3], self._left[3:]
            return part

    text = b"\n\nab\nabc\nabcdefg\n\nabcdefghijk"
    assert list(Source(Drops(text)).lines()) == [b"\n", b"\n", b"ab\n", b"abc\n", b"abcdefg\n", b"\n", b"abcdefghijk"]


class Repeated:
    """A stream of one block, again and again."""

    def __init__(self, block: bytes, times: int) -> None:
        self._block = block
        self._times = times

    def read(self, size: int, /) -> bytes:
        self._times -= 1
        return self._block if self._times >= 0 else b""


@pytest.mark.parametrize("block", [b"a" * (1 << 20), b"[" * (1 << 20)])
def test_line_without_end_is_held_twice_at_most(block: bytes) -> None:
    tracemalloc.start()
    try:
        for _ in terminal.read(Source(Repeated(block, 100))):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.2 * LONGEST_LINE


def test_utf16_without_end_is_read_line_by_line() -> None:
    line = ("a" * 999 + "\n").encode("utf-16-le")
    tracemalloc.start()
    try:
        for _ in gather.statements(Source(Repeated(line * 500, 20))):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 << 20
