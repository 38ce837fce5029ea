"""A mitmproxy of our own: only the addons that are needed, and hooks looked up once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from pathlib import Path

from mitmproxy import certs, master, options
from mitmproxy.addons import core, next_layer, proxyserver, tlsconfig
from mitmproxy.proxy.mode_servers import ServerInstance
from mitmproxy.proxy.mode_specs import RegularMode

from mitmkube.private_files import write_private
from proxy_addons import connection_handler
from proxy_addons.hook_table import HookTable
from proxy_addons.options import OPTIONS


def settle_confdir(confdir: Path) -> None:
    """Put the one file there that mitmproxy would make readable for everybody."""
    write_private(confdir / "mitmproxy-dhparam.pem", certs.DEFAULT_DHPARAM)


class ProxyMaster(master.Master):
    """Runs the proxy in the current event loop, without any of mitmproxy's front ends."""

    def __init__(self, addons: Iterable[object], confdir: Path) -> None:
        super().__init__(options.Options(), event_loop=asyncio.get_running_loop(), with_termlog=False)
        self.addons = HookTable(self)
        connection_handler.install()
        self.server = proxyserver.Proxyserver()
        # Ours come first: they choose the layers and make the connection objects before mitmproxy's own would.
        self.addons.add(core.Core(), *addons, self.server, next_layer.NextLayer(), tlsconfig.TlsConfig())  # type: ignore[no-untyped-call]
        settle_confdir(confdir)
        self.options.update(confdir=str(confdir), **OPTIONS)
        self._accepting: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Accept connections from ``listener``, which is the master's from now on."""
        await self.running()
        # mitmproxy opens sockets itself and takes none that is open already.
        instance: ServerInstance[RegularMode] = ServerInstance.make("regular", self.server)
        self._accepting = await asyncio.start_server(instance.handle_stream, sock=listener)

    async def stop(self) -> None:
        """Accept no more connections and let the addons finish."""
        if self._accepting is not None:
            self._accepting.close()
        await self.done()
