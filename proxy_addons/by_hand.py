"""What plain ``mitmweb -s script.py`` runs: the same addons, with the options they need."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from pathlib import Path

from mitmproxy import contentviews, ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy.mode_servers import ServerInstance
from mitmproxy.proxy.mode_specs import ProxyMode

from analyzers.kubeconfig import config_paths
from proxy_addons import connection_handler, kube_addons
from proxy_addons.analysis import Analysis
from proxy_addons.annotate import Annotate
from proxy_addons.contentview import KubernetesView
from proxy_addons.kubeconfig_upstreams import by_hand
from proxy_addons.options import OPTIONS, WEB_COLUMNS
from proxy_addons.recorder import Recorder
from proxy_addons.tunnels import Tunnels


class ByHand:
    """An addon that brings the others: the servers are those of KUBECONFIG, or of ~/.kube/config."""

    name = "mitmkube"

    def __init__(self) -> None:
        paths = config_paths(os.environ, Path.home())
        self._restarts: list[asyncio.Future[None]] = []
        annotate = Annotate(asyncio.get_running_loop())
        self._analysis = Analysis(annotate, still_open=(annotate,), given_up=annotate.given_up)
        tunnels = Tunnels(by_hand(paths))
        self.addons = [*kube_addons(tunnels), Recorder(tunnels, self._analysis, self._analysis.look)]

    def load(self, _loader: Loader) -> None:
        contentviews.add(KubernetesView())
        connection_handler.install()
        ctx.options.update(**OPTIONS)
        if "web_columns" in ctx.options:  # mitmweb has it, mitmdump has not
            ctx.options.update(web_columns=WEB_COLUMNS)

    def running(self) -> None:
        # mitmproxy loads a script when its server is already listening, everywhere.
        for server in ctx.master.addons.get("proxyserver").servers:
            if not all(ipaddress.ip_address(host).is_loopback for host, *_ in server.listen_addrs):
                self._restarts.append(asyncio.ensure_future(_restart(server)))

    def done(self) -> None:
        self._analysis.finish()


async def _restart(server: ServerInstance[ProxyMode]) -> None:
    await server.stop()
    await server.start()
