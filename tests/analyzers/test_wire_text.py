from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers.decode.credential import Credential
from analyzers.exchange import Connection, Exchange, Failure, Headers, Request, Response, Timing
from analyzers.readers import wire_text

TESTS = Path(__file__).parent
RECORDINGS = sorted(TESTS.rglob("*.http"))

EXAMPLE = """\
# recorded from kube-apiserver v1.36.3: kubectl get pods, as jane
@cluster dev
@credential {"kind": "service-account-token", "subject": "system:serviceaccount:ci:deployer", "expires": 1795000000}
@client-certificate MAA=
@server-certificate MAE=
@connection {"peer": "127.0.0.1", "tls_version": "TLSv1.3", "verified": true}
@timing {"started": 1795000000.0, "connect": 0.001, "wait": 0.003}

> GET https://127.0.0.1:6443/api/v1/namespaces/prod/pods?limit=500 HTTP/1.1
> Accept: application/json
> Empty:
>
> body line
>
< HTTP/1.1 403 Forbidden
< Content-Type: application/json
<
< {"kind":"Status"}
---
@failure dial dial tcp 127.0.0.1:1: connect: connection refused
> CONNECT 127.0.0.1:1 HTTP/1.1
"""


def test_every_part_of_an_exchange_is_read() -> None:
    first, second = wire_text.read(EXAMPLE)
    assert first == Exchange(
        id=1,
        cluster="dev",
        request=Request(
            method="GET",
            host="127.0.0.1",
            port=6443,
            path="/api/v1/namespaces/prod/pods?limit=500",
            headers=Headers([("Accept", "application/json"), ("Empty", "")]),
            body=b"body line\n",
            body_bytes=10,
        ),
        response=Response(
            status=403,
            reason="Forbidden",
            headers=Headers([("Content-Type", "application/json")]),
            body=b'{"kind":"Status"}',
            body_bytes=17,
        ),
        credential=Credential(
            kind="service-account-token", subject="system:serviceaccount:ci:deployer", expires=1795000000
        ),
        connection=Connection(
            peer="127.0.0.1",
            tls_version="TLSv1.3",
            verified=True,
            client_certificates=(b"0\0",),
            server_certificates=(b"0\1",),
        ),
        timing=Timing(started=1795000000.0, connect=0.001, wait=0.003),
    )
    assert second == Exchange(
        id=2,
        request=Request(method="CONNECT", host="127.0.0.1", port=1, path="127.0.0.1:1"),
        failure=Failure(phase="dial", message="dial tcp 127.0.0.1:1: connect: connection refused"),
    )


def test_body_is_none_without_an_end_of_headers() -> None:
    (exchange,) = wire_text.read("> GET / HTTP/1.1\n< HTTP/1.1 204 No Content\n< Date: x\n")
    assert exchange.response is not None
    assert (exchange.request.body, exchange.response.body) == (None, None)


def test_target_without_a_host_takes_it_from_the_header() -> None:
    (exchange,) = wire_text.read("> GET /readyz HTTP/1.1\n> Host: [::1]:6443\n")
    assert (exchange.request.host, exchange.request.port, exchange.request.path) == ("::1", 6443, "/readyz")


def test_curl_comments_are_passed_over() -> None:
    assert len(wire_text.read("* Connected\n> GET https://h/ HTTP/1.1\n* done\n")) == 1


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n---\n"])
def test_text_without_exchanges_is_empty(text: str) -> None:
    assert wire_text.read(text) == ()


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("> GET https://h/ HTTP/1.1\nGET", 2, "begins with one of"),
        ("# a\n@colour red", 2, "@colour is not known"),
        ("> GET", 1, "METHOD URL"),
        ("---\n@timing 3", 2, "JSON object"),
        ('@timing {"colour": 1}', 1, "colour"),
        ("@failure weather rain", 1, "begins with one of .*dns"),
        ("@client-certificate ???", 1, ""),
        ("> GET / HTTP/1.1\n> nonsense", 2, "not a header field"),
        ("> GET / HTTP/1.1\n< HTTP/1.1 OK", 1, "OK"),
        ('@credential {"kind": "jwt", "token": "x"}', 1, "token"),
        ("@response-body hex", 1, "base64"),
        ("> GET https://h:port/ HTTP/1.1", 1, "port"),
        ("> GET / HTTP/1.1\n@error-event {}", 1, "without a response"),
    ],
)
def test_mistake_is_reported_with_its_line(text: str, line: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=rf"^line {line}: .*{complaint}"):
        wire_text.read(text)


