"""Where output goes that nobody can take any more."""

from __future__ import annotations

import os
from typing import TextIO


def send(out: TextIO) -> None:
    """Drop what is left in the buffer: it would make the interpreter end with a status of its own."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), out.fileno())
