"""Counts a log's lines while they go by."""

from __future__ import annotations

from analyzers.streams.log import Log


class LogReader:
    """Fed with a log's content chunk by chunk; keeps none of it."""

    def __init__(self) -> None:
        self._ends = 0
        self._bytes = 0
        self._open = False

    def feed(self, content: bytes, _now: float) -> None:
        """Count the next part."""
        if content:
            self._ends += content.count(b"\n")
            self._bytes += len(content)
            self._open = not content.endswith(b"\n")

    def stream(self, _wire_bytes: int) -> Log:
        """What has been counted so far."""
        return Log(line_count=self._ends + self._open, content_bytes=self._bytes)
