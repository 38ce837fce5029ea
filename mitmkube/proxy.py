"""A mitmproxy of our own: only the addons that are needed, and hooks looked up once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from mitmproxy import addonmanager, certs, flow, hooks, master, options
from mitmproxy.addons import core, next_layer, proxyserver, tlsconfig
from mitmproxy.proxy.mode_servers import ServerInstance
from mitmproxy.proxy.mode_specs import RegularMode

from mitmkube.private_files import write_private
from proxy_addons.options import OPTIONS


class HookTable(addonmanager.AddonManager):
    """mitmproxy looks every hook up in every addon on every event; this remembers what it found.

    The addons of this master do not change while it runs.
    """

    def __init__(self, owner: master.Master) -> None:
        super().__init__(owner)  # type: ignore[no-untyped-call]
        self._hooks: dict[str, list[Any]] = {}

    async def handle_lifecycle(self, event: hooks.Hook) -> None:
        await self.trigger_event(event)
        # mitmproxy makes an update event of each event of a flow, for front ends.
        if self._has_updates and isinstance(changed := event.args()[0], flow.Flow):
            await self.trigger_event(hooks.UpdateHook([changed]))

    @cached_property
    def _has_updates(self) -> bool:
        return bool(self._found(hooks.UpdateHook([])))

    async def trigger_event(self, event: hooks.Hook) -> None:
        if not (found := self._found(event)):
            return
        arguments = event.args()
        for hook in found:
            with addonmanager.safecall():
                result = hook(*arguments)
                if result is not None and hasattr(result, "__await__"):
                    await result

    def _found(self, event: hooks.Hook) -> list[Any]:
        found = self._hooks.get(event.name)
        if found is None:
            found = [hook for addon in self.chain for _, hook in self._iter_hooks(addon, event)]
            self._hooks[event.name] = found
        return found


def settle_confdir(confdir: Path) -> None:
    """Put the one file there that mitmproxy would make readable for everybody."""
    write_private(confdir / "mitmproxy-dhparam.pem", certs.DEFAULT_DHPARAM)


class ProxyMaster(master.Master):
    """Runs the proxy in the current event loop, without any of mitmproxy's front ends."""

    def __init__(self, addons: Iterable[object], confdir: Path) -> None:
        super().__init__(options.Options(), event_loop=asyncio.get_running_loop(), with_termlog=False)
        self.addons = HookTable(self)
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
