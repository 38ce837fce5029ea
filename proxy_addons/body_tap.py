"""Watches a body go by without holding it up: its size, its beginning, and what a reader makes of it.

Bodies are streamed in both directions. mitmproxy would otherwise hold a body back until it is whole, and would show it
on its page as it is; a tap keeps the beginning and lets it be redacted first. A reader sees a piece only when it has
been sent on: what is found out is never waited for.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator

from analyzers.decode import body
from analyzers.decode.body_reader import BodyReader
from proxy_addons.limits import BODY_BYTES

logger = logging.getLogger("mitmkube")

# A few kilobytes of gzip can hold gigabytes: a reader gets them in pieces.
_PIECE_BYTES = 256 * 1024

# How long a reader may keep everything else waiting: each time, and when its body has ended.
_TURN_SECONDS, _LAST_SECONDS = 0.02, 1.0
# A reader that is so far behind is hopelessly slow, and what it has not read is held in memory.
_BEHIND_BYTES = 8 << 20


class BodyTap:
    """Set as a message's ``stream``; mitmproxy calls it with every chunk, and with b"" at the end.

    ``keep`` bytes of the beginning are kept, as they are on the wire. ``later`` puts off what the reader has to do
    until the chunk is on its way; ``changed`` is called each time that the reader has read on. A reader that cannot
    keep up is given up: a few kilobytes on the wire can be minutes of work.
    """

    def __init__(
        self,
        content_encoding: str = "",
        *,
        keep: int = BODY_BYTES,
        reader: BodyReader | None = None,
        clock: Callable[[], float] = time.time,
        later: Callable[[Callable[[], None]], object] | None = None,
        changed: Callable[[], None] | None = None,
    ) -> None:
        self.wire_bytes = 0
        self.read_bytes = 0
        self.reader = reader
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._keep = keep
        self._content_encoding = content_encoding
        self._inflate = body.Decoder(content_encoding) if reader is not None else None
        self._unread: deque[tuple[bytes, float]] = deque()
        self._unread_bytes = 0
        self._pieces: Iterator[tuple[bytes, float]] = iter(())
        self._waits = False
        self._behind = False
        self._clock = clock
        self._later = later
        self._changed = changed

    def __call__(self, chunk: bytes) -> bytes:
        if chunk:
            self.wire_bytes += len(chunk)
            if (room := self._keep - self._kept_bytes) > 0:
                self._kept.append(chunk[:room])
                self._kept_bytes += min(room, len(chunk))
            if self.reader is not None:
                self._unread.append((chunk, self._clock()))
                self._unread_bytes += len(chunk)
                if self._later is None:
                    self.read()
                elif self._unread_bytes > _BEHIND_BYTES:
                    self._give_up()
                elif not self._waits:
                    self._waits = True
                    self._later(self._read_on)
        return chunk

    def read(self) -> None:
        """Let the reader catch up with what went by."""
        if self._read(_LAST_SECONDS):
            self._give_up()

    def _read_on(self) -> None:
        self._waits = self._read(_TURN_SECONDS)
        if self._waits and self._later is not None:
            self._later(self._read_on)

    def _read(self, seconds: float) -> bool:
        """Let the reader read for so long. Returns whether something is left."""
        if self.reader is None:
            return False
        until = self._clock() + seconds
        changed = left = False
        try:
            while (piece := self._next()) is not None:
                self.read_bytes += len(piece[0])
                self.reader.feed(*piece)
                changed = True
                if left := self._clock() >= until:
                    break
        except Exception:  # the body goes on all the same
            logger.exception("a body could not be read as it passed")
            self._give_up()
        self._behind = left
        if changed and self._changed is not None:
            self._changed()
        return left

    def _next(self) -> tuple[bytes, float] | None:
        """What is to be read next, its Content-Encoding undone, and the time at which it came."""
        while (piece := next(self._pieces, None)) is None and self._unread:
            chunk, came = self._unread.popleft()
            self._unread_bytes -= len(chunk)
            self._pieces = self._inflated(chunk, came)
        return piece

    def _inflated(self, chunk: bytes, came: float) -> Iterator[tuple[bytes, float]]:
        assert self._inflate is not None
        for piece in self._inflate.pieces(chunk, _PIECE_BYTES):
            yield piece, came

    def _give_up(self) -> None:
        self.reader = None
        self._unread.clear()
        self._pieces = iter(())

    @property
    def complete(self) -> bool:
        """Whether everything that went by was kept."""
        return self._kept_bytes == self.wire_bytes

    @property
    def decoded_bytes(self) -> int | None:
        """How many bytes went by with their Content-Encoding undone; None where no reader has counted them all."""
        return self.read_bytes if self.reader is not None and not (self._unread or self._behind) else None

    @property
    def content(self) -> bytes:
        """What was kept, its Content-Encoding undone as far as it goes."""
        return body.decode(b"".join(self._kept), self._content_encoding)
