"""A proxy that can be connected to before it is there.

Importing mitmproxy takes longer than kubectl needs to start. So the socket listens first, the command is started with
its port, and connections wait in the backlog until the proxy takes them.
"""

from __future__ import annotations

import asyncio
import importlib
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mitmkube import lean_import

if TYPE_CHECKING:
    from mitmkube.proxy import ProxyMaster
    from proxy_addons.limits import Limits
    from proxy_addons.recorder import Recorder, Sink
    from proxy_addons.tunnels import Tunnels
    from proxy_addons.upstream import Upstreams

# A client that was ended may have left a flow open; its end takes a moment to arrive.
SETTLE_SECONDS = 2.0

_BACKLOG = 128
_HOST = "127.0.0.1"
# In steps: a command that has ended meanwhile need not wait for the rest, and it is seen how long a connection waited.
_IMPORTS = (
    "mitmproxy.connection",
    "mitmproxy.http",
    "mitmproxy.proxy.layer",
    "mitmproxy.tls",
    "h11",
    "mitmproxy.proxy.layers",
    "mitmkube.proxy",
    "proxy_addons.recorder",
    "proxy_addons.layering",
    "proxy_addons.reach",
)


def listening_socket() -> socket.socket:
    """On a free port of the loopback interface; no child inherits it."""
    # With its protocol named: asyncio switches Nagle's algorithm off only where it stands, and small answers would wait
    # 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.bind((_HOST, 0))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


class EarlyProxy:
    """Listens from the beginning, and serves as soon as it can."""

    def __init__(self) -> None:
        self._listener = listening_socket()
        self.port = int(self._listener.getsockname()[1])
        self._master: ProxyMaster | None = None
        self._recorder: Recorder | None = None
        self._tunnels: Tunnels | None = None
        self._held_since = 0.0
        self.held_seconds = 0.0
        """How long the first connection had to wait, at least, because there was no proxy yet."""

    async def serve(
        self,
        upstreams: Upstreams,
        sink: Sink,
        open_sink: Sink | None,
        limits: Limits,
        confdir: Path,
        is_over: Callable[[], bool],
    ) -> None:
        """Import mitmproxy and serve, but not where all ``is_over`` and nobody has connected.

        The sinks and limits are the recorder's. Raises whatever goes wrong, and then nobody can connect any more.
        """
        try:
            if await self._imported(is_over):
                from proxy_addons.recorder import Recorder
                from proxy_addons.tunnels import Tunnels

                tunnels = Tunnels(upstreams)
                await self._start(tunnels, Recorder(tunnels, sink, open_sink, limits), confdir)
                if self._held_since:
                    self.held_seconds = time.monotonic() - self._held_since
        except BaseException:
            self._listener.close()
            raise

    @property
    def turned_away(self) -> bool:
        """Whether a client came without the proxy's password."""
        return self._tunnels is not None and self._tunnels.turned_away

    async def settle(self) -> None:
        """After the command: wait until its connections have been seen to close, and hand on what is still open."""
        if self._master is None or self._recorder is None:
            return
        deadline = time.monotonic() + SETTLE_SECONDS
        while (self._master.server.connections or self._has_waiting()) and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        self._recorder.flush()

    async def stop(self) -> None:
        """Take no more connections. Works at any time."""
        if self._master is not None:
            await self._master.stop()
        self._listener.close()

    def _has_waiting(self) -> bool:
        """Whether somebody has connected and not been accepted yet."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        return bool(poll.poll(0))

    async def _imported(self, is_over: Callable[[], bool]) -> bool:
        with lean_import.lean():
            for name in _IMPORTS:
                await asyncio.sleep(0)
                if self._has_waiting():
                    self._held_since = self._held_since or time.monotonic()
                elif is_over():
                    return False
                importlib.import_module(name)
        return True

    async def _start(self, tunnels: Tunnels, recorder: Recorder, confdir: Path) -> None:
        from mitmkube.proxy import ProxyMaster
        from proxy_addons import kube_addons

        self._recorder, self._tunnels = recorder, tunnels
        self._master = ProxyMaster([*kube_addons(tunnels), recorder], confdir)
        await self._master.start(self._listener)
