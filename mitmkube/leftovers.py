"""Folders of sessions that were killed before they could tidy up: found by name, known by a lock that nobody holds."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mitmkube.lock_file import NAME, locked
from mitmkube.private_files import SESSION, temporary_folder

_SESSION = re.compile(re.escape(SESSION) + r"[a-z0-9_]{8}")  # as mkdtemp names them
_UNLOCKED_SECONDS = 24 * 3600
"""Without a lock there is one that has not been made yet, or a session of before there were any: its CA lives a day."""


class InUse(Exception):
    """Somebody has it open."""


def remove_quietly(environ: Mapping[str, str]) -> None:
    """Remove what sessions before this one have left; what cannot be removed, and what is in use, stays."""
    with contextlib.suppress(OSError):
        for path in sessions(environ):
            with contextlib.suppress(OSError, InUse):
                remove(path)


def sessions(environ: Mapping[str, str]) -> Iterator[Path]:
    """The folders of sessions that were ended before they could tidy up, and of those that still go on."""
    places = [Path(environ["XDG_RUNTIME_DIR"])] if environ.get("XDG_RUNTIME_DIR") else []
    for place in dict.fromkeys((*places, temporary_folder(), Path("/tmp"))):  # noqa: S108 - only looked through
        with contextlib.suppress(OSError):
            for path in sorted(place.iterdir()):
                if _SESSION.fullmatch(path.name) and is_own(path, stat.S_ISDIR) and _is_private(path):
                    yield path


def remove(path: Path) -> None:
    """Remove a file or a folder. Raises InUse, OSError."""
    if not path.is_dir():
        path.unlink()
        return
    if not (path / NAME).exists() and _SESSION.fullmatch(path.name):
        if time.time() - path.stat().st_mtime < _UNLOCKED_SECONDS:
            raise InUse
        shutil.rmtree(path)
        return
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(path))
        except BlockingIOError:
            raise InUse from None
        shutil.rmtree(path)


def is_own(path: Path, is_kind: Callable[[int], bool]) -> bool:
    """Whether it is the user's, and a folder or a file itself: a link may lead anywhere."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return status.st_uid == os.geteuid() and is_kind(status.st_mode)


def _is_private(path: Path) -> bool:
    return stat.S_IMODE(path.lstat().st_mode) == 0o700
