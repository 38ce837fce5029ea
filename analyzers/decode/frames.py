"""Messages with their length before them, in four bytes: so the API server sends a watch in protobuf."""

from __future__ import annotations

from collections.abc import Iterator

_HEAD = 4


class FrameReader:
    """Fed with frames chunk by chunk, gives each message and its length; of one beyond ``longest`` the beginning."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._head = bytearray()
        self._kept = bytearray()
        self._size = 0
        self._left = 0

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, int]]:
        """The messages that end within ``chunk``."""
        at = 0
        while at < len(chunk):
            if not self._left:
                step = _HEAD - len(self._head)
                self._head += chunk[at : at + step]
                at += step
                if len(self._head) < _HEAD:
                    break
                self._size = self._left = int.from_bytes(self._head, "big")
                self._head.clear()
            stop = min(at + self._left, len(chunk))
            self._left -= stop - at
            part = chunk[at : min(stop, at + self._longest - len(self._kept))]
            at = stop
            if self._left:
                self._kept += part
            else:
                yield bytes(self._kept) + part if self._kept else part, self._size
                self._kept.clear()
