"""How much of what passes is kept in memory. The traffic itself is never cut."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """Bytes as they are on the wire; ``stream_bytes`` is for watches and logs, which may have no end."""

    body_bytes: int = 1 << 20
    stream_bytes: int = 256 << 10
