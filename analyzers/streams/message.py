"""The messages of a WebSocket connection, without what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TEXT, BINARY, CLOSE = 0x1, 0x2, 0x8
"""Opcodes (RFC 6455, 11.8)."""

ERROR_CHANNEL = "error"
"""The label of what the API side says of how it went."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message: when it ended (Unix time), who sent it, and ``size``, its payload's bytes.

    ``label`` is the channel that it belongs to: its name, ``port 8080``, ``channel 255``, or SPDY for a tunnel's.
    That of a close frame is its code and reason.
    """

    time: float
    side: Literal["client", "server"]
    opcode: int
    size: int
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """Those that came first, the latest, and how many were between them."""

    first: tuple[Message, ...] = ()
    latest: tuple[Message, ...] = ()
    left_out: int = 0
