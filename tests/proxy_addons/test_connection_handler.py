"""The way mitmproxy is driven: hooks at once, one write an event, tunnels that stand without their layers."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import socket
import ssl
import threading

from mitmproxy import exceptions, http
from mitmproxy.proxy import layer, mode_servers, server

from proxy_addons.connection_handler import KubeConnectionHandler
from proxy_addons.established import Established, Relay
from tests.proxy_addons.api_server import tcp_server
from tests.proxy_addons.running_proxy import Client, running_proxy, upstream_of, wait_for

UPGRADE = "POST /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"


def handler_of(bench) -> KubeConnectionHandler:
    (found,) = bench.proxy.master.server.connections.values()
    return found


def test_the_inside_of_mitmproxy_is_where_it_is_leaned_on(bench) -> None:
    """What ``KubeConnectionHandler`` takes the place of: a new mitmproxy that moved it has to be looked at."""
    bench.start()
    with bench.client().open() as client:
        client.request()
        assert isinstance(handler_of(bench), KubeConnectionHandler)
    assert inspect.iscoroutinefunction(server.ConnectionHandler.server_event)
    assert inspect.iscoroutinefunction(server.ConnectionHandler.drain_writers)
    commands = inspect.getsource(server.ConnectionHandler.server_event)
    known = ("OpenConnection", "RequestWakeup", "ConnectionCommand", "SendData", "CloseTcpConnection",
             "CloseConnection", "StartHook", "Log")  # fmt: skip
    assert commands.count("isinstance(command, commands.") + commands.count("and command.connection not in") == 9
    assert all(f"commands.{name}" in commands for name in known)
    assert "ProxyConnectionHandler(" in inspect.getsource(mode_servers.ServerInstance.handle_stream)
    assert hasattr(http.MessageData, "__post_init__")
    assert "_paused" in inspect.getsource(layer.Layer.handle_event)


def test_requests_pass_without_the_layers_that_built_the_tunnel(bench) -> None:
    bench.start()
    with bench.client().open() as client:
        assert client.request()[0] == 200
        assert isinstance(handler_of(bench).layer, Established)
        assert client.request(method="POST", body=b"x" * 300_000)[0] == 200
    assert [one.response.status for one in bench.proxy.take(2)] == [200, 200]


def test_nothing_small_is_held_back_for_an_acknowledgement(bench) -> None:
    bench.start()
    with bench.client().open() as client:
        client.request()
        for one in handler_of(bench).transports.values():
            assert one.writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_upgraded_connection_passes_without_http(bench) -> None:
    def switch(peer) -> None:
        peer.request()
        peer.send(SWITCHED + b"hello")
        while data := peer.recv():
            peer.send(data)

    bench.start(switch)
    with bench.client().open() as client:
        client.send(UPGRADE)
        got = b""
        while not got.endswith(b"hello"):
            got += client.recv()
        wait_for(lambda: isinstance(handler_of(bench).layer, Relay))
        client.send(b"abc")
        assert client.recv() == b"abc"
    stream = bench.proxy.exchange.response.stream
    assert (stream.client_bytes, stream.server_bytes) == (3, 8)


class Slow:
    """An addon whose hook has to be awaited."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.seen.append("asked")
        await asyncio.sleep(0.01)
        self.seen.append("went on")

    def request(self, flow: http.HTTPFlow) -> None:
        self.seen.append("request")


def test_hook_that_has_to_be_awaited_is_waited_for(bench) -> None:
    bench.start(addons=[slow := Slow()])
    with bench.client().open() as client:
        assert client.request()[0] == 200
        assert client.request()[0] == 200
    assert slow.seen == ["asked", "went on", "request"] * 2


