"""A mitmproxy of our own: only the addons that are needed, and hooks looked up once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from mitmproxy import certs, master, options
from mitmproxy.addons import core, next_layer, proxyserver, tlsconfig

from mitmkube.private_files import write_private
from proxy_addons import connection_handler
from proxy_addons.hook_table import HookTable
from proxy_addons.options import OPTIONS


def settle_confdir(confdir: Path) -> None:
    """Put the one file there that mitmproxy would make readable for everybody."""
    write_private(confdir / "mitmproxy-dhparam.pem", certs.DEFAULT_DHPARAM)


class ProxyMaster(master.Master):
    """Runs the proxy in the current event loop, without any of mitmproxy's front ends."""

    def __init__(self, addons: Iterable[object], confdir: Path, port: int = 0) -> None:
        super().__init__(options.Options(), event_loop=asyncio.get_running_loop(), with_termlog=False)
        self.addons = HookTable(self)
        connection_handler.install()
        self.server = proxyserver.Proxyserver()
        # Ours come first: they choose the layers and make the connection objects before mitmproxy's own would.
        self.addons.add(core.Core(), *addons, self.server, next_layer.NextLayer(), tlsconfig.TlsConfig())  # type: ignore[no-untyped-call]
        settle_confdir(confdir)
        self.options.update(confdir=str(confdir), listen_port=port, **OPTIONS)

    async def start(self) -> int:
        """Listen, and return the port. Raises OSError when it is taken."""
        if not await self.server.setup_servers():
            (server,) = self.server.servers
            raise server.last_exception or OSError("the proxy could not listen")
        await self.running()
        (server,) = self.server.servers
        return int(server.listen_addrs[0][1])

    async def stop(self) -> None:
        """Close every connection and let the addons finish."""
        await self.done()
