"""Only the kubeconfig's servers are reached: whatever else the request is dressed up as."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from proxy_addons.upstream import KeyPairs, Upstream, Upstreams
from tests.proxy_addons.api_server import ApiServer, answer_all, tcp_server
from tests.proxy_addons.running_proxy import PASSWORD, Client, Refused, running_proxy, upstream_of


@pytest.fixture
def other() -> Iterator[ApiServer]:
    """A server that no kubeconfig names."""
    with tcp_server(answer_all) as server:
        yield server


# The server is named as 127.0.0.1: what else leads there is another name, and not the kubeconfig's.
ALIASES = ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "127.000.000.001", "0.0.0.0",
           "[::ffff:127.0.0.1]", "[::1]", "[::]", "127.0.0.1@127.0.0.1", "127.0.0.1%00"]  # fmt: skip


@pytest.mark.parametrize("alias", ALIASES)
def test_another_name_for_a_server_is_no_server_of_the_kubeconfig(bench, alias: str) -> None:
    bench.start()
    with bench.client() as client:
        target = f"{alias}:{bench.server.port}"
        client.raw.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{client.login}\r\n".encode())
        assert client.raw.recv(65536).split()[1] in (b"400", b"403")
    bench.proxy.idle()
    assert bench.server.peers == []


def test_another_port_is_no_server_of_the_kubeconfig(bench, other: ApiServer) -> None:
    bench.start()
    for target in (f"127.0.0.1:{other.port}", f"127.0.0.1:{bench.proxy.port}", "127.0.0.1:443"):
        with bench.client() as client:
            client.raw.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n{client.login}\r\n".encode())
            assert client.raw.recv(65536).split()[1] == b"403"
    assert other.peers == []


@pytest.mark.parametrize(
    "lines",
    [
        "GET http://127.0.0.1:{other}/ HTTP/1.1\r\nHost: 127.0.0.1:{server}\r\n",
        "GET https://127.0.0.1:{other}/ HTTP/1.1\r\nHost: 127.0.0.1:{server}\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{other}\r\n",
        "GET http://127.0.0.1:{server}@127.0.0.1:{other}/ HTTP/1.1\r\nHost: x\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{other}\r\nProxy-Connection: keep-alive\r\n",
        "GET http://127.0.0.1:{other}/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        "CONNECT 127.0.0.1:{other} HTTP/1.1\r\nHost: 127.0.0.1:{server}\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n",
        "CONNECT 127.0.0.1:{other} HTTP/1.0\r\n",
    ],
)
def test_request_for_another_server_is_refused_in_every_form(bench, other: ApiServer, lines: str) -> None:
    bench.start()
    with bench.client() as client:
        sent = lines.format(other=other.port, server=bench.server.port)
        client.raw.sendall(f"{sent}{client.login}\r\n".encode())
        assert client.raw.recv(65536).split()[1] in (b"400", b"403")
    bench.proxy.idle()
    assert other.peers == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_tls_server_is_not_asked_outside_of_a_tunnel(bench, scheme: str) -> None:
    bench.start()
    with bench.client() as client:
        url = f"{scheme}://127.0.0.1:{bench.server.port}/api"
        client.raw.sendall(f"GET {url} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s\r\n{client.login}\r\n".encode())
        response = client.response()
        assert response.status == 403
        assert response.read() == f"mitmkube: 127.0.0.1:{bench.server.port} is reached by CONNECT\n".encode()
        response.close()
    bench.proxy.idle()
    assert bench.server.peers == []


def test_request_in_a_tunnel_goes_to_its_server_whatever_host_it_names(bench, other: ApiServer) -> None:
    bench.start()
    with bench.client().open() as client:
        client.send(f"GET /api HTTP/1.1\r\nHost: 127.0.0.1:{other.port}\r\n\r\n")
        assert client.response().status == 200
    assert [request.get("Host") for request in bench.server.requests] == [f"127.0.0.1:{other.port}"]
    assert other.peers == []


def test_server_whose_name_leads_to_the_proxy_itself_is_refused(tmp_path) -> None:
    known: list[Upstream] = []
    upstreams = Upstreams(lambda: known, KeyPairs(tuple), PASSWORD)
    with running_proxy(tmp_path, upstreams) as proxy:
        for name, host in (("named", "localhost"), ("numbered", "127.0.0.1"), ("mapped", "::ffff:127.0.0.1")):
            known.append(
                Upstream(cluster=name, scheme="https", host=host, port=proxy.port, server_name=host, user="cluster-1")
            )
        before = answer_of(proxy.port)
        for upstream in known:
            with Client(proxy, (upstream.host, proxy.port)) as client, pytest.raises(Refused) as refused:
                client.connect()
            assert refused.value.status == 502
            assert "leads to mitmkube itself" in refused.value.reason
        proxy.idle()
        assert answer_of(proxy.port) == before
        assert [exchange.failure.phase for exchange in proxy.take(3)] == ["tls"] * 3


def answer_of(port: int) -> str:
    """What a stranger hears of the proxy: that it still answers, and how."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\n\r\n")
        return connection.recv(65536).decode().partition("\r\n")[0]


def test_upgrade_of_a_server_leads_nowhere_else(bench, other: ApiServer) -> None:
    """After a 101 everything goes to the same server, also what looks like a request to another."""

    def upgrade(peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        received.append(peer.until(b"\r\n\r\n"))
        peer.send(b"done")

    received: list[bytes] = []
    bench.start(upgrade)
    connect = f"CONNECT 127.0.0.1:{other.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with bench.client().open() as client:
        client.send("GET /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert client.recv().startswith(b"HTTP/1.1 101 ")
        client.send(connect)
        assert client.recv() == b"done"
    assert received == [connect]
    assert other.peers == []


def test_forward_proxy_is_reached_on_the_way_to_a_server_only(bench, other: ApiServer) -> None:
    from proxy_addons.upstream import ForwardProxy

    bench.start()
    via = ForwardProxy(scheme="http", host="127.0.0.1", port=other.port)
    with (
        running_proxy(bench.folder / "..", [upstream_of(bench.server, via=via)]) as proxy,
        Client(proxy, ("127.0.0.1", other.port)) as client,
    ):
        with pytest.raises(Refused) as refused:
            client.connect()
        assert refused.value.status == 403
    assert other.peers == []
