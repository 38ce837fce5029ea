"""A HAR that is valid JSON after every entry, and gets its name when it is whole."""

from __future__ import annotations

import os
from pathlib import Path

from analyzers.output import har


class HarFile:
    """Writes ``path`` + ".partial", 0600, entry by entry. Not thread-safe."""

    def __init__(self, path: Path, version: str) -> None:
        """``version`` is mitmkube's. Raises OSError."""
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._partial.unlink(missing_ok=True)  # of a run that was killed; with it go its mode and where it may lead
        fd = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(fd, "r+b")
        head = har.head(version).encode()
        self._file.write(head + har.TAIL.encode())
        self._file.flush()
        self._end = len(head)
        self._separator = b""

    def write(self, entry: str) -> range:
        """Append one entry, as ``har.entry_text`` makes it; where it stands, for ``read``. Raises OSError."""
        added = self._separator + entry.encode("utf-8", "replace")
        self._file.seek(self._end)
        # The new tail goes out with the entry: a reader finds a whole document before and after.
        self._file.write(added + har.TAIL.encode())
        self._file.flush()
        self._end += len(added)
        where = range(self._end - len(added) + len(self._separator), self._end)
        self._separator = har.SEPARATOR.encode()
        return where

    def read(self, where: range) -> str:
        """An entry that was written, until ``finish``. Raises OSError."""
        self._file.seek(where.start)
        return self._file.read(len(where)).decode()

    def discard(self) -> None:
        """Leave nothing behind. Raises OSError."""
        self._file.close()
        self._partial.unlink(missing_ok=True)

    def finish(self, document: str) -> None:
        """Replace what was written live by ``document``, which knows the whole story, and give it its name.

        Raises OSError.
        """
        self._file.seek(0)
        self._file.write(document.encode("utf-8", "replace"))
        self._file.truncate()
        self._file.close()
        self._partial.replace(self._path)
