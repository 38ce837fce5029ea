"""``mitmkube clean``: takes away what mitmkube wrote for itself and nobody uses any more.

What it was asked to write (HARs, reports, an overlay at a place of the user's choice) is the user's, and stays.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from analyzers.kubeconfig import config_paths
from mitmkube.errors import UserError
from mitmkube.lock_file import NAME, locked
from mitmkube.private_files import SESSION, temporary_folder
from mitmkube.stdout import writing
from mitmkube.web import state_place

_SESSION = re.compile(re.escape(SESSION) + r"[a-z0-9_]{8}")  # as mkdtemp names them
_UNLOCKED_SECONDS = 24 * 3600
"""Without a lock there is one that has not been made yet, or a session of before there were any: its CA lives a day."""


class _InUse(Exception):
    """Somebody has it open."""


def clean(environ: Mapping[str, str]) -> int:
    """Remove everything, and say of each thing that it is gone, or why it is not. Raises UserError."""
    told, failed = [], []
    for path in (*_state(environ), *_sessions(environ), *_halves(environ)):
        try:
            _remove(path)
        except _InUse:
            told.append(f"left {path}: it is in use\n")
        except OSError as error:
            failed.append(f"{path} cannot be removed: {error.strerror or error}")
        else:
            told.append(f"removed {path}\n")
    home = state_place(environ).parent
    with contextlib.suppress(OSError):  # it is not there, or not empty
        if _is_own(home, stat.S_ISDIR):
            home.rmdir()
    with writing() as out:
        out.writelines(told)
    if failed:
        raise UserError("; ".join(failed))
    return 0


def _state(environ: Mapping[str, str]) -> Iterator[Path]:
    place = state_place(environ)
    if _is_own(place, stat.S_ISDIR):
        yield place


def _sessions(environ: Mapping[str, str]) -> Iterator[Path]:
    """The folders of sessions that were ended before they could tidy up, and of those that still go on."""
    places = [Path(environ["XDG_RUNTIME_DIR"])] if environ.get("XDG_RUNTIME_DIR") else []
    for place in dict.fromkeys((*places, temporary_folder(), Path("/tmp"))):  # noqa: S108 - only looked through
        with contextlib.suppress(OSError):
            for path in sorted(place.iterdir()):
                if _SESSION.fullmatch(path.name) and _is_own(path, stat.S_ISDIR) and _is_private(path):
                    yield path


def _halves(environ: Mapping[str, str]) -> Iterator[Path]:
    """New kubeconfig files that were not put in the old one's place before their writer was killed."""
    for kubeconfig in config_paths(environ, Path(environ.get("HOME") or "~").expanduser()):
        target = Path(os.path.realpath(kubeconfig))
        name = re.compile(rf"\.{re.escape(target.name)}\.mitmkube-(\d+)")
        with contextlib.suppress(OSError):
            for path in sorted(target.parent.iterdir()):
                found = name.fullmatch(path.name)
                if found and _is_own(path, stat.S_ISREG) and not _is_alive(int(found[1])):
                    yield path


def _remove(path: Path) -> None:
    if not path.is_dir():
        path.unlink()
        return
    if not (path / NAME).exists() and _SESSION.fullmatch(path.name):
        if time.time() - path.stat().st_mtime < _UNLOCKED_SECONDS:
            raise _InUse
        shutil.rmtree(path)
        return
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(path))
        except BlockingIOError:
            raise _InUse from None
        shutil.rmtree(path)


def _is_own(path: Path, is_kind: Callable[[int], bool]) -> bool:
    """Whether it is the user's, and a folder or a file itself: a link may lead anywhere."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return status.st_uid == os.geteuid() and is_kind(status.st_mode)


def _is_private(path: Path) -> bool:
    return stat.S_IMODE(path.lstat().st_mode) == 0o700


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
