"""Files that the user named for the report: known to be writable before the command runs, whole when it has."""

from __future__ import annotations

import os
from pathlib import Path

from mitmkube.errors import UserError
from mitmkube.private_files import write_private


def check_writable(path: Path) -> Path:
    """``path`` again. Raises UserError when a file could not be put there."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file to write to")
    if path.exists() and not path.is_file():
        return path  # a pipe or a device: opened when it is written
    parent = path.parent
    if not parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {parent}")
    if not os.access(path if path.exists() else parent, os.W_OK):
        raise UserError(f"{path} cannot be written: permission denied")
    return path


def write(path: Path, text: str) -> None:
    """Write the whole text. Raises UserError."""
    try:
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8") as file:
                file.write(text)
        else:
            write_private(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise UserError(f"{path} could not be written: {error.strerror or error}") from error
