"""Answers before the answer: 100 Continue, 102 Processing, 103 Early Hints.

RFC 9110, section 15.2: a client takes any number of them, also where it did not ask. mitmproxy takes the first head it
reads for the answer, and what follows for nonsense. They end here: kubectl and the other clients pass over them too,
and mitmproxy itself sends the 100 that a client waits for.
"""

from __future__ import annotations

import re

from h11._receivebuffer import ReceiveBuffer
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http._http1 import Http1Client

# 101 is an answer: from there on the connection belongs to another protocol.
_STATUS_LINE = re.compile(rb"HTTP/\d\.\d +1(?!01)\d\d(?!\d)")


class _AnswerBuffer(ReceiveBuffer):
    def maybe_extract_lines(self) -> list[bytearray] | None:
        while (lines := super().maybe_extract_lines()) and _STATUS_LINE.match(lines[0]):
            pass
        return lines


def pass_over(connection: layer.Layer) -> None:
    """From now on, keep them from what reads the answers on ``connection``, to which a request is about to be sent."""
    reader = connection.context.layers[-1]
    if isinstance(reader, Http1Client) and not isinstance(reader.buf, _AnswerBuffer):
        left, reader.buf = bytes(reader.buf), _AnswerBuffer()
        reader.buf.__iadd__(left)
