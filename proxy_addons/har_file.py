"""A HAR that is valid JSON after every entry, and gets its name when it is whole."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from analyzers.output import har

_SEPARATOR = har.SEPARATOR.encode()
_TAIL = har.TAIL.encode()


class HarFile:
    """Writes ``path`` + ".partial", 0600, entry by entry. Any thread may call; one call waits for another.

    Every change is one write that ends with the end of the document, so that a reader finds a whole document between
    any two system calls. What was longer before is overwritten with spaces, which may stand behind a document, until
    the file is cut.
    """

    def __init__(self, path: Path, version: str) -> None:
        """``version`` is mitmkube's. Raises OSError."""
        self._path = path
        self.partial = path.with_name(path.name + ".partial")
        self._whole = path.with_name(path.name + ".partial2")
        self._whole.unlink(missing_ok=True)
        self._lock = threading.Lock()
        self._fd = _new_file(self.partial)
        self._size = self._end = 0  # of the file, and of the entries that have ended
        self._live = b""
        head = har.head(version).encode()
        try:
            self._put(head)
        except OSError:
            self.discard()
            raise
        self._end = self._first = len(head)

    def write(self, entries: Sequence[str]) -> list[range]:
        """Append entries, as ``har.entry_text`` makes them; where each stands. Those of what is still open stay behind
        them. Raises OSError; then none is there, and those that are still open may have gone too."""
        with self._lock:
            added = bytearray()
            places: list[range] = []
            for entry in entries:
                if self._end + len(added) > self._first:
                    added += _SEPARATOR
                start = self._end + len(added)
                added += entry.encode("utf-8", "replace")
                places.append(range(start, self._end + len(added)))
            self._put(bytes(added) + (_SEPARATOR + self._live if self._live else b""))
            self._end += len(added)
            return places

    def write_live(self, entries: Sequence[str]) -> None:
        """Put ``entries``, of what is still open, behind all others, in place of those of the last call.

        They are gone with the next call and with ``finish``, and stay when the process is killed. Raises OSError.
        """
        with self._lock:
            if not entries and not self._live:
                return
            live = _SEPARATOR.join(entry.encode("utf-8", "replace") for entry in entries)
            separator = _SEPARATOR if live and self._end > self._first else b""
            self._put(separator + live)
            self._live = live

    def discard(self) -> None:
        """Leave nothing behind. Raises OSError."""
        os.close(self._fd)
        self.partial.unlink(missing_ok=True)

    def finish(self, head: str, entries: Iterable[str | range]) -> None:
        """Write the archive anew under its name: ``head``, then each entry, a range being where ``write`` put it.

        Raises OSError; then ``partial`` is still there, a whole document with every entry that was written.
        """
        try:
            self.write_live(())
            with os.fdopen(_new_file(self._whole), "wb") as file:
                file.write(head.encode("utf-8", "replace"))
                separator = b""
                for entry in entries:
                    file.write(separator)
                    file.write(self.read(entry) if isinstance(entry, range) else entry.encode("utf-8", "replace"))
                    separator = _SEPARATOR
                file.write(_TAIL)
            self._whole.replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                self._whole.unlink(missing_ok=True)
            raise
        finally:
            os.close(self._fd)
        self.partial.unlink(missing_ok=True)

    def _put(self, content: bytes) -> None:
        """Make ``content`` and the end of the document what stands behind the entries that have ended."""
        rest = content + _TAIL
        end = self._end + len(rest)
        try:
            _write_all(self._fd, rest.ljust(self._size - self._end), self._end)
            if end < self._size:
                os.ftruncate(self._fd, end)
        except OSError:
            self._close_document()
            raise
        self._size = end

    def _close_document(self) -> None:
        """End the document behind the entries that have ended, in space that the file already has."""
        self._live = b""
        with contextlib.suppress(OSError):
            _write_all(self._fd, _TAIL, self._end)
            self._size = self._end + len(_TAIL)
            os.ftruncate(self._fd, self._size)

    def read(self, where: range) -> bytes:
        """The entry that ``write`` put there. Raises OSError."""
        content = os.pread(self._fd, len(where), where.start)
        if len(content) < len(where):
            raise OSError(f"{self.partial} was changed while it was written")
        return content


def _new_file(path: Path) -> int:
    """A new 0600 file to read and write. What a killed run left there goes, its mode and where it may lead too."""
    path.unlink(missing_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _write_all(fd: int, content: bytes, offset: int) -> None:
    """One write, unless the system takes less: then the next says why."""
    done = os.pwrite(fd, content, offset)
    while done < len(content):
        done += os.pwrite(fd, content[done:], offset + done)
