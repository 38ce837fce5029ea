"""How mitmproxy must be set for a Kubernetes client to notice no difference."""

from __future__ import annotations

from typing import Any

OPTIONS: dict[str, Any] = {
    "listen_host": "127.0.0.1",
    "http2": False,  # the API server closes HTTP/2 connections after a 401, and mitmproxy then loses the answer
    "connection_strategy": "lazy",
    "request_client_cert": True,
    "upstream_cert": False,
    "websocket": False,  # an upgraded connection passes as bytes, pings and all
    "rawtcp": True,
    "tcp_timeout": 7 * 24 * 3600,  # a watch may be quiet for hours
    "validate_inbound_headers": False,  # what the API server says arrives as it is
}

WEB_COLUMNS = ["icon", "path", "method", "status", "size", "time", "comment"]
