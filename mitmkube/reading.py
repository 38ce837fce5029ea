"""Opens what the user names for reading, recognises it, and hands it to its reader."""

from __future__ import annotations

import contextlib
import gzip
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

from analyzers.readers import recognise
from analyzers.readers.passage import Kind, Passage
from analyzers.readers.source import Readable, Source
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
            yield Source(sys.stdin.buffer, progress)
            return
        with Path(name).open("rb") as file:
            packed = file.read(2) == _GZIP if file.seekable() else False
            if file.seekable():
                file.seek(0)
            if not packed:
                yield Source(file, progress)
                return
            with gzip.open(file) as unpacked:
                yield Source(cast(Readable, unpacked))  # of how much, nobody knows before the end
    except IsADirectoryError:
        raise UserError(f"{name} is a folder; name a file, or - for stdin") from None
    except (EOFError, gzip.BadGzipFile):
        raise UserError(f"{name} is compressed and broken: unpack what is left of it with gzip -dc") from None
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror or error}") from error


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
