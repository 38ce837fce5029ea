"""Undoes a Content-Encoding, as far as the bytes go: a streamed body may have ended early or be kept in part."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

LIMIT = 32 << 20
"""``decode`` returns no more bytes than this: a few kilobytes of gzip can hold gigabytes."""

_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class _Inflate(Protocol):
    """What ``zlib.decompressobj`` returns; the type has no public name."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class Decoder:
    """Undoes one Content-Encoding chunk by chunk: gzip (several members too), deflate in both forms, identity.

    What follows a broken byte is dropped. An encoding that is none of these is passed on as it is.
    """

    def __init__(self, content_encoding: str = "") -> None:
        self._encoding = content_encoding.strip().lower().removeprefix("x-")
        self._inflate: _Inflate | None = None
        self._head = b""
        self._ended = False

    def feed(self, chunk: bytes, limit: int = 0) -> bytes:
        """What ``chunk`` adds to the content; at most ``limit`` bytes, and then the last, unless that is 0."""
        out: list[bytes] = []
        left = limit
        for piece in self.pieces(chunk, limit):
            out.append(piece)
            if limit and (left := left - len(piece)) <= 0:
                self._ended = True
                break
        return b"".join(out)[: limit or None]

    def pieces(self, chunk: bytes, most: int = 0) -> Iterator[bytes]:
        """What ``chunk`` adds to the content; where it was compressed, in pieces of at most ``most`` bytes unless 0."""
        if self._encoding not in ("gzip", "deflate"):
            yield chunk
            return
        more = False  # a full piece: the rest of it is inside zlib, perhaps with nothing left to feed
        while (chunk or more) and not self._ended:
            if self._inflate is None:
                chunk, self._head = self._head + chunk, b""
                if len(chunk) < 2:
                    self._head = chunk
                    return
                self._inflate = zlib.decompressobj(self._window_bits(chunk))
            try:
                piece = self._inflate.decompress(chunk, most)
            except zlib.error:
                self._ended = True
                return
            if piece:
                yield piece
            more = bool(most) and len(piece) == most and not self._inflate.eof
            if self._inflate.eof:
                chunk = self._inflate.unused_data
                self._ended = self._encoding != "gzip"  # another member may follow
                self._inflate = None
            else:
                chunk = self._inflate.unconsumed_tail

    def _window_bits(self, head: bytes) -> int:
        if self._encoding == "gzip":
            return _GZIP
        # Some servers call bare DEFLATE data deflate; zlib's two bytes before it are a multiple of 31.
        wrapped = head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0
        return _ZLIB if wrapped else _RAW


def decode(data: bytes, content_encoding: str = "") -> bytes:
    """The content of a whole or cut-off body, at most ``LIMIT`` bytes where it was compressed."""
    return Decoder(content_encoding).feed(data, LIMIT)
