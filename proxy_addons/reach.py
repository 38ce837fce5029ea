"""Where connections may go and how long they may take: client-go's limits, which mitmproxy does not have."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from collections.abc import Mapping
from dataclasses import replace

from mitmproxy import ctx, http
from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.proxy import server, server_hooks
from mitmproxy.tls import TlsData

from proxy_addons import go_errors
from proxy_addons.tunnels import Tunnels
from proxy_addons.upstream import ForwardProxy, Upstream

DIAL_SECONDS = 30  # client-go/transport/cache.go
TLS_SECONDS = 10  # apimachinery/pkg/util/net/http.go
PROXY_SECONDS = 60  # net/http/transport.go, for a forward proxy's answer to CONNECT

# HTTP/2's pings, which told client-go of a dead peer after 45 s, are gone with HTTP/2: TCP probes take their place.
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_PROBES = 15, 10, 3


class Reach:
    """Lets connections out to the kubeconfig's servers only, and ends those that hang."""

    name = "mitmkube-reach"

    def __init__(self, tunnels: Tunnels) -> None:
        self._tunnels = tunnels
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def running(self) -> None:
        self._tunnels.lookups.serve(asyncio.get_running_loop())

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        upstreams, address = self._tunnels.upstreams, data.server.address
        if address is None or not (upstreams.find(*address[:2]) or upstreams.is_forward_proxy(*address[:2])):
            data.server.error = "mitmkube: not a server of the kubeconfig"
            return
        self._limit(DIAL_SECONDS, go_errors.DIAL_TIMED_OUT, data.client, data.server)

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        self._clear(data.server)
        transport = _transport(data.client, data.server)
        if transport is None or not isinstance(transport.writer, asyncio.StreamWriter):
            return
        if _is_our_own(data.client, data.server):
            data.server.error = "mitmkube: the server's name leads to mitmkube itself"
            transport.writer.transport.abort()
        else:
            keep_alive(transport.writer.get_extra_info("socket", None))

    def server_connect_error(self, data: server_hooks.ServerConnectionHookData) -> None:
        self._clear(data.server)

    def server_disconnected(self, data: server_hooks.ServerConnectionHookData) -> None:
        self._clear(data.server)

    def client_disconnected(self, client: Client) -> None:
        self._tunnels.close(client)

    def tls_start_server(self, data: TlsData) -> None:
        upstream = self._tunnels.of(data.context.client)
        if upstream is None or not isinstance(data.conn, Server):
            raise AssertionError("a TLS connection to a server that nobody was admitted to")
        client = data.context.client
        if upstream.via is not None and data.conn.address == (upstream.via.host, upstream.via.port):
            data.ssl_conn = self._tunnels.trust.handshake(_proxy_itself(upstream, upstream.via), may_suspend=False)
            self._limit(TLS_SECONDS, go_errors.TLS_TIMED_OUT, client, data.conn)
            return
        if client.tls_established:
            data.ssl_conn = self._tunnels.handshake_again(upstream, client)
        else:
            data.ssl_conn = self._tunnels.trust.handshake(upstream, may_suspend=True)
        if (carrier := _carrier(client, data.conn)) is not data.conn:
            self._clear(carrier)
        self._limit(TLS_SECONDS, go_errors.TLS_TIMED_OUT, client, data.conn)

    def http_connect_upstream(self, flow: http.HTTPFlow) -> None:
        upstream = self._tunnels.of(flow.client_conn)
        if upstream is not None and upstream.via is not None and upstream.via.authorization:
            flow.request.headers["Proxy-Authorization"] = upstream.via.authorization
        if upstream is not None and upstream.scheme == "https":  # the handshake that follows ends this limit
            self._limit(PROXY_SECONDS, go_errors.DIAL_TIMED_OUT, flow.client_conn, flow.server_conn)

    def tls_established_server(self, data: TlsData) -> None:
        self._clear(data.conn)

    def tls_failed_server(self, data: TlsData) -> None:
        self._clear(data.conn)

    def _limit(self, seconds: float, reason: str, client: Client, connection: Server) -> None:
        self._clear(connection)
        loop = asyncio.get_running_loop()
        self._timers[connection.id] = loop.call_later(seconds, self._give_up, reason, client, connection)

    def _clear(self, connection: Connection) -> None:
        timer = self._timers.pop(connection.id, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self, reason: str, client: Client, connection: Server) -> None:
        self._timers.pop(connection.id, None)
        transport = _transport(client, _carrier(client, connection))
        if transport is not None and transport.handler is not None:
            assert connection.address is not None
            if reason == go_errors.DIAL_TIMED_OUT and self._tunnels.lookups.is_underway(connection.address[0]):
                reason = go_errors.LOOKUP_TIMED_OUT
            connection.error = reason
            transport.handler.cancel(reason)


def _proxy_itself(upstream: Upstream, via: ForwardProxy) -> Upstream:
    """A forward proxy that speaks TLS. client-go knows it as it knows the server: one TLS configuration serves both."""
    name = via.host if upstream.server_name == upstream.host else upstream.server_name
    return replace(upstream, host=via.host, port=via.port, server_name=name)


def _is_our_own(client: Client, server: Server) -> bool:
    """Whether behind a server's name there is this proxy, or its web page, which trusts whoever is on this machine."""
    if server.peername is None:
        return False
    ports = {client.sockname[1], *([ctx.options.web_port] if "web_port" in ctx.options else [])}
    address = ipaddress.ip_address(server.peername[0])
    address = getattr(address, "ipv4_mapped", None) or address
    return server.peername[1] in ports and str(address) == client.sockname[0]


def _transport(client: Client, connection: Connection) -> server.ConnectionIO | None:
    return _transports(client).get(connection)


def _transports(client: Client) -> Mapping[Connection, server.ConnectionIO]:
    handler = ctx.master.addons.get("proxyserver").connections.get(client.id)
    return handler.transports if handler is not None else {}


def _carrier(client: Client, connection: Server) -> Server:
    """The connection that has the socket: itself, or the one to the forward proxy that it passes through."""
    transports = _transports(client)
    if connection.via is None or connection in transports:
        return connection
    there = (c for c in transports if isinstance(c, Server) and c.address == connection.via[1])
    return next((c for c in there if c.state is ConnectionState.OPEN), connection)


def keep_alive(sock: socket.socket) -> None:
    """Have the kernel notice a dead peer within 45 seconds of silence."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = 0x10 if sys.platform == "darwin" else socket.TCP_KEEPIDLE  # macOS calls it TCP_KEEPALIVE
    sock.setsockopt(socket.IPPROTO_TCP, idle, KEEPALIVE_IDLE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Bytes that nobody acknowledges keep the probes from starting; they get the same 45 s.
        total = KEEPALIVE_IDLE_SECONDS + KEEPALIVE_INTERVAL_SECONDS * KEEPALIVE_PROBES
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, total * 1000)
