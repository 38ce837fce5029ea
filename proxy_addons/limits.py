"""How much of what passes is kept in memory. The traffic itself is never cut."""

from __future__ import annotations

from dataclasses import dataclass

BODY_BYTES, STREAM_BYTES = 1 << 20, 256 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes as they are on the wire; ``stream_bytes`` is for watches and logs, which may have no end."""

    body_bytes: int = BODY_BYTES
    stream_bytes: int = STREAM_BYTES
