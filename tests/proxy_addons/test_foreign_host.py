"""A host that the user let through by name is reached, and of what is said there next to nothing is kept."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from mitmproxy import io as flow_io

from analyzers.classify import classify
from analyzers.command import Story
from proxy_addons.kubeconfig_upstreams import foreign
from proxy_addons.trust import Trust
from proxy_addons.upstream import KeyPairs, Upstreams
from tests.proxy_addons.api_server import api_server
from tests.proxy_addons.running_proxy import PASSWORD, Client, Refused, running_proxy, upstream_of

SECRET = "s3cr3t-code-of-a-login"


def redirect(peer) -> None:
    """An OAuth server's answer: the token stands in the fragment."""
    while (request := peer.request()) is not None:
        if "refused" in request.line:
            peer.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno")
            continue
        peer.send(
            b"HTTP/1.1 302 Found\r\nDate: now\r\nLocation: https://x/#access_token=%s\r\nSet-Cookie: ssn=%s\r\n"
            b"X-Last: %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s"
            % (*[SECRET.encode()] * 3, len(SECRET), SECRET.encode())
        )


@pytest.fixture
def hosts(tmp_path: Path, leaf, authority, monkeypatch: pytest.MonkeyPatch):
    """The proxy to an API server that lets another host through, and that host."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority.certificate_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    with api_server(leaf, authority.certificate_pem) as api, api_server(leaf, b"", redirect) as oauth:
        upstreams = (upstream_of(api), foreign(oauth.host, oauth.port, {}))
        with running_proxy(tmp_path, Upstreams(lambda: upstreams, KeyPairs(tuple), PASSWORD)) as proxy:
            yield proxy, api, oauth


LOGIN = "/oauth/authorize?response_type=token&code=" + SECRET
FIELDS = (f"Authorization: Basic {SECRET}", f"X-Csrf-Token: {SECRET}", f"Cookie: {SECRET}", f"Referer: {SECRET}")


def test_login_passes_as_it_is(hosts) -> None:
    proxy, _, oauth = hosts
    with Client(proxy, oauth).open() as client:
        for _ in range(3):
            client.send("\r\n".join([f"POST {LOGIN} HTTP/1.1", "Host: x", *FIELDS, "Content-Length: 5", "", "hello"]))
            response = client.response()
            fields = response.getheaders()
            assert response.read() == SECRET.encode()
            names = [name for name, _ in fields]
            assert names == ["Date", "Location", "Set-Cookie", "X-Last", "Content-Type", "Content-Length"]
            assert dict(fields)["Location"] == f"https://x/#access_token={SECRET}"
    assert len(oauth.requests) == 3
    for request in oauth.requests:
        assert request.line == f"POST {LOGIN} HTTP/1.1"
        assert request.fields == ["Host: x", *FIELDS, "Content-Length: 5"]
        assert request.body == b"hello"


def test_nothing_of_a_login_is_kept_but_where_it_went(hosts) -> None:
    proxy, _, oauth = hosts
    with Client(proxy, oauth).open() as client:
        for _ in range(2):
            client.request("POST", LOGIN, SECRET.encode(), FIELDS)
    exchanges = proxy.take(2)
    for exchange, flow in zip(exchanges, proxy.flows, strict=True):
        buffer = io.BytesIO()
        flow_io.FlowWriter(buffer).add(flow)
        assert SECRET.encode() not in buffer.getvalue()
        assert SECRET not in repr((exchange, exchange.request.headers, exchange.response.headers))
        assert exchange.foreign
        assert (exchange.request.path, exchange.request.body, exchange.response.body) == (
            "/oauth/authorize",
            None,
            None,
        )
        assert (exchange.response.status, exchange.response.body_bytes) == (302, len(SECRET))


def test_foreign_host_is_told_and_not_judged(hosts) -> None:
    """Said by an API server, the same would be a finding."""
    proxy, api, oauth = hosts
    with Client(proxy, oauth).open() as client:
        client.request("GET", "/api/v1/namespaces/x/pods?refused=1")
    with Client(proxy, api).open() as client:
        client.request("GET", "/api/v1/pods")
    story = Story.of(proxy.take(2))
    told, judged = story.verdicts
    assert classify(replace(told.exchange, foreign=False))
    assert (told.findings, told.noted, told.notes) == ((), (), ("no API server, let through by --allow-host",))
    assert told.phrase == f"get 127.0.0.1:{oauth.port}/api/v1/namespaces/x/pods"
    assert story.main is judged


def test_foreign_host_is_known_by_the_systems_roots(hosts, tmp_path: Path) -> None:
    proxy, _, oauth = hosts
    (tmp_path / "none.pem").touch()
    proxy.tunnels.trust = Trust({"SSL_CERT_FILE": str(tmp_path / "none.pem"), "SSL_CERT_DIR": str(tmp_path / "none")})
    with Client(proxy, oauth) as client, pytest.raises(Refused, match="certificate signed by unknown authority"):
        client.open()
    assert oauth.requests == []


def test_foreign_host_is_reached_with_tls_only(hosts) -> None:
    proxy, _, oauth = hosts
    with Client(proxy, oauth) as client:
        client.send(f"GET http://{oauth.host}:{oauth.port}/ HTTP/1.1\r\nHost: x\r\n{client.login}\r\n")
        assert client.response().status == 403
    assert oauth.requests == []


def test_other_ports_and_hosts_stay_closed(hosts) -> None:
    proxy, _, oauth = hosts
    for target in (("127.0.0.1", oauth.port - 1), ("localhost", oauth.port)):
        with Client(proxy, target) as client, pytest.raises(Refused, match="is no server of the kubeconfig"):
            client.connect()
