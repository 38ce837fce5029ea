"""Writes to stderr, which may be closed, or read by someone who has gone: neither changes how mitmkube ends."""

from __future__ import annotations

import os
import sys


def write(text: str) -> None:
    """Write ``text`` and flush it; what nobody can read is dropped."""
    if sys.stderr is None:  # it was closed when mitmkube was started
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        # What is left in the buffer would make the interpreter end with a status of its own.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), sys.stderr.fileno())
