"""Folders and files that only their owner can read."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mitmkube.errors import UserError
from mitmkube.trusted_place import trusted

SESSION = "mitmkube-"
"""How the name of a session's folder begins."""


def make_private_folder(environ: Mapping[str, str]) -> Path:
    """A new 0700 folder, in memory where the system has such a place for the user, else in the temporary folder.

    Raises UserError where others could put a folder of their own in its place.
    """
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime and os.pathsep not in runtime:  # a separator would break the list in KUBECONFIG
        with contextlib.suppress(OSError):
            return Path(tempfile.mkdtemp(prefix=SESSION, dir=trusted(Path(runtime))))
    try:
        return Path(tempfile.mkdtemp(prefix=SESSION, dir=trusted(temporary_folder())))
    except OSError as error:
        raise UserError(
            f"no folder for the session: {error.strerror}; set TMPDIR to a folder that is yours alone"
        ) from None


def temporary_folder() -> Path:
    """The system's, or /tmp where that could not stand in a list of files."""
    return Path("/tmp" if os.pathsep in tempfile.gettempdir() else tempfile.gettempdir())  # noqa: S108 - names in it are random


def private_folder(path: Path) -> Path:
    """``path`` without links as a 0700 folder, made if it is missing. Raises OSError, also where it is another's."""
    place = path.resolve()
    trusted(place.parent)
    for missing in reversed([folder for folder in (place, *place.parents) if not folder.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)  # its parents too, which mkdir itself would leave to the umask
    if place.stat().st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to another user", str(place))
    place.chmod(0o700)
    return place


def write_private(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, 0600 from the first byte on, whole or not at all. Raises OSError."""
    fd, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
