"""Whether everybody on the way would take a request for the same one.

mitmproxy's own check is switched off, because it is for both directions and what an API server says is to arrive as it
is. A request that this proxy and a server (or a balancer before it) could cut at different places is what smuggles a
second one in, under the identity of the first; no Kubernetes client sends any of these.
"""

from __future__ import annotations

import re

from mitmproxy import http

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
_TARGET = re.compile(rb"[^\x00-\x20\x7f]+")
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,17}")
_VERSIONS = (b"HTTP/1.1", b"HTTP/1.0")


def problem(request: http.Request, *, in_tunnel: bool) -> str:
    """Why ``request`` is not to be sent on, in words that repeat nothing of it; "" when it may.

    ``in_tunnel``: it came through a CONNECT, so that it has no business to name a server in its first line.
    """
    data = request.data
    if data.http_version not in _VERSIONS:
        return "it is not HTTP/1.1"
    if not _TOKEN.fullmatch(data.method):
        return "its method is none"
    if data.method != b"CONNECT":
        if not _TARGET.fullmatch(data.path):
            return "its target has control characters"
        if in_tunnel and data.authority:
            return "it names a server although its connection has one"
    return _in_fields(request)


def _in_fields(request: http.Request) -> str:
    lengths, encodings, hosts = 0, 0, 0
    for name, value in request.headers.fields:
        if not _TOKEN.fullmatch(name):
            return "it has a header name that is none"
        if not _VALUE.fullmatch(value):
            return "it has a header with a line break or control characters"
        lowered = name.lower()
        if lowered == b"content-length":
            lengths += 1
            if not _LENGTH.fullmatch(value):
                return "its Content-Length is no number"
        elif lowered == b"transfer-encoding":
            encodings += 1
            if value.lower() != b"chunked":
                return "its Transfer-Encoding is not chunked"
        elif lowered == b"host":
            hosts += 1
    if lengths > 1 or encodings > 1 or hosts > 1:
        return "it has a Content-Length, Transfer-Encoding or Host twice"
    if lengths and encodings:
        return "it has both Content-Length and Transfer-Encoding"
    if encodings and request.data.http_version != _VERSIONS[0]:
        return "it has a Transfer-Encoding, which HTTP/1.0 does not know"
    return ""
