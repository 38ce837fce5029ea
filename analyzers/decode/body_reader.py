"""Which reader looks at an answer's body while it passes: that of a watch, of a list, of a log, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from analyzers.decode import request_info
from analyzers.decode.list_page import ListReader
from analyzers.decode.log_lines import LogReader
from analyzers.decode.watch import WatchReader

if TYPE_CHECKING:
    from analyzers.streams.stream import Stream


class BodyReader(Protocol):
    """Fed with the content, its Content-Encoding undone, piece by piece; holds next to nothing of it."""

    def feed(self, content: bytes, now: float, /) -> None:
        """The next piece, which came at ``now``, a Unix time."""

    def stream(self, wire_bytes: int, /) -> Stream | None:
        """What has been seen so far; None where the content is something else than was asked for."""


def reader_for(method: str, path: str, status: int, content_type: str) -> BodyReader | None:
    """The reader for the answer to a request; ``path`` as the API server sees it, its query with it."""
    if not 200 <= status < 300:
        return None
    info = request_info.decode(method, path)
    if not info.is_resource_request:
        return None
    if info.verb == "watch":
        return WatchReader()
    if info.subresource == "log":
        return LogReader()
    return ListReader(content_type) if info.verb == "list" else None


def endless(reader: BodyReader | None) -> bool:
    """Whether the body may go on for as long as somebody listens."""
    return isinstance(reader, WatchReader | LogReader)
