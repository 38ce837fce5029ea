"""DNS that takes its time: nothing waits for it that need not, and what it is that takes time is told."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy_addons import layers, reach
from tests.proxy_addons.api_server import ApiServer, tcp_server
from tests.proxy_addons.running_proxy import Client, Proxy, Refused, running_proxy, upstream_of, wait_for

NAME = "slow.example.test"


class Resolver:
    """Answers for NAME with ``answers`` addresses, as soon as it may. No resolver on the wire can be had for a test."""

    def __init__(self) -> None:
        self.answers, self.asked = threading.Event(), Counter[str]()
        self._real = socket.getaddrinfo

    def getaddrinfo(self, host, *arguments, **options):
        self.asked[host] += 1
        if host != NAME:
            return self._real(host, *arguments, **options)
        assert self.answers.wait(60)
        return self._real("127.0.0.1", *arguments, **options)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    one = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", one.getaddrinfo)
    yield one
    one.answers.set()


@pytest.fixture
def server(resolver: Resolver) -> Iterator[ApiServer]:
    """Hangs up."""
    with tcp_server(lambda peer: None) as server:
        yield server


@pytest.fixture
def proxy(server: ApiServer, tmp_path: Path) -> Iterator[Proxy]:
    """To the server by its address and by NAME."""
    upstreams = [upstream_of(server), upstream_of(server, host=NAME, server_name=NAME)]
    with running_proxy(tmp_path, upstreams) as proxy:
        yield proxy


def ask(proxy: Proxy, server: ApiServer) -> Client:
    """Ask for a tunnel to NAME, and do not wait for it."""
    client = Client(proxy, (NAME, server.port))
    client.raw.sendall(f"CONNECT {NAME}:{server.port} HTTP/1.1\r\n{client.login}\r\n".encode())
    return client


def told(proxy: Proxy) -> list[tuple[str, str]]:
    return [(each.failure.phase, each.failure.message) for each in proxy.exchanges if each.failure is not None]


def test_lookup_that_takes_too_long_is_told_as_go_tells_it(
    proxy: Proxy, server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "DIAL_SECONDS", 0.1)
    with Client(proxy, (NAME, server.port)) as client, pytest.raises(Refused) as refused:
        client.connect()
    assert refused.value.reason == f"dial tcp: lookup {NAME}: i/o timeout"
    wait_for(lambda: told(proxy) == [("dns", refused.value.reason)])


def test_client_that_gives_up_is_told_that_it_was_the_name(
    proxy: Proxy, server: ApiServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "PATIENCE_SECONDS", 0)
    with contextlib.closing(ask(proxy, server).raw):
        wait_for(lambda: resolver.asked[NAME], "for the lookup")
    ((phase, message),) = (proxy.take(), told(proxy))[1]
    assert phase == "dns"
    assert message.startswith(f"lookup {NAME}: net/http: request canceled")


def test_many_that_wait_for_a_name_hold_up_no_other(proxy: Proxy, server: ApiServer) -> None:
    waiting = [ask(proxy, server) for _ in range(40)]
    with Client(proxy, ("127.0.0.1", server.port)) as client, pytest.raises(Refused) as refused:
        client.connect()
    assert refused.value.reason == "EOF"
    for each in waiting:
        each.raw.close()


def test_all_who_ask_for_a_name_share_one_lookup(proxy: Proxy, server: ApiServer, resolver: Resolver) -> None:
    waiting = [ask(proxy, server) for _ in range(5)]
    wait_for(lambda: len(proxy.reach._timers) == 5, "for all to dial")
    resolver.answers.set()
    for each in waiting:
        assert each.raw.recv(100).startswith(b"HTTP/1.1 502 EOF")
        each.raw.close()
    assert resolver.asked[NAME] == 1
    assert not proxy.tunnels.lookups.is_underway(NAME)
