"""A file that is read once, from front to back: a first look for recognising it, then its bytes, with a count of both.

Audit logs and archives are larger than memory, and stdin cannot be read twice; no reader sees more than this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

# Enough to see a file's kind behind a banner, a prompt or a byte order mark.
FIRST_LOOK = 64 * 1024
BLOCK = 1 << 20
# A line longer than this is cut: one entry of an archive is no text.
LONGEST_LINE = 64 << 20


class Readable(Protocol):
    """What ``open(path, "rb")`` and ``sys.stdin.buffer`` have in common."""

    def read(self, size: int, /) -> bytes: ...


class Source:
    """A binary stream with a first look. ``progress`` is called with the number of bytes of every block read.

    ``line`` is the number, from 1, of the line at which the next unread byte stands, where reading goes by ``lines``.
    """

    def __init__(self, raw: Readable, progress: Callable[[int], object] | None = None) -> None:
        self._raw = raw
        self._progress = progress
        self._ahead = b""
        self._ended = False
        self.line = 1

    def peek(self) -> bytes:
        """The first bytes, at most ``FIRST_LOOK``; they are read again by ``blocks`` and ``lines``."""
        while len(self._ahead) < FIRST_LOOK and not self._ended:
            self._ahead += self._read(FIRST_LOOK)
        return self._ahead[:FIRST_LOOK]

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """The bytes that were not yet read, in blocks of about ``size``."""
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            yield ahead
        while not self._ended:
            block = self._read(size)
            if block:
                yield block

    def lines(self) -> Iterator[bytes]:
        """The lines that were not yet read, each with its line feed; the last one perhaps without."""
        begun: list[bytes] = []  # of a line that runs over blocks, which are put together once
        size = 0
        for block in self.blocks():
            parts = block.split(b"\n")
            rest = parts.pop()
            if parts and begun:
                parts[0] = b"".join((*begun, parts[0]))
                begun.clear()
                size = 0
            for part in parts:
                yield part + b"\n"
                self.line += 1
            if rest:
                begun.append(rest)
                size += len(rest)
            if size > LONGEST_LINE:
                yield b"".join(begun)
                begun.clear()
                size = 0
        if begun:
            yield b"".join(begun)

    def _read(self, size: int) -> bytes:
        block = self._raw.read(size)
        if not block:
            self._ended = True
        elif self._progress is not None:
            self._progress(len(block))
        return block
