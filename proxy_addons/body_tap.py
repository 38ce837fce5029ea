"""Watches a body go by without holding it up: its size, its beginning, and a watch's error event.

Bodies are streamed in both directions. mitmproxy would otherwise hold a body back until it is whole, and would show it
on its page as it is; a tap keeps the beginning and lets it be redacted first.
"""

from __future__ import annotations

import time

from analyzers.decode import body, watch

KEPT_BYTES = 1 << 20


class BodyTap:
    """Set as a message's ``stream``; mitmproxy calls it with every chunk, and with b"" at the end."""

    def __init__(self, content_encoding: str = "", *, is_watch: bool = False) -> None:
        self.wire_bytes = 0
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._content_encoding = content_encoding
        self._watch_reader = watch.WatchReader() if is_watch else None
        self._inflate = body.Decoder(content_encoding) if is_watch else None

    def __call__(self, chunk: bytes) -> bytes:
        if chunk:
            self.wire_bytes += len(chunk)
            if self._kept_bytes < KEPT_BYTES:
                self._kept.append(chunk)
                self._kept_bytes += len(chunk)
            if self._watch_reader is not None and self._inflate is not None:
                self._watch_reader.feed(self._inflate.feed(chunk), time.time())
        return chunk

    @property
    def complete(self) -> bool:
        """Whether everything that went by was kept."""
        return self._kept_bytes == self.wire_bytes

    @property
    def content(self) -> bytes:
        """What was kept, its Content-Encoding undone as far as it goes."""
        return body.decode(b"".join(self._kept), self._content_encoding)

    @property
    def error_event(self) -> bytes | None:
        """The JSON of the last watch event of type ERROR, None when there was none."""
        return self._watch_reader.watch.error_event if self._watch_reader is not None else None
