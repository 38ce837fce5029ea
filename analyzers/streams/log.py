"""A log that passed: how much of it, and nothing of what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analyzers.decode.untrusted import integer, mapping
from analyzers.units import size


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """``line_count`` has the last line too where it is not at its end; ``content_bytes`` are after decompression."""

    line_count: int = 0
    content_bytes: int = 0

    @property
    def phrase(self) -> str:
        """``12 lines, 1.2 KB``."""
        return f"{self.line_count:,} line{'' if self.line_count == 1 else 's'}, {size(self.content_bytes) or '0 B'}"

    def lines(self) -> tuple[str, ...]:
        """The same, for a page that shows more of other streams."""
        return (self.phrase,)

    def document(self) -> dict[str, Any]:
        """For JSON; ``read`` takes it back."""
        return {"lines": self.line_count, "contentBytes": self.content_bytes}

    @classmethod
    def read(cls, document: object) -> Log | None:
        """What ``document()`` wrote; None for anything else. Does not raise."""
        found = mapping(document)
        lines, content = integer(found.get("lines")), integer(found.get("contentBytes"))
        return cls(line_count=lines, content_bytes=content) if lines is not None and content is not None else None
