"""Bodies and their framing pass as they are, and without delay."""

from __future__ import annotations

import gzip
import resource
import threading

import pytest


def test_content_length_request_arrives_whole(bench) -> None:
    bench.start()
    body = bytes(range(256)) * 1000
    with bench.client().open() as client:
        assert client.request("POST", body=body)[0] == 200
    assert bench.server.requests[0].body == body
    exchange = bench.proxy.exchange
    assert (exchange.request.body, exchange.request.body_bytes, exchange.request.body_complete) == (
        body,
        len(body),
        True,
    )


def test_chunked_request_arrives_chunk_by_chunk(bench) -> None:
    first_arrived = threading.Event()
    got: list[bytes] = []

    def read(peer) -> None:
        head = peer.until(b"\r\n\r\n")
        got.append(head)
        assert peer.until(b"\r\n") == b"5\r\n"
        got.append(peer.exactly(7))
        first_arrived.set()
        got.append(peer.until(b"0\r\n\r\n"))
        peer.answer()

    bench.start(read)
    with bench.client().open() as client:
        client.send("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        assert first_arrived.wait(20), "the first chunk waits for the second"
        client.send("6\r\n world\r\n0\r\n\r\n")
        assert client.response().status == 200
    assert got[1:] == [b"hello\r\n", b"6\r\n world\r\n0\r\n\r\n"]
    assert bench.proxy.exchange.request.body == b"hello world"


def test_client_that_expects_100_continue_gets_it(bench) -> None:
    bench.start()
    with bench.client().open() as client:
        client.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv().startswith(b"HTTP/1.1 100 ")
        client.send("hello")
        response = client.response()
        assert response.status == 200
        response.read()
        response.close()
    assert bench.server.requests[0].body == b"hello"


def test_first_byte_of_a_large_response_does_not_wait_for_the_last(bench) -> None:
    size, received = 20 << 20, threading.Event()

    def large(peer) -> None:
        peer.request()
        peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"a")
        assert received.wait(20)
        block = b"b" * (1 << 20)
        sent = 1
        while sent < size:
            peer.send(block[: size - sent])
            sent += len(block[: size - sent])

    bench.start(large)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with bench.client().open() as client:
        client.send("GET /api/v1/configmaps HTTP/1.1\r\nHost: x\r\n\r\n")
        response = client.response()
        assert response.read(1) == b"a"
        received.set()
        count = 1
        while chunk := response.read(65536):
            count += len(chunk)
        response.close()
    assert count == size
    exchange = bench.proxy.exchange
    assert exchange.response.body_bytes == size
    assert not exchange.response.body_complete
    assert len(exchange.response.body) < 2 << 20
    assert bench.proxy.flows[0].response.raw_content is None
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < (size >> 10), "the whole body was held in memory"


@pytest.mark.parametrize("cut", [False, True])
def test_gzip_passes_unchanged_and_is_read(bench, cut) -> None:
    packed = gzip.compress(b'{"kind":"PodList"}' * 1000)
    sent = packed[:-20] if cut else packed

    def zipped(peer) -> None:
        peer.request()
        peer.send(f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(sent)}\r\n\r\n".encode() + sent)

    bench.start(zipped)
    with bench.client().open() as client:
        assert client.request(fields=["Accept-Encoding: gzip"]) == (200, sent)
    response = bench.proxy.exchange.response
    assert response.body_bytes == len(sent)
    assert response.body.startswith(b'{"kind":"PodList"}')


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_status_without_a_body_ends_at_its_head(bench, status) -> None:
    def bare(peer) -> None:
        while peer.request():
            peer.send(f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode())

    bench.start(bare)
    with bench.client().open() as client:
        for _ in range(2):
            assert client.request() == (int(status[:3]), b"")
    assert len(bench.server.peers) == 1


def test_head_has_no_body_whatever_its_length_says(bench) -> None:
    def head(peer) -> None:
        while request := peer.request():
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            assert request.line.startswith("HEAD")

    bench.start(head)
    with bench.client().open() as client:
        for _ in range(2):
            assert client.request("HEAD") == (200, b"")


def test_response_until_the_end_of_the_connection(bench) -> None:
    def until_close(peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        peer.send(b"log line\n")

    bench.start(until_close)
    with bench.client().open() as client:
        assert client.request() == (200, b"log line\n")


def test_many_requests_share_one_connection(bench) -> None:
    bench.start()
    with bench.client().open() as client:
        for number in range(100):
            assert client.request(path=f"/n/{number}")[0] == 200
    assert len(bench.server.peers) == 1
    exchanges = bench.proxy.take(100)
    assert [e.id for e in exchanges] == list(range(1, 101))
    assert [e.timing.tls is not None for e in exchanges] == [True] + [False] * 99
    assert len({e.connection.id for e in exchanges}) == 1


def test_reason_phrase_and_response_fields_pass_unchanged(bench) -> None:
    head = (
        'HTTP/1.1 403 Quite Forbidden\r\nAudit-Id: 1\r\nwarning: 299 - "a"\r\nWarning: 299 - "b"\r\n'
        "X-Kubernetes-Pf-Flowschema-Uid: 9\r\nContent-Length: 2\r\n\r\n"
    )

    def answer(peer) -> None:
        peer.request()
        peer.send(head.encode() + b"{}")

    bench.start(answer)
    with bench.client().open() as client:
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        got = b""
        while not got.endswith(b"{}"):
            got += client.recv()
    assert got == head.encode() + b"{}"


def test_response_before_the_request_ended_is_passed_on(bench) -> None:
    def early(peer) -> None:
        peer.until(b"\r\n\r\n")
        peer.answer(b'{"kind":"Status"}', "413 Request Entity Too Large", "Connection: close")
        while peer.recv():
            pass

    bench.start(early)
    with bench.client().open() as client:
        client.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + "x" * 1000)
        response = client.response()
        assert response.status == 413
        assert response.read() == b'{"kind":"Status"}'
        response.close()
