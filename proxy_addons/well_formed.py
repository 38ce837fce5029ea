"""Whether everybody on the way would take a request for the same one.

mitmproxy's own check is switched off, because it is for both directions and what an API server says is to arrive as it
is. A request that this proxy and a server (or a balancer before it) could cut at different places is what smuggles a
second one in, under the identity of the first; no Kubernetes client sends any of these.
"""

from __future__ import annotations

import re
import string

from mitmproxy import http

# What may stand in each; to take it away and see what is left is the fastest way that Python has.
_IN_TOKEN = b"!#$%&'*+-.^_`|~" + string.digits.encode() + string.ascii_letters.encode()
_IN_TARGET = bytes(byte for byte in range(256) if byte > 0x20 and byte != 0x7F)
_IN_VALUE = _IN_TARGET + b" \t"
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,17}")
_VERSIONS = (b"HTTP/1.1", b"HTTP/1.0")


def problem(request: http.Request, *, in_tunnel: bool) -> str:
    """Why ``request`` is not to be sent on, in words that repeat nothing of it; "" when it may.

    ``in_tunnel``: it came through a CONNECT, so that it has no business to name a server in its first line.
    """
    data = request.data
    if data.http_version not in _VERSIONS:
        return "it is not HTTP/1.1"
    if not data.method or data.method.translate(None, _IN_TOKEN):
        return "its method is none"
    if data.method != b"CONNECT":
        if not data.path or data.path.translate(None, _IN_TARGET):
            return "its target has control characters"
        if in_tunnel and data.authority:
            return "it names a server although its connection has one"
    return _in_fields(request)


def _in_fields(request: http.Request) -> str:
    names, values = zip(*request.headers.fields, strict=True) if request.headers.fields else ((), ())
    # All at once, because every request comes by here.
    if not all(names) or b"".join(names).translate(None, _IN_TOKEN):
        return "it has a header name that is none"
    if b"".join(values).translate(None, _IN_VALUE):
        return "it has a header with a line break or control characters"
    lowered = [name.lower() for name in names]
    lengths, encodings = lowered.count(b"content-length"), lowered.count(b"transfer-encoding")
    if lengths > 1 or encodings > 1 or lowered.count(b"host") > 1:
        return "it has a Content-Length, Transfer-Encoding or Host twice"
    if lengths and not _LENGTH.fullmatch(values[lowered.index(b"content-length")]):
        return "its Content-Length is no number"
    if not encodings:
        return ""
    if values[lowered.index(b"transfer-encoding")].lower() != b"chunked":
        return "its Transfer-Encoding is not chunked"
    if lengths:
        return "it has both Content-Length and Transfer-Encoding"
    if request.data.http_version != _VERSIONS[0]:
        return "it has a Transfer-Encoding, which HTTP/1.0 does not know"
    return ""
