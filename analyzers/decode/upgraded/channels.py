"""The messages of the channel.k8s.io protocols: a channel's number, then what goes over it.

Binary, or with "base64" in the protocol's name as text: a digit, then base64 (k8s.io/streaming, wsstream/conn.go). In
v5 channel 255 says that the channel named next was closed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from analyzers.decode.upgraded.payload import unmasked
from analyzers.decode.upgraded.tally import SERVER, Tally

TallyOf = Callable[[int], Tally | None]


class Channels:
    """Counts the messages of one direction; ``tally_of`` gives what a channel's number is counted in."""

    def __init__(self, side: int, tally_of: TallyOf) -> None:
        self._side = side
        self._tally_of = tally_of
        self._number = -1
        self._tally: Tally | None = None
        self.label = ""

    def span(self, data: bytes, begin: int, end: int, mask: bytes, first: bool) -> None:
        """The next payload."""
        if first:
            number = data[begin] ^ mask[begin & 3] if mask else data[begin]
            begin += 1
            if number != self._number:
                self._number, self._tally = number, self._tally_of(number)
                self.label = _label(number, self._tally)
        tally = self._tally
        if tally is not None:
            tally.bytes[self._side] += end - begin
            if tally.most and self._side == SERVER:
                tally.keep(self._number, unmasked(data, begin, end, mask))


class Base64Channels:
    """As ``Channels``, of text messages."""

    def __init__(self, side: int, tally_of: TallyOf) -> None:
        self._side = side
        self._tally_of = tally_of
        self._tally: Tally | None = None
        self._number = -1
        self._digits = 0  # of the message so far, without padding
        self.label = ""
        self._rest = b""  # of an error channel's message: less than four digits

    def span(self, data: bytes, begin: int, end: int, mask: bytes, first: bool) -> None:
        """The next payload."""
        text = unmasked(data, begin, end, mask)
        if first:
            self._number = text[0] - ord("0")
            self._tally = self._tally_of(self._number)
            self.label = _label(self._number, self._tally)
            self._digits, self._rest = 0, b""
            text = text[1:]
        tally = self._tally
        if tally is None:
            return
        before = self._digits * 3 // 4
        self._digits += len(text) - text.count(b"=")
        tally.bytes[self._side] += self._digits * 3 // 4 - before
        if tally.most and self._side == SERVER:
            text = self._rest + text
            whole = len(text) & ~3
            self._rest = text[whole:]
            tally.keep(self._number, _decoded(text[:whole]))


def _label(number: int, tally: Tally | None) -> str:
    if tally is None:
        return f"channel {number}"
    return tally.name if tally.port is None else f"port {tally.port}"


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""
