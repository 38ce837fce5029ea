"""Writes to stderr, which may be closed, or read by someone who has gone: neither changes how mitmkube ends."""

from __future__ import annotations

import sys

from mitmkube import nowhere


def write(text: str) -> None:
    """Write ``text`` and flush it; what nobody can read is dropped."""
    if sys.stderr is None:  # it was closed when mitmkube was started
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        nowhere.send(sys.stderr)


def say(text: str) -> None:
    """A sentence of mitmkube's own, on one line."""
    write(f"mitmkube: {' '.join(text.split())}\n")
