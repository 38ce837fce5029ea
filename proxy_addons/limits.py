"""How much of what passes is kept in memory. The traffic itself is never cut."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes as they are on the wire; ``stream_bytes`` is for watches, logs and lists, which may have no end."""

    body_bytes: int = 1 << 20
    stream_bytes: int = 256 * 1024
