"""Opens what the user names for reading, recognises it, and hands it to its reader."""

from __future__ import annotations

import contextlib
import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from analyzers.readers import recognise
from analyzers.readers.passage import Kind, Passage
from analyzers.readers.source import Readable, Source, as_utf8
from mitmkube.errors import UserError

STDIN = "-"
_GZIP = b"\x1f\x8b"


@contextlib.contextmanager
def opened(name: str, progress: Callable[[int], object] | None = None) -> Iterator[Source]:
    """The file ``name``, or stdin for ``-``; unpacked when it is gzip. Raises UserError where it cannot be read."""
    try:
        if name == STDIN:
            if sys.stdin is None:
                raise UserError("stdin is closed; name a file")
            with _unpacked(sys.stdin.buffer, progress) as source:
                yield source
            return
        with Path(name).open("rb") as file, _unpacked(file, progress) as source:
            yield source
    except IsADirectoryError:
        raise UserError(f"{name} is a folder; name a file, or - for stdin") from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise UserError(f"{name} is compressed and broken: unpack what is left of it with gzip -dc") from None
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror or error}") from error


@contextlib.contextmanager
def _unpacked(file: BinaryIO, progress: Callable[[int], object] | None) -> Iterator[Source]:
    """What stands in ``file``. A pipe cannot be read twice, so what is looked at is put in front of the rest."""
    head = file.read(len(_GZIP))
    whole = cast(BinaryIO, _Joined(head, file))
    if head != _GZIP:
        yield as_utf8(Source(whole, progress))
        return
    with gzip.open(whole) as unpacked:
        yield as_utf8(Source(cast(Readable, unpacked)))  # of how much, nobody knows before the end


class _Joined:
    """``head``, then what is left of ``file``; it is read once, from front to back."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head = head
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        """As a file's."""
        head, self._head = self._head, b""
        return head or self._file.read(size)


def passages(source: Source) -> Iterator[Passage]:
    """What stands in ``source``, passage by passage, whatever kind of file it is."""
    yield from reader(recognise.recognise(source.peek()))(source)


def reader(kind: Kind) -> recognise.Reader:
    """The reader for a kind of file. Loaded when needed: mitmproxy takes its time, and few files need it."""
    match kind:
        case "har":
            from analyzers.readers.har import read
        case "audit-log":
            from analyzers.readers.audit import read
        case "flows":
            from proxy_addons.flow_file import read
        case "recording":
            from analyzers.readers.recording import read
        case _:
            from analyzers.readers.terminal import read
    return read