@pytest.mark.parametrize("path", RECORDINGS, ids=[str(path.relative_to(TESTS)) for path in RECORDINGS])
def test_recordings_are_written_as_they_were_read(path: Path) -> None:
    exchanges = wire_text.read(path.read_text("utf-8"))
    assert exchanges
    assert wire_text.read(wire_text.write(exchanges)) == exchanges


def test_comment_comes_first() -> None:
    text = wire_text.write(wire_text.read(EXAMPLE), "one\n\ntwo")
    assert text.startswith("# one\n#\n# two\n@cluster dev\n")


names = st.text(alphabet="abcXYZ-019", min_size=1, max_size=8)
lines = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=12)
header_values = lines.map(lambda value: value.strip())
bodies = st.none() | st.binary(max_size=40) | st.text(alphabet="a<>@#-\n\r\t \u2028é", max_size=30).map(str.encode)
durations = st.none() | st.floats(0, 1e6)


@st.composite
def exchanges(draw: st.DrawFn, number: int = 1) -> Exchange:
    body, answer = draw(bodies), draw(bodies)
    headers = Headers(draw(st.lists(st.tuples(names, header_values), max_size=3)))
    response = Response(
        status=draw(st.integers(100, 599)),
        reason=draw(names),
        headers=headers,
        body=answer,
        body_complete=draw(st.booleans()),
        body_bytes=draw(st.integers(0, 99)),
        error_event=draw(st.none() | st.sampled_from([b"{}", b'{"a":\n1}', b"\xff", b"base64 e30="])),
    )
    return Exchange(
        id=draw(st.integers(1, 5)),
        request=Request(
            method=draw(st.sampled_from(["GET", "PATCH"])),
            scheme=draw(st.sampled_from(["http", "https"])),
            host=draw(st.sampled_from(["h.example", "::1"])),
            port=draw(st.sampled_from([443, 80, 6443])),
            path=draw(st.sampled_from(["/", "/a%20b?c=d&e", "/a//b?"])),
            headers=headers,
            body=body,
            body_bytes=len(body or b""),
        ),
        response=draw(st.none() | st.just(response)),
        failure=draw(st.none() | st.builds(Failure, phase=st.just("tls"), message=st.text('a"\n\r: é', max_size=9))),
        timing=Timing(started=draw(st.floats(0, 2e9)), connect=draw(durations), receive=draw(durations)),
        connection=draw(
            st.none()
            | st.builds(
                Connection,
                id=names,
                verified=st.none() | st.booleans(),
                client_certificates=st.lists(st.binary(max_size=9), max_size=2).map(tuple),
            )
        ),
        credential=draw(
            st.none() | st.builds(Credential, kind=st.just("jwt"), subject=lines, groups=st.lists(lines).map(tuple))
        ),
        cluster=draw(names),
        live=draw(st.booleans()),
    )


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(exchanges(), max_size=3))
def test_whatever_is_written_is_read_back(given: list[Exchange]) -> None:
    assert wire_text.read(wire_text.write(given)) == tuple(given)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(alphabet='><@#-* \n:/HTP1.2aGET{}[]"b', max_size=80))
def test_any_other_text_is_read_or_refused_with_a_line(text: str) -> None:
    try:
        wire_text.read(text)
    except ValueError as refused:
        complaint = str(refused)
    else:
        return
    assert complaint.startswith("line ")
