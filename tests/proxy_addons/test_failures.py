"""A connection that breaks is told with the phase it broke in, and the client is left with what it would have met."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading

import pytest

from proxy_addons import reach
from tests.cluster import pki
from tests.proxy_addons.api_server import server_context, tcp_server
from tests.proxy_addons.running_proxy import Client, Refused, running_proxy, upstream_of, wait_for

CLOSED = (http.client.RemoteDisconnected, http.client.IncompleteRead, ConnectionError, ssl.SSLError, ValueError)


def failure_of(exchange):
    assert exchange.failure is not None
    return exchange.failure.phase, exchange.failure.message


def reset_after_request(peer) -> None:
    peer.request()
    peer.reset()


def close_after_request(peer) -> None:
    peer.request()


@pytest.mark.parametrize("converse", [reset_after_request, close_after_request])
def test_server_that_breaks_off_before_the_response(bench, converse) -> None:
    bench.start(converse)
    with bench.client().open() as client, pytest.raises(CLOSED):
        client.request()
    exchange = bench.proxy.exchange
    assert failure_of(exchange) == ("request", "EOF")
    assert exchange.response is None


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_server_that_breaks_off_within_the_response(bench, framing, reset) -> None:
    received = threading.Event()

    def partial(peer) -> None:
        peer.request()
        peer.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode() + b"5\r\nbegin\r\n")
        received.wait(20)
        if reset:
            peer.reset()

    bench.start(partial)
    with bench.client().open() as client:
        client.send("GET /api/v1/pods HTTP/1.1\r\nHost: x\r\n\r\n")
        response = client.response()
        assert b"begin" in response.read(5 if "chunked" in framing else 8)
        received.set()
        with contextlib.suppress(*CLOSED):
            assert len(response.read()) < 1000
        response.close()
    exchange = bench.proxy.exchange
    assert failure_of(exchange) == ("response", "unexpected EOF")
    assert exchange.response.status == 200
    assert b"begin" in exchange.response.body


def test_client_can_try_again_after_the_server_broke_off(bench) -> None:
    def first_fails(peer) -> None:
        while peer.request():
            if peer.number == 1:
                return
            peer.answer()

    bench.start(first_fails)
    with bench.client().open() as client, pytest.raises(CLOSED):
        client.request()
    with bench.client().open() as client:
        assert client.request()[0] == 200


def test_answer_that_is_no_http_is_told_in_one_line(bench) -> None:
    def garbage(peer) -> None:
        while peer.request():
            peer.send(b"this is no HTTP\r\n\r\n")

    bench.start(garbage)
    with bench.client().open() as client:
        status, body = client.request()
    assert status == 503
    assert json.loads(body)["message"].startswith("net/http: HTTP/1.x transport connection broken: malformed HTTP")
    assert bench.proxy.exchange.failure.phase == "response"


def test_client_that_leaves_before_the_response_is_no_failure(bench) -> None:
    arrived = threading.Event()

    def wait(peer) -> None:
        peer.request()
        arrived.set()
        while peer.recv():
            pass

    bench.start(wait)
    with bench.client().open() as client:
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert arrived.wait(20)
    exchange = bench.proxy.exchange
    assert (exchange.failure, exchange.response) == (None, None)


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_client_that_leaves_within_its_body_is_no_failure(bench, framing) -> None:
    arrived = threading.Event()

    def wait(peer) -> None:
        peer.until(b"\r\n\r\n")
        arrived.set()
        while peer.recv():
            pass

    bench.start(wait)
    with bench.client().open() as client:
        client.send(f"POST /x HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n5\r\nhello\r\n")
        assert arrived.wait(20)
    assert bench.proxy.exchange.failure is None


def test_idle_connection_that_the_server_closed_is_opened_again(bench) -> None:
    closed = threading.Event()

    def one(peer) -> None:
        if peer.request():
            peer.answer()
        if peer.number == 1:
            peer.close()
            closed.set()
        else:
            while peer.recv():
                pass

    bench.start(one)
    with bench.client().open() as client:
        assert client.request()[0] == 200
        assert closed.wait(20)
        wait_for(
            lambda: all(len(h.transports) == 1 for h in bench.proxy.master.server.connections.values()),
            "for the proxy to see the close",
        )
        assert client.request()[0] == 200
    assert len(bench.server.peers) == 2


def test_silent_server_is_given_up_in_gos_words(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(reach, "TLS_SECONDS", 0.2)

    def silent(peer) -> None:
        while peer.recv():
            pass

    with tcp_server(silent) as server, running_proxy(tmp_path, [upstream_of(server, ca=None, insecure=True)]) as proxy:
        with Client(proxy, server) as client, pytest.raises(Refused) as refused:
            client.connect()
        assert refused.value.reason == "net/http: TLS handshake timeout"
        assert failure_of(proxy.exchange) == ("tls", "net/http: TLS handshake timeout")
        assert proxy.reach._timers == {}


def test_dial_is_given_up_in_gos_words(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(reach, "DIAL_SECONDS", 0.2)
    # A full backlog: the kernel drops further SYNs, as a firewall would.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        queued = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(address)
            queued.append(one)
        with tcp_server(lambda peer: None) as server:
            upstream = upstream_of(server, port=address[1])
            with running_proxy(tmp_path, [upstream]) as proxy:
                with Client(proxy, address) as client, pytest.raises(Refused) as refused:
                    client.connect()
                told = f"dial tcp 127.0.0.1:{address[1]}: i/o timeout"
                assert refused.value.reason == told
                assert failure_of(proxy.exchange) == ("dial", told)
                assert proxy.reach._timers == {}
        for one in queued:
            one.close()


def test_client_that_is_slower_than_the_time_limit_is_told(bench, monkeypatch) -> None:
    monkeypatch.setattr(reach, "TLS_SECONDS", 0.1)
    bench.start()
    with bench.client().connect() as client:
        wait_for(lambda: bench.server.failures, "for the server's handshake to be given up")
        client.handshake()
        status, body = client.request()
    assert status == 503
    assert json.loads(body)["message"] == "net/http: TLS handshake timeout"


def test_dead_peer_is_probed_for(bench) -> None:
    bench.start()
    with bench.client().open() as client:
        client.request()
        (handler,) = bench.proxy.master.server.connections.values()
        sockets = [
            io.writer.get_extra_info("socket")
            for connection, io in handler.transports.items()
            if connection is not handler.client
        ]
        (sock,) = sockets
        tcp = socket.IPPROTO_TCP
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            idle, interval, probes = (
                sock.getsockopt(tcp, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle + interval * probes <= 45
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert sock.getsockopt(tcp, socket.TCP_USER_TIMEOUT) <= 45000


def test_certificate_that_changes_for_the_worse_is_met_on_the_next_connection(bench, authority, leaf) -> None:
    """The proxy's second connection of a tunnel is verified as the first was."""
    other = pki.Authority.create("other").issue("x", usage=pki.SERVER, names=["127.0.0.1"])
    context = server_context(leaf)

    def one(peer) -> None:
        if peer.request():
            peer.answer()

    bench.start(one, context=context)
    with bench.client().open() as client:
        assert client.request()[0] == 200
        from OpenSSL.SSL import _lib

        # pyOpenSSL would not touch a context in use.
        _lib.SSL_CTX_use_certificate(
            context._context, __import__("OpenSSL").crypto.X509.from_cryptography(other.certificate)._x509
        )
        pkey = __import__("OpenSSL").crypto.PKey.from_cryptography_key(other.key)
        _lib.SSL_CTX_use_PrivateKey(context._context, pkey._pkey)
        status, body = client.request()
    assert status == 503
    assert "ertificate" in json.loads(body)["message"]
    assert len(bench.server.requests) == 1
    assert bench.proxy.take(2)[1].failure.phase == "tls"


def test_path_prefix_does_not_hide_what_discovery_may_be_told(bench, authority, jane) -> None:
    bench.start(path_prefix="/k8s/clusters/c-1")
    with bench.client(jane).open() as client:
        status, body = client.request(path="/k8s/clusters/c-1/api?timeout=32s")
    assert status == 502
    assert body.startswith(b"mitmkube: the client presented a certificate")


def test_insecure_cluster_is_told_of_the_alert_and_not_of_the_certificate(bench, leaf) -> None:
    from OpenSSL import SSL

    bench.start(
        context=server_context(leaf, SSL.TLS1_2_VERSION, requires=True),
        ca=None,
        insecure=True,
        server_name="other.test",
    )
    with bench.client().open() as client:
        status, body = client.request()
    assert (status, json.loads(body)["message"]) == (503, "remote error: tls: handshake failure")
