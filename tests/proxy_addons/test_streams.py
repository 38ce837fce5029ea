"""Watches and upgraded connections: bytes pass when they come, in both directions."""

from __future__ import annotations

import contextlib
import gzip
import json
import ssl
import threading

import pytest

from proxy_addons.options import OPTIONS
from tests.proxy_addons.running_proxy import wait_for

ERROR = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
WATCH_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_each_watch_event_arrives_before_the_next_is_sent(bench) -> None:
    arrived = [threading.Event() for _ in range(5)]

    def watch(peer) -> None:
        peer.request()
        peer.send(WATCH_HEAD)
        for number, event in enumerate(arrived):
            peer.chunk(json.dumps({"type": "ADDED", "n": number}).encode() + b"\n")
            assert event.wait(20), "an event is held back until the next"
        peer.send(b"0\r\n\r\n")

    bench.start(watch)
    with bench.client().open() as client:
        client.send("GET /api/v1/pods?watch=true HTTP/1.1\r\nHost: x\r\n\r\n")
        response = client.response()
        for number, event in enumerate(arrived):
            assert json.loads(response.readline())["n"] == number
            event.set()
        assert response.readline() == b""
        response.close()
    exchange = bench.proxy.exchange
    assert exchange.failure is None
    assert not exchange.live
    assert exchange.response.error_event is None


@pytest.mark.parametrize("packed", [False, True])
def test_error_event_of_a_watch_is_kept_however_much_came_before(bench, packed) -> None:
    lines = b"".join(json.dumps({"type": "ADDED", "pad": "x" * 1000}).encode() + b"\n" for _ in range(3000))
    content = lines + json.dumps(ERROR).encode() + b"\n"

    def watch(peer) -> None:
        peer.request()
        head = WATCH_HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n") if packed else WATCH_HEAD
        peer.send(head)
        data = gzip.compress(content) if packed else content
        for at in range(0, len(data), 7001):
            peer.chunk(data[at : at + 7001])
        peer.send(b"0\r\n\r\n")

    bench.start(watch)
    with bench.client().open() as client:
        _, body = client.request(path="/api/v1/pods?watch=true")
        assert (gzip.decompress(body) if packed else body) == content
    response = bench.proxy.exchange.response
    assert json.loads(response.error_event) == ERROR
    if not packed:
        assert not response.body_complete


def test_watch_that_its_client_ends_is_no_failure(bench) -> None:
    def watch(peer) -> None:
        peer.request()
        peer.send(WATCH_HEAD)
        peer.chunk(b'{"type":"ADDED"}\n')
        while peer.recv():
            pass

    bench.start(watch)
    with bench.client().open() as client:
        client.send("GET /api/v1/pods?watch=true HTTP/1.1\r\nHost: x\r\n\r\n")
        response = client.response()
        response.readline()
        response.close()
    exchange = bench.proxy.exchange
    assert exchange.failure is None
    assert exchange.response.status == 200
    assert exchange.timing.receive is not None
    assert exchange.cluster == "test"


def test_open_watch_is_handed_on_as_live(bench) -> None:
    over = threading.Event()

    def watch(peer) -> None:
        peer.request()
        peer.send(WATCH_HEAD)
        peer.chunk(b'{"type":"ADDED"}\n')
        over.wait(20)

    bench.start(watch)
    client = bench.client().open()
    client.send("GET /api/v1/pods?watch=true HTTP/1.1\r\nHost: x\r\n\r\n")
    client.response().readline()
    bench.proxy.recorder.flush()
    assert bench.proxy.exchange.live
    over.set()
    client.close()


def echo(peer) -> None:
    """Switch protocols and say everything back, in upper case."""
    request = peer.request()
    upgrade = request.get("Upgrade")
    peer.send(f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n\r\nhello ".encode())
    while data := peer.recv():
        peer.send(data.upper())


@pytest.mark.parametrize(
    "fields",
    [
        ("Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: v4.channel.k8s.io"),
        ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    ],
)
def test_upgraded_connection_passes_bytes_both_ways_and_keeps_none(bench, fields) -> None:
    bench.start(echo)
    with bench.client().open() as client:
        client.send("\r\n".join(["POST /exec HTTP/1.1", "Host: x", "Connection: Upgrade", *fields, "", ""]))
        got = b""
        while not got.endswith(b"hello "):
            got += client.recv()
        assert got.startswith(b"HTTP/1.1 101 ")
        for word in (b"stdin", b"\x00\x01\xff" * 1000, b"x" * 300000):
            client.send(word)
            back = b""
            while len(back) < len(word):
                back += client.recv()
            assert back == word.upper()
    exchange = bench.proxy.exchange
    assert (exchange.response.status, exchange.failure) == (101, None)
    assert (exchange.cluster, exchange.connection.verified) == ("test", True)
    assert exchange.response.body is None
    flow = bench.proxy.flows[0]
    assert flow.websocket is None
    assert b"stdin" not in repr(flow.get_state()).encode()


def test_upgraded_connection_ends_when_the_server_ends_it(bench) -> None:
    def bye(peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
        peer.send(b"last words")

    bench.start(bye)
    with bench.client().open() as client:
        client.send("POST /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
        got = b""
        while chunk := client.recv():
            got += chunk
    assert got.endswith(b"last words")
    assert bench.proxy.exchange.failure is None


def test_client_that_half_closes_ends_the_server_side_too(bench) -> None:
    ended = threading.Event()

    def wait(peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
        while peer.recv():
            pass
        ended.set()

    bench.start(wait)
    with bench.client().open() as client:
        client.send("POST /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
        client.recv()
        with contextlib.suppress(ssl.SSLError):  # mitmproxy closes without a word of farewell
            client.tls.unwrap()
        assert ended.wait(20)


def test_quiet_streams_are_left_alone_for_days(bench) -> None:
    assert OPTIONS["tcp_timeout"] >= 7 * 24 * 3600
    bench.start()
    assert bench.proxy.master.options.tcp_timeout >= 7 * 24 * 3600


def test_connection_that_was_refused_an_upgrade_serves_on(bench) -> None:
    bench.start()
    with bench.client().open() as client:
        assert client.request(fields=["Connection: Upgrade", "Upgrade: websocket"])[0] == 200
        assert client.request()[0] == 200
    assert len(bench.server.peers) == 1
    wait_for(lambda: len(bench.proxy.exchanges) == 2)
