"""Writes to stdout, which may be closed, full, of another encoding, or read by someone who has gone."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import TextIO

from mitmkube import nowhere
from mitmkube.errors import UserError


@contextlib.contextmanager
def writing(*, encoding: str | None = None) -> Iterator[TextIO]:
    """stdout, flushed at the end; in ``encoding`` where that is given.

    A character that its encoding lacks is escaped. A reader who has gone has seen enough, and ends the block; anything
    else that keeps it from being written to raises UserError.
    """
    out = sys.stdout
    if out is None:  # it was closed when mitmkube was started
        raise UserError("stdout is closed: there is nowhere to write to")
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(encoding=encoding, errors="backslashreplace")
    try:
        yield out
        out.flush()
    except BrokenPipeError:
        nowhere.send(out)
    except OSError as error:
        nowhere.send(out)
        raise UserError(f"stdout cannot be written to: {error.strerror or error}") from error
