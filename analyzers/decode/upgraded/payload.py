"""How frames hand on payload: as a span of the bytes that arrived, still masked, so that skipping it costs nothing."""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """Takes the payload of messages as it arrives. ``label`` names what the latest message belongs to."""

    label: str

    def span(self, data: bytes, begin: int, end: int, mask: bytes, first: bool) -> None:
        """``data[begin:end]`` is payload, never empty; ``first``: with it a message begins.

        ``mask`` is b"", or four bytes of which the byte at index ``i`` of ``data`` was XORed with number ``i % 4``.
        """


class Nobody:
    """Takes payload that nobody reads."""

    label = ""

    def span(self, data: bytes, begin: int, end: int, mask: bytes, first: bool) -> None:
        """Nothing is read."""


def unmasked(data: bytes, begin: int, end: int, mask: bytes) -> bytes:
    """``data[begin:end]`` as it was before it was masked."""
    if not mask:
        return data[begin:end]
    size = end - begin
    turn = begin & 3
    key = (mask * (size // 4 + 2))[turn : turn + size]
    return (int.from_bytes(data[begin:end]) ^ int.from_bytes(key)).to_bytes(size)
