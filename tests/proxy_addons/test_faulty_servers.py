"""Servers that lie, dribble, flood and speak in no known characters: nothing hangs, and the cause is told."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import resource
import sys
import threading
from pathlib import Path

import pytest
from OpenSSL import SSL

from analyzers.command import Story
from analyzers.output import har, text
from tests.proxy_addons.api_server import server_context
from tests.proxy_addons.running_proxy import client_context, wait_for

BROKEN = (OSError, http.client.HTTPException)
GET = "GET /api/v1/pods HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def saying(*parts: bytes):
    """A server that answers the first request of a connection with ``parts``, and hangs up."""

    def converse(peer) -> None:
        if peer.request():
            for part in parts:
                peer.send(part)

    return converse


def test_length_that_is_too_long_is_told_as_a_break(bench) -> None:
    bench.start(saying(HEAD + b"Content-Length: 100\r\n\r\n{}"))
    with bench.client().open() as client, pytest.raises(BROKEN):
        client.request()
    exchange = bench.proxy.exchange
    assert (exchange.failure.phase, exchange.failure.message) == ("response", "unexpected EOF")
    assert not exchange.response.body_complete or exchange.response.body == b"{}"


def test_what_is_over_a_length_that_is_too_short_is_nobodys_answer(bench) -> None:
    """It must not be taken for the answer to what the client asks next."""

    def converse(peer) -> None:
        while request := peer.request():
            if request.line.startswith("GET /first"):
                peer.send(HEAD + b"Content-Length: 2\r\n\r\n{}" + HEAD + b"Content-Length: 8\r\n\r\nsmuggled")
            else:
                peer.answer(b'"second"')

    bench.start(converse)
    with bench.client().open() as client:
        assert client.request(path="/first") == (200, b"{}")
        with contextlib.suppress(*BROKEN):
            assert b"smuggled" not in client.request(path="/second")[1]
    with bench.client().open() as client:
        assert client.request(path="/third") == (200, b'"second"')


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
        b"Content-Length: -1\r\n\r\n{}",
        b"Content-Length: two\r\n\r\n{}",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n",
        b"Transfer-Encoding: nonsense\r\n\r\n{}",
    ],
    ids=repr,
)
def test_framing_that_makes_no_sense_ends_the_answer_and_is_recorded(bench, framing: bytes) -> None:
    bench.start(saying(HEAD + framing))
    with bench.client().open() as client, contextlib.suppress(*BROKEN):
        client.request()
    exchange = bench.proxy.exchange
    assert exchange.failure is not None
    assert exchange.failure.phase == "response"
    assert exchange.failure.message
    with bench.client().open() as client, contextlib.suppress(*BROKEN):
        client.request()
    bench.proxy.take(2)


def test_length_that_no_machine_counts_is_told_as_a_break(bench) -> None:
    bench.start(saying(HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n{}"))
    with bench.client().open() as client:
        client.send(GET)
        got = b""
        while more := client.recv():
            got += more
    assert got.endswith(b"\r\n\r\n{}")
    assert bench.proxy.exchange.failure.message == "unexpected EOF"


@pytest.mark.parametrize("cut", [1, 9, 30])
def test_gzip_that_is_cut_off_passes_and_the_rest_is_told_as_missing(bench, cut: int) -> None:
    body = gzip.compress(b'{"kind":"PodList","items":[' + b"{}," * 1000 + b"{}]}")[:-cut]
    bench.start(saying(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
    with bench.client().open() as client:
        assert client.request(fields=["Accept-Encoding: gzip"]) == (200, body)
    assert bench.proxy.exchange.response.body_bytes == len(body)


def test_answer_that_comes_byte_by_byte_passes_byte_by_byte(bench) -> None:
    go_on = threading.Semaphore(0)
    answer = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

    def converse(peer) -> None:
        peer.request()
        for at in range(len(answer)):
            peer.send(answer[at : at + 1])
        for number in range(5):
            peer.chunk(b"%d\n" % number)
            assert go_on.acquire(timeout=20)
        peer.send(b"0\r\n\r\n")

    bench.start(converse)
    with bench.client().open() as client:
        client.send(GET)
        response = client.response()
        for number in range(5):  # each is there before the next is sent
            assert response.read(2) == b"%d\n" % number
            go_on.release()
        assert response.read() == b""
        response.close()
    assert bench.proxy.exchange.failure is None


def test_second_answer_to_one_request_does_not_reach_the_client(bench) -> None:
    bench.start(saying(HEAD + b"Content-Length: 2\r\n\r\n{}", HEAD + b"Content-Length: 5\r\n\r\nagain"))
    with bench.client().open() as client:
        assert client.request() == (200, b"{}")
        with contextlib.suppress(*BROKEN):
            assert b"again" not in client.request()[1]


@pytest.mark.parametrize(
    "before",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n",
    ],
)
def test_answers_before_the_answer_are_passed_over(bench, before: bytes) -> None:
    def converse(peer) -> None:
        while peer.request():
            peer.send(before[:20])
            peer.send(before[20:] + HEAD + b"Content-Length: 2\r\n\r\n{}")

    bench.start(converse)
    with bench.client().open() as client:
        for _ in range(2):
            assert client.request() == (200, b"{}")
    assert [exchange.response.status for exchange in bench.proxy.take(2)] == [200, 200]


def test_client_is_answered_on_a_new_connection_after_the_server_said_close(bench) -> None:
    def converse(peer) -> None:
        peer.request()
        peer.answer(b"{}", "200 OK", "Connection: close")

    bench.start(converse)
    for _ in range(3):
        with bench.client().open() as client:
            assert client.request() == (200, b"{}")
    assert all(exchange.failure is None for exchange in bench.proxy.take(3))


def test_no_connection_can_be_ended_by_a_goaway(bench, leaf, authority) -> None:
    """kube-apiserver sends one to HTTP/2 only: after a 401, with --goaway-chance, and when it goes down."""
    offered: list[bytes] = []

    def choose(_connection: SSL.Connection, protocols: list[bytes]) -> bytes:
        offered.extend(protocols)
        return protocols[0]

    context = server_context(leaf)
    context.set_alpn_select_callback(choose)
    bench.start(context=context)
    mine = client_context(bench.proxy.ca)
    mine.set_alpn_protocols(["h2", "http/1.1"])
    with bench.client(context=mine).open() as client:
        assert client.request()[0] == 200
        assert client.tls.selected_alpn_protocol() == "http/1.1"
    assert offered == [b"http/1.1"]
    assert bench.server.requests[0].line.endswith("HTTP/1.1")


def test_characters_of_no_encoding_pass_as_they_are_and_are_told(bench) -> None:
    odd = b"\xff\xfe\x80 caf\xe9"
    body = b'{"kind":"Status","status":"Failure","message":"' + odd + b'","code":500}'
    head = b"HTTP/1.1 500 " + odd + b"\r\nX-Odd: " + odd + b"\r\nContent-Type: application/json\r\n"
    bench.start(saying(head + b"Content-Length: %d\r\n\r\n" % len(body) + body))
    with bench.client().open() as client:
        client.send(b"GET /api/v1/pods?x=\xff%ff HTTP/1.1\r\nHost: x\r\nX-Sent: " + odd + b"\r\n\r\n")
        got = b""
        while not got.endswith(body):
            more = client.recv()
            assert more, got
            got += more
    assert b"X-Odd: " + odd + b"\r\n" in got
    exchange = bench.proxy.exchange
    assert exchange.response.status == 500
    assert exchange.response.body == body
    assert b"X-Sent: " + odd in bench.server.requests[0].head
    story = Story.of([exchange])
    text.render(story).encode()
    har.document(story, bodies=True).encode()


@pytest.mark.parametrize("count", [2_000, 20_000])
def test_flood_of_header_fields_passes_or_is_refused_and_the_next_request_works(bench, count: int) -> None:
    def converse(peer) -> None:
        while request := peer.request():
            if b"flood" in request.head:
                fields = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 50) for number in range(count))
                peer.send(HEAD + fields + b"Content-Length: 2\r\n\r\n{}")
            else:
                peer.answer()

    bench.start(converse)
    with bench.client().open() as client:
        client.send("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        got = b""
        while not got.endswith(b"{}") and (more := client.recv()):
            got += more
    assert got.startswith(b"HTTP/1.1 ")
    with bench.client().open() as client:
        assert client.request()[0] == 200
    assert bench.proxy.take(2)[1].failure is None


def test_two_gigabytes_pass_in_both_directions_and_are_not_held(bench) -> None:
    size, block = 2 << 30, b"x" * (1 << 20)
    received = [0]

    def converse(peer) -> None:
        peer.until(b"\r\n\r\n")
        while received[0] < size and (data := peer.recv()):
            received[0] += len(data)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(block)):
            peer.send(block)

    bench.start(converse)
    before = _resident()
    with bench.client().open() as client:
        client.send(f"POST /api/v1/pods HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n")
        for _ in range(size // len(block)):
            client.send(block)
        response = client.response("POST")
        got = 0
        while data := response.read(1 << 20):
            got += len(data)
        response.close()
    assert (received[0], got) == (size, size)
    assert _resident() - before < 150 << 20
    exchange = bench.proxy.exchange
    assert (exchange.request.body_bytes, exchange.response.body_bytes) == (size, size)
    assert exchange.held_bytes <= 4 << 20


def _resident() -> int:
    """Bytes; where the system does not say how much it is now, how much it was at most."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


@pytest.mark.parametrize(
    "sent",
    ["G", "GET /api HTTP/1.1\r\nHo", GET, GET + GET, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"],
)
def test_client_that_leaves_in_any_state_leaves_nothing_behind(bench, sent: str) -> None:
    over = threading.Event()

    def converse(peer) -> None:
        if peer.request():
            over.wait(20)

    bench.start(converse)
    client = bench.client().open()
    client.send(sent)
    if "\r\n\r\n" in sent and "POST" not in sent:
        wait_for(lambda: bench.server.requests)
    client.close()
    over.set()
    bench.proxy.idle()
    wait_for(lambda: bench.proxy.recorder._open == {})
    with bench.client().open() as another, contextlib.suppress(*BROKEN):
        another.request()
    bench.proxy.idle()
