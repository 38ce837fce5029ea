"""Which messages went over a WebSocket and when, in bounded memory: the first, and the latest."""

from __future__ import annotations

from collections import deque

from analyzers.streams.message import Message, Messages

MOST = 100
"""Kept of the first, and as many of the latest."""


class MessageLog:
    """Both directions of one connection; ``now`` is the Unix time at which came what is read."""

    def __init__(self) -> None:
        self.now = 0.0
        self._first: list[tuple[float, int, int, int, str]] = []
        self._latest: deque[tuple[float, int, int, int, str]] = deque(maxlen=MOST)
        self._count = 0

    def add(self, side: int, opcode: int, size: int, label: str) -> None:
        """A message that has ended: ``size`` bytes of payload, on the channel that ``label`` names."""
        self._count += 1
        kept = self._first if len(self._first) < MOST else self._latest
        kept.append((self.now, side, opcode, size, label))

    @property
    def messages(self) -> Messages:
        """What was seen so far."""
        return Messages(
            first=tuple(map(_message, self._first)),
            latest=tuple(map(_message, self._latest)),
            left_out=self._count - len(self._first) - len(self._latest),
        )


def _message(seen: tuple[float, int, int, int, str]) -> Message:
    time, side, opcode, size, label = seen
    return Message(time=time, side="server" if side else "client", opcode=opcode, size=size, label=label)
