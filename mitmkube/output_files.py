"""Files that the user named for the report: known to be writable before the command runs, whole when it has."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from mitmkube.errors import UserError
from mitmkube.private_files import write_private


def check_writable(path: Path) -> Path:
    """``path``, or where it leads when it is a link. Raises UserError when a file could not be put there."""
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder; name a file to write to")
        if is_stream(path):
            return path  # opened when it is written
        target = Path(os.path.realpath(path))
        if not target.parent.is_dir():
            raise UserError(f"{path} cannot be written: there is no folder {target.parent}")
        target.exists()  # a name can be too long for a file
        with tempfile.TemporaryFile(dir=target.parent):  # permissions alone do not tell
            pass
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None
    return target


def check_apart(paths: Iterable[Path | None]) -> None:
    """Raises UserError where two of them are one file: the second would replace the first."""
    files = [path for path in paths if path is not None and not is_stream(path)]
    for path in files:
        if files.count(path) > 1:
            raise UserError(f"{path} is named twice; each output needs a file of its own")


def is_stream(path: Path) -> bool:
    """Whether ``path`` is written to as it stands, and nothing is put in its place: a pipe, a device, /dev/stdout."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow /dev/stdout to the file behind it
    is_special = absolute.parent == Path("/dev") or any(absolute.is_relative_to(top) for top in ("/dev/fd", "/proc"))
    return path.exists() and (is_special or not path.is_file())


def write(path: Path, text: str) -> None:
    """Write the whole text. Raises UserError."""
    content = text.encode("utf-8", "replace")
    try:
        if is_stream(path):
            with path.open("ab") as stream:  # what others have written to it stays
                stream.write(content)
        else:
            write_private(path, content)
    except OSError as error:
        raise UserError(f"{path} could not be written: {error.strerror or error}") from error
