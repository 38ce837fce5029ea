"""Whoever goes away, whenever: nothing hangs and nothing is kept."""

from __future__ import annotations

import gc
import socket
import threading
import weakref
from pathlib import Path

import pytest

from tests.proxy_addons.running_proxy import Refused, wait_for
from tests.proxy_addons.test_connection_handler import SWITCHED, UPGRADE


def at_rest(proxy) -> None:
    proxy.idle()
    tunnels, recorder = proxy.tunnels, proxy.recorder
    wait_for(lambda: not proxy.reach._timers, f"for timers: {proxy.reach._timers}")
    assert tunnels._by_client == {}
    assert tunnels._refusals == {}
    assert recorder._open == {}


def open_files() -> int:
    listing = Path("/dev/fd")
    return len(list(listing.iterdir()))


def test_client_leaves_while_the_handshake_with_the_server_is_suspended(bench, jane) -> None:
    bench.pairs = [jane]
    bench.start()
    bench.client(jane).connect().close()
    wait_for(lambda: bench.server.failures, "for the server to see the end")
    at_rest(bench.proxy)


def test_nothing_is_kept_of_upgraded_connections_that_have_ended(bench) -> None:
    def echo(peer) -> None:
        peer.request()
        peer.send(SWITCHED)
        while data := peer.recv():
            peer.send(data)

    bench.start(echo)
    for _ in range(5):
        with bench.client().open() as client:
            client.send(UPGRADE)
            assert client.recv() == SWITCHED
    at_rest(bench.proxy)
    bench.proxy.take(5)
    assert len(bench.proxy.tunnels.watchers) == 0
    assert bench.proxy.recorder._streams == {}


def test_client_leaves_within_its_client_hello(bench) -> None:
    bench.start()
    client = bench.client().connect()
    client.raw.sendall(b"\x16\x03\x01\x02\x00\x01")
    client.close()
    at_rest(bench.proxy)


@pytest.mark.parametrize(("patience", "recorded"), [(0.0, 1), (60.0, 0)])
def test_client_that_leaves_a_silent_server_is_recorded_if_it_had_waited(
    bench, monkeypatch, patience, recorded
) -> None:
    arrived = threading.Event()

    def silent(peer) -> None:
        arrived.set()
        while peer.socket.recv(65536):
            pass

    bench.start()
    from proxy_addons import layers
    from tests.proxy_addons.api_server import tcp_server
    from tests.proxy_addons.running_proxy import Client, running_proxy, upstream_of

    monkeypatch.setattr(layers, "PATIENCE_SECONDS", patience)
    with tcp_server(silent) as server, running_proxy(bench.folder, [upstream_of(server)]) as proxy:
        client = Client(proxy, server)
        client.raw.sendall(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n{client.login}\r\n".encode())
        assert arrived.wait(20)
        client.close()
        at_rest(proxy)
        proxy.take(recorded)
        assert len(proxy.exchanges) == recorded


def test_client_that_does_not_trust_the_proxy_leaves_nothing_behind(bench, authority) -> None:
    from tests.proxy_addons.running_proxy import client_context

    bench.start()
    client = bench.client(context=client_context(authority.certificate_pem)).connect()
    with pytest.raises(OSError):
        client.handshake()
    client.close()
    at_rest(bench.proxy)
    assert bench.server.requests == []


def test_server_leaves_while_its_handshake_is_suspended(bench, jane) -> None:
    bench.pairs = [jane]
    bench.start()
    client = bench.client(jane).connect()
    wait_for(lambda: bench.server.peers)
    bench.server.peers[0].socket.shutdown(socket.SHUT_RDWR)
    client.handshake()
    status, _ = client.request()
    assert status == 503
    client.close()
    assert bench.proxy.exchange.failure.phase == "tls"
    at_rest(bench.proxy)


def test_refused_clients_leave_nothing_behind(bench) -> None:
    bench.start()
    for options in ({"password": "wrong"}, {"target": ("127.0.0.1", 1)}):
        with bench.client(**options) as client, pytest.raises(Refused):
            client.connect()
    at_rest(bench.proxy)


def test_pipelined_requests_are_answered_one_after_the_other(bench) -> None:
    bench.start()
    with bench.client().open() as client:
        client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
        got = b""
        while got.count(b"HTTP/1.1 200") < 2 or not got.endswith(b"}"):
            got += client.recv()
    assert [r.line for r in bench.server.requests] == ["GET /1 HTTP/1.1", "GET /2 HTTP/1.1"]


def test_nothing_is_kept_of_clients_that_have_gone(bench, jane) -> None:
    bench.pairs = [jane]
    bench.start()

    def round_trip() -> None:
        with bench.client(jane).open() as client:
            client.request(fields=["Authorization: Bearer x"])

    round_trip()
    at_rest(bench.proxy)
    wait_for(lambda: not any(p.socket.fileno() != -1 for p in bench.server.peers))
    before = open_files()
    for _ in range(20):
        round_trip()
    at_rest(bench.proxy)
    wait_for(lambda: not any(p.socket.fileno() != -1 for p in bench.server.peers))
    wait_for(lambda: open_files() <= before, "for sockets to be closed")
    bench.proxy.take(21)
    references = [weakref.ref(flow) for flow in bench.proxy.flows]
    bench.proxy.flows.clear()
    gc.collect()
    wait_for(lambda: gc.collect() >= 0 and not any(r() for r in references[:-1]), "for flows to be let go of")
    assert len(bench.proxy.tunnels.lifted) <= 1
    assert len(bench.proxy.recorder._paid) <= 1
    # A context per identity would be one per connection.
    assert len(bench.proxy.tunnels.trust._contexts) <= 2
