"""A file that is read once, from front to back: a first look for recognising it, then its bytes, with a count of both.

Audit logs and archives are larger than memory, and stdin cannot be read twice; no reader sees more than this.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from typing import Protocol

# Enough to see a file's kind behind a banner, a prompt or a byte order mark.
FIRST_LOOK = 64 * 1024
BLOCK = 1 << 20
# A line longer than this is cut: one entry of an archive is no text.
LONGEST_LINE = 64 << 20
_ENOUGH_FOR_ENCODING = 1024


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

    def lines(self, longest: int = LONGEST_LINE) -> Iterator[bytes]:
        """The lines that were not yet read, each with its line feed; the last one perhaps without.

        A line of more than ``longest`` bytes comes in pieces, for which ``line`` is the same.
        """
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
            if size > longest:
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


def as_utf8(source: Source) -> Source:
    """``source`` in UTF-8 where it is in UTF-16, as PowerShell redirects what programs print; else itself."""
    encoding = _utf16(source.peek())
    return Source(_Transcoded(source, encoding)) if encoding else source


def _utf16(head: bytes) -> str:
    """The encoding of what begins with ``head`` where it is UTF-16, "" for anything else."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16-be" if head.startswith(b"\xfe\xff") else "utf-16-le"
    head = head[:_ENOUGH_FOR_ENCODING]
    first, second = head[::2].count(0), head[1::2].count(0)
    # Without a mark: most characters of text are ASCII, and then every other byte is 0.
    if len(head) >= 4 and max(first, second) > len(head) // 3 and not min(first, second):
        return "utf-16-le" if second else "utf-16-be"
    return ""


class _Transcoded:
    """UTF-16 as UTF-8, block by block."""

    def __init__(self, source: Source, encoding: str) -> None:
        self._blocks = source.blocks()
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")

    def read(self, _: int, /) -> bytes:
        """The next block, of whatever size; b"" at the end."""
        for block in self._blocks:
            if text := self._decoder.decode(block):
                return text.encode("utf-8", "replace")
        return self._decoder.decode(b"", True).encode("utf-8", "replace")
