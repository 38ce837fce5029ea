"""Puts this project's layers where mitmproxy would put its own."""

from __future__ import annotations

from mitmproxy import ctx
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.tls import TlsData
from OpenSSL import SSL

from proxy_addons.layers import ClientTLS, KubeHttpLayer, ServerTLS
from proxy_addons.tunnels import Tunnels


class Layering:
    """Chooses the layer of a connection to an HTTP proxy, and of what is tunnelled through it."""

    name = "mitmkube-layering"

    def __init__(self, tunnels: Tunnels) -> None:
        self._tunnels = tunnels

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        if nextlayer.layer is not None:
            return
        context = nextlayer.context
        below = context.layers[-1]
        if isinstance(below, modes.HttpProxy):
            nextlayer.layer = KubeHttpLayer(context, HTTPMode.regular, self._tunnels)
        elif isinstance(below, ServerTLS) and starts_like_tls_record(nextlayer.data_client()):
            nextlayer.layer = ClientTLS(context)
        elif isinstance(below, ClientTLS):
            nextlayer.layer = KubeHttpLayer(context, HTTPMode.transparent, self._tunnels)

    def tls_start_client(self, data: TlsData) -> None:
        # mitmproxy asks for a client certificate without a session-id context; a client that resumes then dies.
        # Its own addon makes the connection object, whichever of the two comes first in the chain.
        if data.ssl_conn is None:
            ctx.master.addons.get("tlsconfig").tls_start_client(data)
        assert data.ssl_conn is not None
        data.ssl_conn.get_context().set_session_cache_mode(SSL.SESS_CACHE_OFF)
        data.ssl_conn.set_options(SSL.OP_NO_TICKET)
