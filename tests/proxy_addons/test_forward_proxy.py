"""A proxy of the user's own, between this one and the server."""

from __future__ import annotations

import contextlib
import json
import socket
import threading

import pytest
from OpenSSL import SSL

from proxy_addons import reach
from proxy_addons.upstream import ForwardProxy
from tests.cluster import pki
from tests.proxy_addons.api_server import HOST, server_context, tcp_server
from tests.proxy_addons.running_proxy import Client, Refused, running_proxy, upstream_of, wait_for
from tests.proxy_addons.test_identity import VERSIONS, fingerprint, identity_seen

LOGIN = "Basic dXNlcjpwYXNz"


def carry(peer) -> None:
    """CONNECT, for whoever logs in."""
    request = peer.request()
    if request is None:
        return
    if request.get("Proxy-Authorization") != LOGIN:
        peer.send(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        return
    host, _, port = request.line.split()[1].rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port))) as onward:
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")

        def back() -> None:
            with contextlib.suppress(OSError):
                while data := onward.recv(65536):
                    peer.send(data)
                peer.socket.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=back, daemon=True)
        thread.start()
        while data := peer.recv():
            onward.sendall(data)
        with contextlib.suppress(OSError):
            onward.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def via(server, scheme: str = "http", authorization: str = LOGIN) -> ForwardProxy:
    return ForwardProxy(scheme=scheme, host=HOST, port=server.port, authorization=authorization)


@pytest.fixture
def forward():
    with tcp_server(carry) as server:
        yield server


@pytest.mark.parametrize("version", VERSIONS)
def test_identity_holds_through_a_forward_proxy(bench, leaf, jane, admin, forward, version) -> None:
    bench.pairs = [admin, jane]
    bench.start(context=server_context(leaf, VERSIONS[version]), via=via(forward))
    for pair in (jane, None, admin):
        with bench.client(pair).open() as client:
            assert identity_seen(client) == (fingerprint(pair) if pair else "")
    assert [r.line for r in forward.requests] == [f"CONNECT {HOST}:{bench.server.port} HTTP/1.1"] * 3
    assert len(bench.server.peers) == 3
    assert all(LOGIN not in repr(e) for e in bench.proxy.take(3))


def test_connection_through_a_forward_proxy_is_opened_again(bench, jane, forward) -> None:
    def one(peer) -> None:
        if peer.request():
            peer.answer(json.dumps({"identity": peer.identity}).encode())

    bench.pairs = [jane]
    bench.start(one, via=via(forward))
    with bench.client(jane).open() as client:
        for _ in range(3):
            assert identity_seen(client) == fingerprint(jane)
            (handler,) = bench.proxy.master.server.connections.values()
            wait_for(lambda seen=handler.transports: len(seen) == 1, "for the server's end to be seen")
    assert len(forward.requests) == 3


def test_forward_proxy_that_wants_a_login_is_quoted(bench, forward) -> None:
    bench.start(via=via(forward, authorization=""))
    with bench.client() as client, pytest.raises(Refused) as refused:
        client.connect()
    assert refused.value.reason == "Proxy Authentication Required"
    assert bench.proxy.exchange.failure.phase == "proxy"


def test_forward_proxy_that_refuses_connections_is_told(bench) -> None:
    with socket.socket() as held:
        held.bind((HOST, 0))
        port = held.getsockname()[1]
        bench.start(via=ForwardProxy(scheme="http", host=HOST, port=port))
        with bench.client() as client, pytest.raises(Refused) as refused:
            client.connect()
    assert refused.value.reason == f"proxyconnect tcp: dial tcp {HOST}:{port}: connect: connection refused"
    assert bench.proxy.exchange.failure.phase == "proxy"


def test_server_behind_a_forward_proxy_is_verified(bench, forward) -> None:
    other = pki.Authority.create("other")
    bench.start(via=via(forward), ca=other.certificate_pem)
    with bench.client() as client, pytest.raises(Refused) as refused:
        client.connect()
    assert refused.value.reason == "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    assert bench.proxy.exchange.failure.phase == "tls"


