"""Watches a body go by without holding it up: its size, its beginning, and what a reader makes of it.

Bodies are streamed in both directions. mitmproxy would otherwise hold a body back until it is whole, and would show it
on its page as it is; a tap keeps the beginning and lets it be redacted first. A reader sees a piece only when it has
been sent on: what is found out is never waited for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from analyzers.decode import body
from analyzers.decode.body_reader import BodyReader
from proxy_addons.limits import BODY_BYTES

logger = logging.getLogger("mitmkube")

# A few kilobytes of gzip can hold gigabytes: a reader gets them in pieces.
_PIECE_BYTES = 256 * 1024


class BodyTap:
    """Set as a message's ``stream``; mitmproxy calls it with every chunk, and with b"" at the end.

    ``keep`` bytes of the beginning are kept, as they are on the wire. ``later`` puts off what the reader has to do
    until the chunk is on its way; ``changed`` is called each time that the reader has read on.
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
        self.reader = reader
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._keep = keep
        self._content_encoding = content_encoding
        self._inflate = body.Decoder(content_encoding) if reader is not None else None
        self._unread: list[tuple[bytes, float]] = []
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
                if self._later is None:
                    self.read()
                elif len(self._unread) == 1:
                    self._later(self.read)
        return chunk

    def read(self) -> None:
        """Let the reader catch up with what went by."""
        if self.reader is None or self._inflate is None or not self._unread:
            return
        unread, self._unread = self._unread, []
        try:
            for chunk, came in unread:
                for piece in self._inflate.pieces(chunk, _PIECE_BYTES):
                    self.reader.feed(piece, came)
        except Exception:  # the body goes on all the same
            logger.exception("a body could not be read as it passed")
            self.reader = None
        if self._changed is not None:
            self._changed()

    @property
    def complete(self) -> bool:
        """Whether everything that went by was kept."""
        return self._kept_bytes == self.wire_bytes

    @property
    def content(self) -> bytes:
        """What was kept, its Content-Encoding undone as far as it goes."""
        return body.decode(b"".join(self._kept), self._content_encoding)
