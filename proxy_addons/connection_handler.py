"""Drives mitmproxy's layers without a task for every hook and without a system call for every piece.

mitmproxy starts a task for each hook and goes on when the event loop gets around to it, writes each piece by itself,
and takes two locks for every event. Our hooks return at once, so here a hook is called where it is met, the event that
says so is worked off before anything else can arrive, and what was meant for one connection leaves it in one piece.
Layers see the same events in the same order. A hook that has to be awaited, and a flow that somebody stopped in
mitmweb, still get their task.

This leans on the inside of mitmproxy's ``ConnectionHandler``, and its tests notice when that moves.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING, cast

from mitmproxy import flow, http
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, layer, mode_servers, server
from mitmproxy.utils import asyncio_utils

from proxy_addons.established import BecomeTop, Established, Relay
from proxy_addons.hook_table import HookTable

if TYPE_CHECKING:
    from mitmproxy.connection import Connection

_SWITCH_SECONDS = 0.0005


class KubeConnectionHandler(mode_servers.ProxyConnectionHandler):
    """One client's connection and those to the server that it led to."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[no-untyped-call]
        self._events: deque[events.Event] = deque()
        self._working = False
        self._outgoing: dict[Connection, list[bytes]] = {}
        self._written: set[Connection] = set()

    async def server_event(self, event: events.Event) -> None:
        self._events.append(event)
        if self._working:
            return  # a hook brought it about; it has its turn when the present event is done
        self._working = True
        self._written.clear()
        self.timeout_watchdog.register_activity()
        if isinstance(event, events.ConnectionClosed):
            self._note_reset(event.connection)
        try:
            while self._events:
                self._work_off(self._events.popleft())
        finally:
            self._working = False
            self._send()

    def _work_off(self, event: events.Event) -> None:
        try:
            top: layer.Layer | Established | Relay = self.layer
            for command in top.handle_event(event):
                if isinstance(command, commands.SendData):
                    self._outgoing.setdefault(command.connection, []).append(command.data)
                elif isinstance(command, commands.StartHook):
                    self._start_hook(command)
                elif isinstance(command, BecomeTop):
                    top = command.top
                else:
                    self._execute(command)
            self.layer = cast(layer.Layer, top)
        except Exception:
            self.log("mitmproxy has crashed!", logging.ERROR, exc_info=True)
            # Whoever waits for an answer here waits in vain; an end can at least be told.
            if self.client in self.transports:
                self.close_connection(self.client)

    def _note_reset(self, connection: Connection) -> None:
        """mitmproxy takes a reset for the end of one way, and would wait for the rest of what cannot come."""
        transport = self.transports.get(connection)
        if transport is not None and transport.writer is not None and transport.writer.is_closing():
            connection.state = ConnectionState.CLOSED

    def _execute(self, command: commands.Command) -> None:
        """Everything but the two that are frequent, as mitmproxy does it."""
        client = self.client.peername
        if isinstance(command, commands.OpenConnection):
            assert command.connection not in self.transports
            name = f"server connection handler {command.connection.address}"
            handler = asyncio_utils.create_task(self.open_connection(command), name=name, keep_ref=False, client=client)
            self.transports[command.connection] = server.ConnectionIO(handler=handler)
        elif isinstance(command, commands.RequestWakeup):
            name = f"wakeup timer ({command.delay:.1f}s)"
            self.wakeup_timer.add(
                asyncio_utils.create_task(self.wakeup(command), name=name, keep_ref=False, client=client)
            )
        elif isinstance(command, commands.CloseConnection):
            if command.connection in self.transports:
                self._send()  # what came before it goes out before it
                half = isinstance(command, commands.CloseTcpConnection) and command.half_close
                self.close_connection(command.connection, half)
        elif isinstance(command, commands.Log):
            self.log(command.message, command.level)
        else:
            raise TypeError(f"unexpected command: {type(command).__name__}")

    def _send(self) -> None:
        for connection, pieces in self._outgoing.items():
            transport = self.transports.get(connection)
            if transport is not None and transport.writer is not None and not transport.writer.is_closing():
                transport.writer.write(b"".join(pieces))
                self._written.add(connection)
        self._outgoing.clear()

    async def drain_writers(self) -> None:
        """Before the next is read, what the last has sent must have left.

        mitmproxy waits for every connection, so a client that writes before it reads holds up what it writes. It also
        pauses where nothing waits to be sent, which costs as much as reading.
        """
        for transport in [one for connection, one in self.transports.items() if self._is_to_drain(connection, one)]:
            assert transport.writer is not None
            try:
                await transport.writer.drain()
            except OSError as error:
                if transport.handler is not None:
                    transport.handler.cancel(f"Error sending data: {error}")

    def _is_to_drain(self, connection: Connection, transport: server.ConnectionIO) -> bool:
        writer = cast("asyncio.StreamWriter | None", transport.writer)
        if writer is None:
            return False
        return writer.is_closing() or (connection in self._written and writer.transport.get_write_buffer_size() > 0)

    def _start_hook(self, hook: commands.StartHook) -> None:
        addons = self.master.addons
        unfinished = addons.start(hook) if isinstance(addons, HookTable) else addons.handle_lifecycle(hook)
        if unfinished is None and not _intercepted(hook):
            if hook.blocking:
                self._events.append(events.HookCompleted(hook))
            return
        asyncio_utils.create_task(
            self._finish_hook(hook, unfinished),
            name=f"handle_hook({hook.name})",
            keep_ref=True,
            client=self.client.peername,
        )

    async def _finish_hook(self, hook: commands.StartHook, unfinished: Awaitable[None] | None) -> None:
        with self.timeout_watchdog.disarm():
            if unfinished is not None:
                await unfinished
            (data,) = hook.args()
            if isinstance(data, flow.Flow):
                await data.wait_for_resume()
        if hook.blocking:
            await self.server_event(events.HookCompleted(hook))


def _intercepted(hook: commands.StartHook) -> bool:
    return any(isinstance(value, flow.Flow) and value.intercepted for value in vars(hook).values())


def install() -> None:
    """Have mitmproxy's servers use it from now on, in this process."""
    # A thread that analyses may keep the event loop waiting for so long, and no longer.
    sys.setswitchinterval(_SWITCH_SECONDS)
    mode_servers.ProxyConnectionHandler = KubeConnectionHandler  # type: ignore[misc]
    # Looks at the type of every field of every message, which takes as long as parsing it; ours are made of bytes.
    http.MessageData.__post_init__ = _nothing  # type: ignore[method-assign]


def _nothing(_message: http.MessageData) -> None:
    pass