def test_unknown_certificate_is_refused_behind_a_forward_proxy(bench, jane, forward) -> None:
    bench.start(via=via(forward))
    with bench.client(jane).open() as client:
        assert client.request()[0] == 503
    assert bench.server.requests == []
    assert bench.proxy.exchange.failure.phase == "mitmkube"


def test_servers_alert_is_not_blamed_on_the_forward_proxy(bench, leaf, forward) -> None:
    bench.start(context=server_context(leaf, SSL.TLS1_2_VERSION, requires=True), via=via(forward))
    with bench.client().open() as client:
        status, body = client.request()
    assert (status, json.loads(body)["message"]) == (503, "remote error: tls: handshake failure")
    assert bench.proxy.exchange.failure.phase == "tls"


def test_forward_proxy_that_speaks_tls_is_known_as_the_server_is(leaf, jane, bench) -> None:
    with tcp_server(carry, context=server_context(leaf, asks=False)) as forward:
        bench.pairs = [jane]
        bench.start(via=via(forward, "https"))
        with bench.client(jane).open() as client:
            assert identity_seen(client) == fingerprint(jane)


@pytest.mark.parametrize(
    ("names", "trusted", "words"),
    [
        ([HOST], False, "tls: failed to verify certificate: x509: certificate signed by unknown authority"),
        (["elsewhere.test"], True, "x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any"),
    ],
)
def test_forward_proxy_that_is_not_trusted_is_refused_in_gos_words(bench, authority, names, trusted, words) -> None:
    issuer = authority if trusted else pki.Authority.create("other")
    certificate = issuer.issue("proxy", usage=pki.SERVER, names=names)
    with tcp_server(carry, context=server_context(certificate, asks=False)) as forward:
        bench.start(via=via(forward, "https"))
        with bench.client() as client, pytest.raises(Refused) as refused:
            client.connect()
        assert refused.value.reason.startswith("proxyconnect tcp: tls: failed to verify certificate: x509: ")
        assert words in refused.value.reason
        assert bench.proxy.exchange.failure.phase == "proxy"


def test_forward_proxy_that_speaks_no_tls_is_told_in_gos_words(bench, forward) -> None:
    bench.start(via=via(forward, "https"))
    with bench.client() as client, pytest.raises(Refused) as refused:
        client.connect()
    assert refused.value.reason.startswith("proxyconnect tcp: ")
    assert "Certificate" not in refused.value.reason


def test_plain_server_is_reached_through_the_forward_proxy(tmp_path, forward) -> None:
    from tests.proxy_addons.api_server import answer_all

    with (
        tcp_server(answer_all) as server,
        running_proxy(tmp_path, [upstream_of(server, scheme="http", ca=None, via=via(forward))]) as proxy,
        Client(proxy, server) as client,
    ):
        client.send(f"GET http://{HOST}:{server.port}/api HTTP/1.1\r\nHost: x\r\n{client.login}\r\n")
        response = client.response()
        assert response.status == 200
        response.read()
        response.close()
        assert len(forward.requests) == 1
        assert server.requests[0].line == "GET /api HTTP/1.1"


@pytest.mark.parametrize("silent_at", ["connect", "handshake"])
def test_silence_behind_a_forward_proxy_ends_too(bench, monkeypatch, silent_at) -> None:
    monkeypatch.setattr(reach, "TLS_SECONDS", 0.2)
    monkeypatch.setattr(reach, "PROXY_SECONDS", 0.2)

    def silent(peer) -> None:
        peer.request()
        if silent_at == "handshake":
            peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while peer.recv():
            pass

    with tcp_server(silent) as forward:
        bench.start(via=via(forward))
        with bench.client() as client, pytest.raises(Refused):
            client.connect()
        failure = bench.proxy.exchange.failure
        assert failure.phase == {"connect": "proxy", "handshake": "tls"}[silent_at]
        assert bench.proxy.reach._timers == {}
