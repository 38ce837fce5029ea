"""Puts this project's layers where mitmproxy would put its own."""

from __future__ import annotations

from mitmproxy import ctx
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.tls import TlsData
from OpenSSL import SSL
from OpenSSL.SSL import _lib  # type: ignore[attr-defined]  # pyOpenSSL has no name of its own for these

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
        elif isinstance(below, ServerTLS) and nextlayer.data_client():
            nextlayer.layer = ClientTLS(context)  # and nothing else: it refuses what is no TLS
        elif isinstance(below, ClientTLS):
            nextlayer.layer = KubeHttpLayer(context, HTTPMode.transparent, self._tunnels)

    def tls_start_client(self, data: TlsData) -> None:
        # Its leaf is for the SNI or the server's address; a tls-server-name that is an IP address shows in neither.
        upstream = self._tunnels.of(data.context.client)
        if upstream is not None and not data.context.client.sni:
            data.context.client.sni = upstream.server_name
        # mitmproxy asks for a client certificate without a session-id context; a client that resumes then dies.
        # Its own addon makes the connection object, whichever of the two comes first in the chain.
        if data.ssl_conn is None:
            ctx.master.addons.get("tlsconfig").tls_start_client(data)
        assert data.ssl_conn is not None
        # pyOpenSSL's own setter refuses: mitmproxy keeps the context for other connections.
        _lib.SSL_CTX_set_session_cache_mode(data.ssl_conn.get_context()._context, SSL.SESS_CACHE_OFF)
        _lib.SSL_set_options(data.ssl_conn._ssl, SSL.OP_NO_TICKET)
