"""Folders and files that only their owner can read."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def make_private_folder(environ: Mapping[str, str]) -> Path:
    """A new 0700 folder, in memory where the system has such a place for the user, else in the temporary folder."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime and os.pathsep not in runtime:  # a separator would break the list in KUBECONFIG
        with contextlib.suppress(OSError):
            return Path(tempfile.mkdtemp(prefix="mitmkube-", dir=runtime))
    parent = "/tmp" if os.pathsep in tempfile.gettempdir() else None  # noqa: S108 - the name in it is random
    return Path(tempfile.mkdtemp(prefix="mitmkube-", dir=parent))


def private_folder(path: Path) -> Path:
    """``path`` as a 0700 folder, made if it is missing. Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


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
