"""A folder that belongs to a running process, for as long as it runs: its ``lock`` file is locked."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

NAME = "lock"
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of ``folder``. Raises BlockingIOError where another process holds it, OSError where none can.

    The kernel lets go of it when the process ends, however it ends.
    """
    descriptor = _new(folder)
    if descriptor is None:
        descriptor = os.open(folder / NAME, _FLAGS, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _new(folder: Path) -> int | None:
    """A new lock file that appears already locked, so that nobody takes its folder for one that was left behind."""
    if (folder / NAME).exists(follow_symlinks=False):
        return None
    unnamed = folder / f".{NAME}-{os.getpid()}"
    unnamed.unlink(missing_ok=True)
    descriptor = os.open(unnamed, _FLAGS | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.link(unnamed, folder / NAME)
    except FileExistsError:  # another was faster
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    finally:
        unnamed.unlink(missing_ok=True)
    return descriptor
