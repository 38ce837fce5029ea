"""WebSocket frames of one direction (RFC 6455): headers are read, payload is handed on by its place in the bytes."""

from __future__ import annotations

from dataclasses import dataclass

from analyzers.decode.untrusted import name
from analyzers.decode.upgraded.message_log import MessageLog
from analyzers.decode.upgraded.payload import Sink, unmasked
from analyzers.streams.message import BINARY, CLOSE

_CONTINUATION, _PONG = 0x0, 0xA
_LONGEST_CONTROL = 125
_LONGEST_HEADER = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """A close frame. ``code`` is None where it has none (RFC 6455, 7.4)."""

    code: int | None = None
    reason: str = ""


class Frames:
    """Fed with the bytes of one direction, of ``side``; ``sink`` takes the payload of data messages, ``log`` is told of
    each that has ended.

    ``close`` is the first close frame, ``problem`` why reading stopped. With ``compressed`` (permessage-deflate) frames
    may say that their message is.
    """

    def __init__(self, sink: Sink, log: MessageLog, side: int, *, compressed: bool = False) -> None:
        self.close: Close | None = None
        self.problem = ""
        self._sink = sink
        self._log = log
        self._side = side
        self._opcode = BINARY  # of the message
        self._message_bytes = 0
        self._take = sink.span
        self._reserved = 0x30 if compressed else 0x70
        self._header = b""  # the beginning of one that is not complete
        self._kind = BINARY
        self._left = 0  # of the frame's payload
        self._mask = b""
        self._fresh = False  # the message has begun, but none of its payload came yet
        self._unfinished = False
        self._control = bytearray()

    def feed(self, data: bytes) -> None:
        """Read the next bytes."""
        at, end = 0, len(data)
        while at < end and not self.problem:
            if not self._left:
                at = self._read_header(data, at, end)
                continue
            stop = min(end, at + self._left)
            if self._kind <= BINARY:
                self._take(data, at, stop, self._mask, self._fresh)
                self._fresh = False
            elif self._kind == CLOSE:
                self._control += unmasked(data, at, stop, self._mask)
            self._left -= stop - at
            at = stop
            if not self._left:
                self._ended()
        if self._left and self._mask and (turn := end & 3):
            self._mask = self._mask[turn:] + self._mask[:turn]

    def _read_header(self, data: bytes, at: int, end: int) -> int:
        """Read a frame's header at ``at``, or its beginning; where its payload begins."""
        if self._header or end - at < _LONGEST_HEADER:
            return self._gather_header(data, at, end)
        return at + self._begin(data, at, at)

    def _gather_header(self, data: bytes, at: int, end: int) -> int:
        known = len(self._header)
        header = self._header + data[at : at + _LONGEST_HEADER - known]
        size = _header_size(header)
        if len(header) < size:
            self._header = header
            return end
        self._header = b""
        self._begin(header, 0, at - known)
        return at + size - known

    def _begin(self, data: bytes, at: int, place: int) -> int:
        """Begin the frame whose whole header is at ``at``; its size.

        ``place`` is where the header would begin in the bytes that the payload is in: before their beginning where the
        header came in parts.
        """
        kind, size = data[at], data[at + 1]
        masked, size = size & 0x80, size & 0x7F
        stop = at + 2
        if size == 126:
            stop += 2
            size = data[at + 2] << 8 | data[at + 3]
        elif size == 127:
            stop += 8
            size = int.from_bytes(data[at + 2 : stop])
        if masked:
            key = data[stop : stop + 4]
            stop += 4
            turn = -(place + stop - at) & 3
            self._mask = key[turn:] + key[:turn] if turn else key
        else:
            self._mask = b""
        self._left = size
        self._check(kind, size)
        return stop - at

    def _check(self, first: int, size: int) -> None:
        self._kind = kind = first & 0x0F
        if first & self._reserved:
            self.problem = "a WebSocket frame has reserved bits set"
        elif kind <= BINARY:
            if self._unfinished != (kind == _CONTINUATION):
                self.problem = "a WebSocket message begins inside another, or continues none"
            self._fresh = self._fresh if kind == _CONTINUATION else True
            if kind != _CONTINUATION:
                self._opcode, self._message_bytes = kind, 0
            self._message_bytes += size
            self._unfinished = first < 0x80
        elif not CLOSE <= kind <= _PONG:
            self.problem = f"a WebSocket frame has the unknown kind {kind}"
        elif first < 0x80 or size > _LONGEST_CONTROL:
            self.problem = "a WebSocket control frame is too long, or in parts"
        if not size and not self.problem:
            self._ended()

    def _ended(self) -> None:
        """The end of a frame."""
        if self._kind == CLOSE:
            self._closed()
        elif self._kind <= BINARY and not self._unfinished:
            label = self._sink.label if self._message_bytes else ""
            self._log.add(self._side, self._opcode, self._message_bytes, label)

    def _closed(self) -> None:
        content = bytes(self._control)
        self._control.clear()
        if self.close is None:
            code = int.from_bytes(content[:2]) if len(content) >= 2 else None
            self.close = Close(code=code, reason=name(content[2:].decode("utf-8", "replace")))
            self._log.add(self._side, CLOSE, len(content), f"{code or ''} {self.close.reason}".strip())


def _header_size(header: bytes) -> int:
    """How long the header is that begins like this; more than there is of it where that is not known yet."""
    if len(header) < 2:
        return 2
    return 2 + {126: 2, 127: 8}.get(header[1] & 0x7F, 0) + (4 if header[1] & 0x80 else 0)
