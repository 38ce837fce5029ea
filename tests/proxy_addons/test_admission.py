"""Who may use the proxy, and where it goes."""

from __future__ import annotations

import base64

import pytest

from tests.proxy_addons.api_server import answer_all, tcp_server
from tests.proxy_addons.running_proxy import PASSWORD, Refused, running_proxy, upstream_of


@pytest.mark.parametrize("password", [None, "", "wrong", PASSWORD + "x"])
def test_without_the_password_nothing_is_reached(bench, password) -> None:
    bench.start()
    with bench.client(password=password) as client, pytest.raises(Refused) as refused:
        client.connect()
    assert refused.value.status == 407
    assert bench.server.peers == []
    bench.proxy.idle()
    assert bench.proxy.exchanges == []


@pytest.mark.parametrize("login", ["Basic !!!", "Basic /w==", "Bearer x", "Basic"])
def test_login_that_cannot_be_read_is_no_login(bench, login) -> None:
    bench.start()
    client = bench.client()
    client.login = f"Proxy-Authorization: {login}\r\n"
    with pytest.raises(Refused) as refused:
        client.connect()
    assert refused.value.status == 407


def test_407_is_followed_by_a_login_on_the_same_connection(bench) -> None:
    bench.start()
    with bench.client() as client:
        login, client.login = client.login, ""
        with pytest.raises(Refused):
            client.connect()
        client.login = login
        client.connect().handshake()
        assert client.request()[0] == 200
    assert [e.id for e in bench.proxy.take()] == [1]


def test_other_servers_are_refused(bench) -> None:
    bench.start()
    with tcp_server(answer_all) as other:
        with bench.client(target=("127.0.0.1", other.port)) as client, pytest.raises(Refused) as refused:
            client.connect()
        assert refused.value.status == 403
        assert refused.value.reason == f"mitmkube: 127.0.0.1:{other.port} is no server of the kubeconfig"
        with bench.client() as client:
            client.raw.sendall(f"GET http://127.0.0.1:{other.port}/ HTTP/1.1\r\nHost: x\r\n{client.login}\r\n".encode())
            response = client.response()
            assert response.status == 403
            response.close()
        assert other.peers == []
    assert [e.failure.phase for e in bench.proxy.take(2)] == ["mitmkube", "mitmkube"]


def test_the_proxy_itself_is_no_server_of_the_kubeconfig(bench) -> None:
    bench.start()
    with bench.client() as client:
        client.raw.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{bench.proxy.port}\r\n{client.login}\r\n".encode())
        response = client.response()
        assert response.status == 403
        response.close()


def test_plain_server_is_reached_by_absolute_requests_with_a_password(tmp_path) -> None:
    with (
        tcp_server(answer_all) as server,
        running_proxy(tmp_path, [upstream_of(server, scheme="http", ca=None)]) as proxy,
    ):
        from tests.proxy_addons.running_proxy import Client

        url = f"http://127.0.0.1:{server.port}/api/v1/pods"
        with Client(proxy, server) as client:
            for login, status in ((client.login, 200), ("", 407), (client.login, 200)):
                client.send(f"GET {url} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer abc\r\n{login}\r\n")
                response = client.response()
                assert response.status == status
                response.read()
                response.close()
            client.send(f"POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
            response = client.response()
            assert response.status == 407
            response.read()
            response.close()
        assert [r.line for r in server.requests] == ["GET /api/v1/pods HTTP/1.1"] * 2
        assert all(r.get("Authorization") == "Bearer abc" for r in server.requests)
        assert [e.connection.verified for e in proxy.take(2)] == [None, None]
        proxy.idle()
        assert len(proxy.exchanges) == 2


def test_plain_server_is_reached_through_a_tunnel_too(tmp_path) -> None:
    from tests.proxy_addons.running_proxy import Client

    with (
        tcp_server(answer_all) as server,
        running_proxy(tmp_path, [upstream_of(server, scheme="http", ca=None)]) as proxy,
    ):
        with Client(proxy, server).connect() as client:
            assert client.request(fields=["Authorization: Bearer abc"])[0] == 200
        assert server.requests[0].get("Authorization") == "Bearer abc"
        assert "Authorization" not in proxy.exchange.request.headers


def test_login_is_compared_as_bytes(bench) -> None:
    bench.start()
    client = bench.client()
    client.login = f"Proxy-Authorization: Basic {base64.b64encode('u:pässwörd'.encode()).decode()}\r\n"
    with pytest.raises(Refused) as refused:
        client.connect()
    assert refused.value.status == 407


def test_settings_that_cannot_be_used_are_told_in_the_refusal(bench) -> None:
    bench.start(problem="unable to load root certificates: unable to parse bytes as PEM block")
    with bench.client() as client, pytest.raises(Refused) as refused:
        client.connect()
    assert refused.value.reason == "unable to load root certificates: unable to parse bytes as PEM block"
    assert bench.proxy.exchange.failure.phase == "mitmkube"
    assert bench.server.peers == []
