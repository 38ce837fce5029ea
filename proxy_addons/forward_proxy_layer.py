"""The way through a forward proxy, with Go's words for a proxy whose TLS cannot be trusted."""

from __future__ import annotations

import datetime as dt

from mitmproxy import connection
from mitmproxy.proxy import layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import ServerTLSLayer
from mitmproxy.proxy.layers.http._upstream_proxy import HttpUpstreamProxy
from mitmproxy.proxy.tunnel import LayerStack

from proxy_addons import go_errors
from proxy_addons.upstream import ForwardProxy


def through(context: Context, via: ForwardProxy) -> LayerStack:
    """The layers below those of the server itself."""
    proxy = connection.Server(address=(via.host, via.port))
    stack = LayerStack()
    if via.scheme == "https":
        proxy.alpn_offers, proxy.sni = (b"http/1.1",), via.host
        stack /= ForwardProxyTLS(context, proxy)
    return stack / HttpUpstreamProxy(context, proxy, True)


class ForwardProxyTLS(ServerTLSLayer):
    """TLS to the proxy itself."""

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        handshake = self.tls.get_app_data()
        handshake.first_bytes = handshake.first_bytes or data[:16]
        done, err = yield from super().receive_handshake_data(data)
        if err:
            sent = [cert.to_cryptography() for cert in self.tls.get_peer_cert_chain() or ()]
            words = handshake.certificate_error(sent, dt.datetime.now(dt.UTC))
            err = go_errors.PROXY_CONNECT + (words or go_errors.tls(err, handshake.first_bytes))
        return done, err
