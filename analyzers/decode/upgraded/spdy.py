"""SPDY/3.1 frames of one direction (the SPDY protocol, draft 3.1; github.com/moby/spdystream).

Eight bytes of header, then DATA of a stream, which is skipped, or a control frame, which is short. They arrive as they
are or as the payload of WebSocket messages, whose bounds mean nothing.
"""

from __future__ import annotations

from analyzers.decode.upgraded.payload import unmasked
from analyzers.decode.upgraded.spdy_headers import LONGEST_BLOCK, HeaderBlocks
from analyzers.decode.upgraded.spdy_streams import Stream, Streams
from analyzers.decode.upgraded.tally import SERVER

_VERSION = 0x8003
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _GOAWAY, _HEADERS = 1, 2, 3, 7, 8
# Where the header block begins.
_BLOCKS = {_SYN_STREAM: 10, _SYN_REPLY: 4, _HEADERS: 4}
_FIN = 0x01


class Frames:
    """Fed with one direction, of ``side``; what it reads it tells ``streams``.

    ``going_away`` is true once this side said that it ends the connection, ``problem`` is why reading stopped.
    """

    label = "SPDY"  # of a WebSocket message around it

    def __init__(self, side: int, streams: Streams) -> None:
        self.going_away = False
        self.problem = ""
        self._side = side
        self._streams = streams
        self._blocks = HeaderBlocks()
        self._header = b""  # the beginning of one that is not complete
        self._left = 0  # of the frame's payload
        self._stream: Stream | None = None  # of a DATA frame
        self._fin = False
        self._kind = 0
        self._content: bytearray | None = None  # of a control frame that is read

    def span(self, data: bytes, begin: int, end: int, mask: bytes, first: bool) -> None:
        """The next bytes; ``first`` says nothing here."""
        while begin < end and not self.problem:
            if self._left:
                stop = min(end, begin + self._left)
                self._payload(data, begin, stop, mask)
            else:
                stop = min(end, begin + 8 - len(self._header))
                self._header += unmasked(data, begin, stop, mask)
                if len(self._header) == 8:
                    self._begin(self._header)
                    self._header = b""
            begin = stop

    def _payload(self, data: bytes, begin: int, end: int, mask: bytes) -> None:
        stream = self._stream
        if stream is not None:
            tally = stream.tally
            tally.bytes[self._side] += end - begin
            if tally.most and self._side == SERVER:
                tally.keep(stream.number, unmasked(data, begin, end, mask))
        elif self._content is not None:
            self._content += unmasked(data, begin, end, mask)
        self._left -= end - begin
        if not self._left:
            self._end()

    def _begin(self, header: bytes) -> None:
        number = int.from_bytes(header[:4])
        self._fin = bool(header[4] & _FIN)
        self._left = header[5] << 16 | header[6] << 8 | header[7]
        if number < 1 << 31:
            self._kind = 0
            if not number:
                self.problem = "a SPDY frame belongs to no stream"
                return
            self._stream = self._streams.of(number)
        else:
            self._stream = None
            self._begin_control(number >> 16, number & 0xFFFF)
        if not self._left and not self.problem:
            self._end()

    def _begin_control(self, version: int, kind: int) -> None:
        self._kind = kind
        read = kind in _BLOCKS or kind == _RST_STREAM
        self._content = bytearray() if read else None
        self.going_away = self.going_away or kind == _GOAWAY
        if version != _VERSION:
            self.problem = "a SPDY frame is of another version than 3"
        elif read and self._left > LONGEST_BLOCK:
            self.problem = "a SPDY frame has too many headers"

    def _end(self) -> None:
        stream, content = self._stream, self._content
        self._stream = self._content = None
        if stream is not None:
            if self._fin:
                self._streams.ended(stream.number, self._side)
        elif content is not None:
            self._control(bytes(content))

    def _control(self, content: bytes) -> None:
        number = int.from_bytes(content[:4]) & 0x7FFFFFFF
        if self._kind == _RST_STREAM:
            self._streams.reset(number, self._side)
            return
        headers = self._blocks.read(content[_BLOCKS[self._kind] :])
        if headers is None:
            self.problem = "the headers of a SPDY frame cannot be inflated"
            return
        if self._kind == _SYN_STREAM:
            self._streams.opened(number, headers)
        if self._fin:
            self._streams.ended(number, self._side)
