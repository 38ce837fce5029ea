"""A HAR is as the specification has it whatever went over the wire."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from analyzers.decode.upgraded.reader import UpgradedReader
from analyzers.exchange import Connection, Exchange, Failure, FailurePhase, Headers, Request, Response, Timing
from analyzers.output import har
from tests import har_schema

HOSTS = st.sampled_from(["10.0.0.1", "api.example", "fd00::1", "[x", "xn--bcher-kva"])
PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30)
PATHS = st.one_of(
    PRINTABLE.map(lambda text: f"/{text}"),
    st.sampled_from([
        "/api/v1/namespaces/n/pods?a=%zz&a=%ff&=&b", "/api/v1/namespaces/n/secrets/s?watch=1", "//[x", "/?#", "/a#b?c",
        "/api/v1/namespaces/n/pods/p/exec?command=sh&command=canary", "/apis/a/v1/b;c?d=e;f&%00=%0a",
    ]),
)  # fmt: skip
TYPES = st.sampled_from(
    ["", "application/json", "text/html; charset=utf-8", "application/apply-patch+yaml", "text/plain"]
)
HEADERS = st.lists(
    st.tuples(st.sampled_from(["X-A", "Location", "Set-Cookie", "Cookie", "Content-Encoding"]), st.text(max_size=8)),
    max_size=3,
)
BODIES = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.sampled_from(
        [b'{"kind":"Pod","metadata":{"name":"p"}}', b'{"items":[{"metadata":7},null]}', b"<html>", b"\xff"]
    ),
)
SECONDS = st.one_of(st.none(), st.floats(0, 1e6), st.sampled_from([-1.0, 1e-9]))
TIMES = st.one_of(st.just(0.0), st.floats(0, 4e9), st.sampled_from([-1e18, 1e18]))
PHASES: st.SearchStrategy[FailurePhase] = st.sampled_from(["proxy", "dns", "dial", "tls", "request", "response"])


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A body, whole, in part or not kept, and how long it was said to be."""
    body, kept = draw(BODIES), draw(st.booleans())
    kind = draw(TYPES)
    headers = Headers([*draw(HEADERS), ("Content-Type", kind)])
    length = draw(st.integers(0, 10**12))
    encoded = headers.get("Content-Encoding").lower() not in ("", "identity")
    if kept and not encoded:
        length = len(body or b"")
    if not length:
        body = None  # nothing came
    return {"headers": headers, "body": body, "body_bytes": length, "body_complete": kept if length else True}


@st.composite
def requests(draw: st.DrawFn) -> Request:
    method = draw(st.sampled_from(["GET", "POST", "PATCH", "CONNECT", "M-SEARCH"]))
    path = "api.example:6443" if method == "CONNECT" else draw(PATHS)
    scheme = draw(st.sampled_from(["https", "http"]))
    return Request(method=method, host=draw(HOSTS), port=draw(st.integers(1, 65535)), scheme=scheme, path=path,
                   **draw(bodies()))  # fmt: skip


@st.composite
def responses(draw: st.DrawFn) -> Response:
    counted = draw(st.one_of(st.none(), st.integers(0, 10**12)))
    status = draw(st.sampled_from([200, 201, 403, 404, 500, 999]))
    return Response(status=status, reason=draw(st.text(max_size=9)), decoded_bytes=counted, **draw(bodies()))


EXCHANGES = st.builds(
    Exchange,
    id=st.integers(1, 99),
    request=requests(),
    response=st.one_of(st.none(), responses()),
    failure=st.one_of(st.none(), st.builds(Failure, phase=PHASES, message=st.text(max_size=20))),
    timing=st.builds(Timing, started=TIMES, connect=SECONDS, tls=SECONDS, send=SECONDS, wait=SECONDS, receive=SECONDS),
    connection=st.one_of(
        st.none(),
        st.builds(Connection, id=PRINTABLE, peer=st.sampled_from(["", "10.0.0.1:6443", "::1", "[::1]:6443", "x:y:z"])),
    ),
    live=st.booleans(),
    asked=st.booleans(),
)


@given(st.lists(EXCHANGES, max_size=4), st.booleans())
def test_archive_of_any_exchanges_is_as_the_specification_has_it(exchanges: list[Exchange], bodies: bool) -> None:
    text = har.head("1.0") + har.SEPARATOR.join(har.entry_text(one, bodies=bodies) for one in exchanges) + har.TAIL
    log = har_schema.check(text.encode("utf-8", "replace"))
    assert len(log["entries"]) == len(exchanges)


@given(EXCHANGES, st.lists(st.tuples(st.booleans(), st.binary(max_size=40), TIMES.filter(lambda at: 0 <= at < 1e12))))
def test_archive_of_any_upgraded_connection_is_as_the_specification_has_it(
    exchange: Exchange, parts: list[tuple[bool, bytes, float]]
) -> None:
    answer = Headers([("Upgrade", "websocket"), ("Sec-WebSocket-Protocol", "v5.channel.k8s.io")])
    reader = UpgradedReader("/api/v1/namespaces/n/pods/p/exec", Headers(), answer)
    for from_client, data, at in parts:
        (reader.feed_client if from_client else reader.feed_server)(data, at)
    told = reader.upgraded
    response = Response(status=101, headers=answer, body_bytes=told.server_bytes, stream=told)
    asked = replace(exchange.request, method="GET", path="/api/v1/namespaces/n/pods/p/exec")
    entry = har.entry(replace(exchange, request=asked, response=response))
    assert har_schema.entry_faults(entry) == []
    assert "_webSocketMessages" in entry
