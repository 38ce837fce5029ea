"""No decoder raises, whatever it is given: made-up input from the alphabets that the real one is written in."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analyzers import admission_diff, answer, redact
from analyzers.classify import classify
from analyzers.decode import (
    body,
    cbor,
    certificate,
    credential,
    flow_control,
    impersonation,
    protobuf,
    request_info,
    resource_version,
    status,
    table,
    warning,
    watch,
)
from analyzers.decode.untrusted import parse_json
from analyzers.exchange import Exchange, Headers, Request, Response
from analyzers.facts import Facts
from analyzers.kubeconfig import syntax
from analyzers.readers import wire_text

RECORDINGS = Path(__file__).parent / "recordings"
steady = settings(derandomize=True, deadline=None, max_examples=300)

segments = st.sampled_from(
    ["api", "apis", "v1", "v1beta1", "apps", "namespaces", "watch", "proxy", "pods", "status", "..", "%2F", "%", "%zz",
     "[x", "]", ":", "@", "//", "", "é", "\ud800", "\x00"]
)  # fmt: skip
paths = st.one_of(
    st.lists(segments, max_size=9).map(lambda parts: "/" + "/".join(parts)),
    st.text(alphabet="/?&=%;+#[]@:.abz09é\x00", max_size=60),
)
queries = st.lists(
    st.sampled_from(["watch", "watch=1", "limit=", "limit=9999999999999999999999", "fieldSelector=metadata.name=a",
                     "fieldSelector=\\", "fieldSelector=a%3D%3Db,,c!=", "=", "a=b=c", "%=%", "limit=1_0", "limit=٣"])
).map("&".join)  # fmt: skip
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["kind", "apiVersion", "status", "message", "reason", "code", "details", "causes", "metadata",
                         "object", "type", "rows", "columnDefinitions", "name", "sub", "exp", "aud", "kubernetes.io"]),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip
texts = st.text(alphabet='{}[]",:\\\n dekinStausERO"typjc0123-é\ud800\x00', max_size=80)
contents = st.one_of(
    st.binary(max_size=200),
    json_values.map(lambda value: json.dumps(value).encode("utf-8", "replace")),
    texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=100).map(lambda data: protobuf.MAGIC + data),
    st.binary(max_size=100).map(lambda data: cbor.MAGIC + data),
    st.binary(max_size=60).map(lambda data: cbor.MAGIC + b"\xa3\x44kind\x46Status\x46status\x47Failure" + data),
    st.binary(max_size=60).map(lambda data: cbor.MAGIC + b"\xa2\x44type\x45ERROR\x46object\xbf" + data),
    st.binary(max_size=60).map(lambda data: protobuf.MAGIC + b"\x0a\x0c\x0a\x02v1\x12\x06Status\x12" + data),
)
deep = [b"[" * 100_000, b'{"a":' * 100_000, b'{"kind":"Status","details":' + b"[" * 5000 + b"]" * 5000 + b"}"]
base64ish = st.one_of(
    st.text(alphabet="abcXYZ019-_=+/. ", max_size=30),
    json_values.map(lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")),
)
tokens = st.one_of(
    st.lists(base64ish, min_size=1, max_size=5).map(".".join),
    base64ish.map(lambda text: "k8s-aws-v1." + text),
    st.sampled_from(["https://[x/?X-Amz-Date=1", "?X-Amz-Date=99999999T999999Z", "//"]).map(
        lambda url: "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
    ),
)
values = st.one_of(
    st.text(max_size=40),
    tokens.map(lambda token: f"Bearer {token}"),
    base64ish.map(lambda text: f"Basic {text}"),
    tokens.map(lambda token: f"v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.{token}"),
    st.text(alphabet='299 -"\\,=?utf8Qqé\xff', max_size=40),
)
fields = st.lists(
    st.tuples(
        st.sampled_from(["Authorization", "Sec-WebSocket-Protocol", "Warning", "Impersonate-User", "Retry-After",
                         "Impersonate-Extra-%zz", "X-Kubernetes-Pf-Flowschema-Uid", "Content-Type", "Audit-Id", ""]),
        values,
    ),
    max_size=5,
)  # fmt: skip


@steady
@given(method=st.sampled_from(["GET", "POST", "DELETE", "get", "", "\ud800"]), path=paths, query=queries)
@example(method="GET", path="//[x", query="")
def test_request_info_is_total(method: str, path: str, query: str) -> None:
    info = request_info.decode(method, f"{path}?{query}")
    assert isinstance(info.phrase, str)
    assert not info.is_resource_request or info.resource is not None


@steady
@given(content=contents, content_type=st.sampled_from(["application/json", "application/yaml", "text/plain", ""]))
@example(content=deep[0], content_type="application/yaml")
@example(content=deep[1], content_type="application/json")
@example(content=deep[2], content_type="application/json")
@example(content=b"&a [*a]", content_type="application/yaml")
@example(content=b'{"kind":"Status","code":' + b"9" * 5000 + b"}", content_type="")
@example(content=b"kind: Status\nmessage: 2001-13-45\ncode: 0x_\n", content_type="application/yaml")
def test_status_is_total(content: bytes, content_type: str) -> None:
    for found in (status.decode(content, content_type), status.decode_event(content)):
        if found is not None:
            json.dumps(status.document(found)).encode()
            found.message.encode()


@steady
@given(content=contents)
@example(content=deep[0])
@example(content=deep[1])
def test_readers_of_bodies_are_total(content: bytes) -> None:
    table.decode(content)
    table.decode(b'{"kind":"Table",' + content[1:])
    assert isinstance(resource_version.decode(content), str)
    reader = watch.WatchReader()
    reader.feed(content[: len(content) // 2], 0.0)
    reader.feed(content[len(content) // 2 :], 0.0)
    found = reader.watch.error_event
    assert found is None or b"ERROR" in found


@steady
@given(
    data=st.binary(max_size=300),
    encoding=st.sampled_from(["gzip", "deflate", "br", "", "\ud800"]),
    cut=st.integers(0, 300),
)
def test_content_encodings_are_total(data: bytes, encoding: str, cut: int) -> None:
    decoder = body.Decoder(encoding)
    assert isinstance(decoder.feed(data[:cut]) + decoder.feed(data[cut:]), bytes)


@steady
@given(fields=fields)
def test_readers_of_header_fields_are_total(fields: list[tuple[str, str]]) -> None:
    found = credential.decode(fields)
    assert found is None or found.phrase.isprintable() or not found.phrase.isascii()
    impersonation.decode(fields)
    flow_control.decode(fields)
    for text in warning.decode(fields):
        text.encode()


@steady
@given(place=st.integers(0, 900), byte=st.integers(0, 255), cut=st.integers(0, 900))
def test_certificate_is_total(place: int, byte: int, cut: int) -> None:
    exchange = wire_text.read((RECORDINGS / "status_json.http").read_text("utf-8"))[0]
    assert exchange.connection is not None
    der = bytearray(exchange.connection.server_certificates[0])
    der[place % len(der)] = byte
    found = certificate.decode(bytes(der))
    assert found is None or len(found.fingerprint) == 64
    certificate.decode(bytes(der[:cut]))


@steady
@given(path=paths, fields=fields, content=contents, code=st.integers(100, 599), event=st.none() | contents)
def test_facts_are_total(
    path: str, fields: list[tuple[str, str]], content: bytes, code: int, event: bytes | None
) -> None:
    facts = Facts.of(
        Exchange(
            id=1,
            request=Request(method="GET", path=path, headers=Headers(fields)),
            response=Response(status=code, headers=Headers(fields), body=content, error_event=event),
            credential=credential.decode(fields),
        )
    )
    read: list[Callable[[], object]] = [
        lambda name=name: getattr(facts, name)
        for name, attribute in vars(Facts).items()
        if not name.startswith("_") and hasattr(attribute, "__get__") and not callable(attribute)
    ]
    assert len(read) > 10
    for fact in read:
        fact()
    assert isinstance(facts.user, str)


@pytest.mark.parametrize("data", [b"\xff" * 20, b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"\x00", b"\x0b"])
def test_message_that_makes_no_sense_is_incomplete(data: bytes) -> None:
    assert not protobuf.Message(data).complete


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "-Infinity"])
def test_number_that_json_cannot_write_is_none(number: str) -> None:
    assert parse_json(f'[{number}, "\\u0000", 1.5]') in ([0.0, "\0", 1.5], [None, "\0", 1.5])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_in_any_encoding_of_it_is_read(encoding: str) -> None:
    assert parse_json('{"a": "ü"}'.encode(encoding)) == {"a": "ü"}


def test_url_in_a_query_is_left_there() -> None:
    assert request_info.decode("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dhttps://a/b").resource == "pods"
    assert request_info.decode("GET", "/api/v1/namespaces/https://a/api/v1/nodes").resource != "nodes"
    assert request_info.decode("GET", "https://a:6443/api/v1/nodes").resource == "nodes"


STRANGE_YAML = [b"a: !!int ''", b"a: !!bool a", b"a: !!timestamp a", b"a: !!float a", b"&a [*a, *a]", b"? [a]\n: b",
                b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' * 3000 + b"1" + b"}" * 3000]  # fmt: skip


@pytest.mark.parametrize("content", STRANGE_YAML, ids=range(len(STRANGE_YAML)))
def test_yaml_that_cannot_be_loaded_is_left_out(content: bytes) -> None:
    status.decode(content, "application/yaml")
    redact.body(content, "application/yaml")
    exchange = Exchange(
        id=1,
        request=Request(
            method="POST",
            path="/api/v1/namespaces/a/pods",
            headers=Headers([("Content-Type", "application/yaml")]),
            body=content,
        ),
        response=Response(status=201, body=b'{"kind":"Pod","spec":{"a":1}}'),
    )
    admission_diff.of(exchange)


@pytest.mark.parametrize("content", STRANGE_YAML, ids=range(len(STRANGE_YAML)))
def test_kubeconfig_that_cannot_be_loaded_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(syntax.KubeconfigError, match=r"^error loading config file [^\n]*$"):
        syntax.parse(content, Path("config"))


@pytest.mark.parametrize(
    "text",
    ["policy '" * 20_000, "policy '' with binding '" * 5_000, "a" * 100_000 + "://",
     "failed to create typed patch object (a; b): .-" + "-.1." * 20_000],
)  # fmt: skip
def test_long_text_is_looked_at_once(text: str) -> None:
    answered = Exchange(
        id=1,
        request=Request(method="GET", path=text),
        response=Response(status=403, body=json.dumps({"kind": "Status", "message": text, "code": 403}).encode()),
    )
    facts = Facts.of(answered)
    classify(answered)
    request_info.decode("GET", text)
    assert not answer.from_policy(facts)
