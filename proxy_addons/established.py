"""A tunnel that stands: both handshakes are done, and HTTP goes by without the layers that brought it there.

CONNECT, TLS to the server and TLS to the client lie inside one another while they are built up. Each byte then passes
ten layers that have nothing left to decide, which costs more than HTTP itself. So the innermost HTTP layer, once a
response has come, asks to be the top; between it and the wire there is only decryption.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.proxy import commands, events, layer

from proxy_addons import go_errors
from proxy_addons.tls_end import End

if TYPE_CHECKING:
    from proxy_addons.tunnels import Watcher


class BecomeTop(commands.Command):
    """Asks the connection handler to send every further event to ``top``."""

    def __init__(self, top: Established | Relay) -> None:
        self.top = top


class Established:
    """HTTP inside a tunnel. Takes the place of a layer for the connection handler."""

    def __init__(self, http: layer.Layer, client: End, server: End) -> None:
        self._http = http
        self._client = client
        self._server = server
        self._relay: Relay | None = None

    def relay(self, server: Connection, watcher: Watcher | None) -> Relay | None:
        """What the tunnel becomes when ``server`` was upgraded; None for one that was opened later, inside of it."""
        if server is not self._server.conn:
            return None
        self._relay = Relay(self._client, self._server, watcher)
        return self._relay

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.ConnectionEvent) and (end := self._end(event.connection)) is not None:
            if isinstance(event, events.DataReceived):
                yield from self._received(end, event.data)
                return
            if isinstance(event, events.ConnectionClosed):
                if end.notified:
                    return  # the layer has long been told
                end.closed = True
        yield from self._to_http(event)

    def _end(self, connection: Connection) -> End | None:
        if connection is self._client.conn:
            return self._client
        return self._server if connection is self._server.conn else None

    def _received(self, end: End, data: bytes) -> layer.CommandGenerator[None]:
        content = end.decrypt(data)
        if out := end.outgoing():
            yield commands.SendData(end.conn, out)
        if content:
            yield from self._to_http(events.DataReceived(end.conn, content))
        if self._relay is not None:
            yield from self._relay.look_at(end)
        elif end.notified:
            end.conn.state &= ~ConnectionState.CAN_READ
            yield from self._to_http(events.ConnectionClosed(end.conn))
        elif end.alert and end is self._server:
            # mitmproxy takes an alert for the news that the connection ends, and then tells nobody.
            end.conn.error = go_errors.tls(end.alert)
            yield commands.CloseConnection(end.conn)
            yield from self._to_http(events.ConnectionClosed(end.conn))

    def _to_http(self, event: events.Event) -> layer.CommandGenerator[None]:
        """What HTTP sends in pieces leaves as one TLS record where nothing else comes in between."""
        sending = self._client
        pieces: list[bytes] = []
        for command in self._http.handle_event(event):
            if isinstance(command, commands.SendData) and (end := self._end(command.connection)) is not None:
                if pieces and end is not sending:
                    yield _send(sending, pieces)
                sending = end
                pieces.append(command.data)
            else:
                if pieces and isinstance(command, commands.ConnectionCommand):
                    yield _send(sending, pieces)
                if isinstance(command, commands.CloseConnection) and command.connection is self._client.conn:
                    yield from self._pass_on_notice()
                yield command
        if pieces:
            yield _send(sending, pieces)

    def _pass_on_notice(self) -> layer.CommandGenerator[None]:
        """A body without a length ends with the connection, and is whole only if the server said that it ends."""
        if self._server.notified and (out := self._client.close_notify()):
            yield commands.SendData(self._client.conn, out)


class Relay:
    """An upgraded connection inside a tunnel: what comes in at one end goes out at the other, and so do their ends."""

    def __init__(self, client: End, server: End, watcher: Watcher | None) -> None:
        self._client = client
        self._server = server
        self._watcher = watcher

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if not isinstance(event, events.ConnectionEvent):
            return
        from_client = event.connection is self._client.conn
        here, there = (self._client, self._server) if from_client else (self._server, self._client)
        if isinstance(event, events.DataReceived):
            content = here.decrypt(event.data)
            if out := here.outgoing():
                yield commands.SendData(here.conn, out)
            if content:
                yield commands.SendData(there.conn, there.encrypt(content))
                self._tell(from_client, content)
            yield from self.look_at(here)
        elif isinstance(event, events.ConnectionClosed):
            yield from self._closed(here, there)

    def look_at(self, here: End) -> layer.CommandGenerator[None]:
        """Pass on what ``here`` said of itself: that it sends no more, or that it cannot go on."""
        if here.notified or here.alert:
            yield from self._closed(here, self._server if here is self._client else self._client)

    def _closed(self, here: End, there: End) -> layer.CommandGenerator[None]:
        """An end that only says that it sends no more may still be waiting for the rest of the answer."""
        if not here.closed:
            self._tell(here is self._client, b"")
        if here.notified and not here.closed and (out := there.close_notify()):
            yield commands.SendData(there.conn, out)
        here.closed = True
        gone = here.conn.state is ConnectionState.CLOSED or bool(here.alert)
        if gone or there.closed:
            for end in (there, here):
                if end.conn.state is not ConnectionState.CLOSED:
                    yield commands.CloseConnection(end.conn)
        else:
            yield commands.CloseTcpConnection(there.conn, half_close=True)

    def _tell(self, from_client: bool, content: bytes) -> None:
        if self._watcher is not None:  # not before it has been sent on
            asyncio.get_running_loop().call_soon(self._watcher, from_client, content)


def _send(end: End, pieces: list[bytes]) -> commands.SendData:
    data = end.encrypt(b"".join(pieces))
    pieces.clear()
    return commands.SendData(end.conn, data)