class Stopper:
    """What a person does in mitmweb who stops a flow and lets it go on."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.flow: http.HTTPFlow

    def request(self, flow: http.HTTPFlow) -> None:
        flow.intercept()
        self.flow = flow
        self.stopped.set()


def test_flow_that_was_stopped_goes_on_when_it_is_resumed(bench) -> None:
    bench.start(addons=[stopper := Stopper()])
    with bench.client().open() as client:
        client.send("GET /api/v1/pods HTTP/1.1\r\nHost: x\r\n\r\n")
        assert stopper.stopped.wait(20)
        assert not bench.server.requests
        bench.proxy.master.event_loop.call_soon_threadsafe(stopper.flow.resume)
        response = client.response()
        assert response.status == 200
        response.read()
        response.close()


class Raises:
    def request(self, flow: http.HTTPFlow) -> None:
        raise ValueError("an addon's mistake")


def test_hook_that_raises_does_not_stop_the_request(bench, errors) -> None:
    bench.start(addons=[Raises()])
    with bench.client().open() as client:
        assert client.request()[0] == 200
    assert any("an addon's mistake" in said for said in errors.take())


class Halts:
    def request(self, flow: http.HTTPFlow) -> None:
        raise exceptions.AddonHalt


class FrontEnd:
    """What shows flows, as mitmweb's view."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def request(self, flow: http.HTTPFlow) -> None:
        self.seen.append("request")

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self.seen.append("responseheaders")

    def update(self, flows: list[http.HTTPFlow]) -> None:
        self.seen.append("update")


def test_addon_that_halts_an_event_keeps_it_from_later_addons_but_not_from_front_ends(bench) -> None:
    bench.start(addons=[Halts(), front_end := FrontEnd()])
    with bench.client().open() as client:
        assert client.request()[0] == 200
    bench.proxy.idle()
    before = front_end.seen[: front_end.seen.index("responseheaders")]
    # CONNECT asked and answered, the head of the request, the request.
    assert before == ["update"] * 4


def test_head_and_body_of_an_answer_leave_in_one_record(bench) -> None:
    def one(peer) -> None:
        while peer.request():
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    bench.start(one)
    with bench.client().open() as client:
        client.request()
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv().endswith(b"\r\n\r\nhello")


def test_slow_reader_holds_the_server_back(bench) -> None:
    """What the client does not read must not pile up in the proxy."""
    sent = 0
    full = threading.Event()

    def flood(peer) -> None:
        nonlocal sent
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n")
        peer.socket.settimeout(2)
        with contextlib.suppress(OSError, ssl.SSLError, Exception):
            while sent < 400_000_000:
                peer.send(b"x" * 65536)
                sent += 65536
        full.set()

    bench.start(flood)
    with bench.client() as client:
        client.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.open()
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv()
        assert full.wait(20), "the server could send everything"
    # The kernel's buffers on both ways hold some megabytes.
    assert sent < 50_000_000


def test_client_that_sends_no_more_gets_the_rest(tmp_path) -> None:
    """Without TLS, where an end of one way is no more than that."""
    heard: list[bytes] = []

    def talk(peer) -> None:
        peer.request()
        peer.send(SWITCHED)
        while data := peer.recv():
            heard.append(data)
        peer.send(b"the rest")

    with (
        tcp_server(talk) as server,
        running_proxy(tmp_path, [upstream_of(server, scheme="http", ca=None)]) as proxy,
        Client(proxy, server).connect() as client,
    ):
        client.send(UPGRADE)
        assert client.recv() == SWITCHED
        client.send(b"question")
        client.raw.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := client.recv():
            got += chunk
        assert got == b"the rest"
        assert b"".join(heard) == b"question"
        assert proxy.exchange.failure is None


def test_server_that_sends_no_more_hears_the_rest(bench) -> None:
    go, done = threading.Event(), threading.Event()
    heard: list[bytes] = []

    def talk(peer) -> None:
        peer.request()
        peer.send(SWITCHED)
        assert go.wait(20)
        peer.send(b"last words")
        peer.half_close()
        while data := peer.recv():
            heard.append(data)
        done.set()

    bench.start(talk)
    with bench.client().open() as client:
        client.send(UPGRADE)
        assert client.recv() == SWITCHED
        wait_for(lambda: isinstance(handler_of(bench).layer, Relay))
        go.set()
        assert client.recv() == b"last words"
        assert client.recv() == b""
        client.send(b"after")
        with socket.socket(fileno=os.dup(client.tls.fileno())) as same:
            same.shutdown(socket.SHUT_WR)
        assert done.wait(20)
    assert b"".join(heard) == b"after"
