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
from proxy_addons.leaf_names import leaf_names
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
        tlsconfig = ctx.master.addons.get("tlsconfig")
        # Its own addon makes the connection object, whichever of the two comes first in the chain.
        if data.ssl_conn is None:
            tlsconfig.tls_start_client(data)
        assert data.ssl_conn is not None
        upstream = self._tunnels.of(data.context.client)
        if upstream is not None:
            # mitmproxy's leaf is for whatever name the client says, and has its first name as common name too: one name
            # that our CA is not for makes the whole leaf worthless, and OpenSSL takes an address there for a DNS name.
            names = leaf_names(self._tunnels.upstreams.hosts_at(upstream.host, upstream.port))
            leaf = tlsconfig.certstore.get_cert(None, names)
            data.ssl_conn.use_certificate(leaf.cert.to_cryptography())
        # mitmproxy asks for a client certificate without a session-id context; a client that resumes then dies.
        # pyOpenSSL's own setter refuses: mitmproxy keeps the context for other connections.
        _lib.SSL_CTX_set_session_cache_mode(data.ssl_conn.get_context()._context, SSL.SESS_CACHE_OFF)
        _lib.SSL_set_options(data.ssl_conn._ssl, SSL.OP_NO_TICKET)
