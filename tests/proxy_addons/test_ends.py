"""How a connection ends is told to the other side as it was: with a word, without one, or by a reset."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator

import pytest

from proxy_addons.established import Relay
from tests.proxy_addons.api_server import tcp_server
from tests.proxy_addons.running_proxy import Client, running_proxy, upstream_of, wait_for
from tests.proxy_addons.test_connection_handler import SWITCHED, UPGRADE, handler_of


@pytest.mark.parametrize("answers_before", [0, 1])
@pytest.mark.parametrize("says_so", [True, False])
def test_body_without_a_length_is_whole_only_if_the_server_said_that_it_ends(bench, answers_before, says_so) -> None:
    """Go's TLS takes an end without a close_notify for a body that was cut off."""

    def until_close(peer) -> None:
        for _ in range(answers_before):
            peer.request()
            peer.answer()
        peer.request()
        peer.send(b"HTTP/1.0 503 Service Unavailable\r\nConnection: close\r\n\r\nno server is available")
        if not says_so:
            peer.socket.shutdown(socket.SHUT_RDWR)

    bench.start(until_close)
    client = bench.client().connect()
    client.tls = client.context.wrap_socket(client.raw, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
    for _ in range(answers_before):
        client.request()
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    got, cut_off = b"", False
    try:
        while chunk := client.tls.recv(65536):
            got += chunk
    except ssl.SSLEOFError:
        cut_off = True
    assert got.endswith(b"no server is available")
    assert cut_off is not says_so


def test_client_that_resets_an_idle_upgraded_connection_is_not_waited_for(tmp_path) -> None:
    """An end of one way would leave the other open, for a server that sends nothing to notice by."""
    over = threading.Event()

    def silent(peer) -> None:
        peer.request()
        peer.send(SWITCHED)
        assert over.wait(20)

    with (
        tcp_server(silent) as server,
        running_proxy(tmp_path, [upstream_of(server, scheme="http", ca=None)]) as proxy,
        Client(proxy, server).connect() as client,
    ):
        client.send(UPGRADE)
        assert client.recv() == SWITCHED
        (handler,) = proxy.master.server.connections.values()
        wait_for(lambda: isinstance(handler.layer, Relay))
        client.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.raw.close()
        proxy.idle()
        over.set()


def test_server_that_resets_an_upgraded_connection_ends_it(bench) -> None:
    def reset(peer) -> None:
        peer.request()
        peer.send(SWITCHED)
        peer.recv()
        peer.reset()

    bench.start(reset)
    with bench.client().open() as client:
        client.send(UPGRADE)
        assert client.recv() == SWITCHED
        wait_for(lambda: isinstance(handler_of(bench).layer, Relay))
        client.send(b"x")
        assert client.recv() == b""
        bench.proxy.idle()


@pytest.mark.parametrize("answers_before", [0, 1])
def test_server_that_talks_nonsense_and_ends_at_once_is_told_as_an_answer(bench, answers_before) -> None:
    def nonsense(peer) -> None:
        for _ in range(answers_before):
            peer.request()
            peer.answer()
        peer.request()
        with in_one_segment(peer):
            peer.send(b"no HTTP at all\r\n\r\n")
            peer.half_close()

    bench.start(nonsense)
    with bench.client().open() as client:
        for _ in range(answers_before):
            client.request()
        status, body = client.request()
    assert status == 503
    assert b"malformed HTTP" in body


@contextlib.contextmanager
def in_one_segment(peer) -> Iterator[None]:
    """What is sent here leaves together, where the system can be told so."""
    cork = getattr(socket, "TCP_CORK", None)
    if cork is not None:
        peer.socket.setsockopt(socket.IPPROTO_TCP, cork, 1)
    yield
    if cork is not None:
        peer.socket.setsockopt(socket.IPPROTO_TCP, cork, 0)
