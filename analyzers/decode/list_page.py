"""Looks at a list while it goes by: what it holds, how many of them, and whether it is a page of a longer one.

A list of 10,000 objects has 20 MB and more, and somebody waits for it: it is looked at chunk by chunk, next to nothing
of it is kept, and its items are passed over (``json_list.py``, ``protobuf_list.py``). YAML and CBOR are not looked at:
the first does not tell where an item ends to anybody who does not read it, and the second makes Python look at every
value, tens of times slower than the rest; it is an alpha feature of the API server.
"""

from __future__ import annotations

from dataclasses import replace

from analyzers.decode import protobuf
from analyzers.decode.json_list import JsonList
from analyzers.decode.protobuf_list import ProtobufList
from analyzers.streams.list_page import ListPage

# What a pod prints may be JSON too, but is sent as text.
_MEDIA_TYPES = ("application/json", "application/vnd.kubernetes.protobuf")


class ListReader:
    """Fed with an answer's content in chunks of any size. ``content_type`` is the header field's value."""

    def __init__(self, content_type: str) -> None:
        self._waiting = content_type.partition(";")[0].strip().lower() in _MEDIA_TYPES
        self._form: JsonList | ProtobufList | None = None
        self._content_bytes = 0

    def feed(self, content: bytes, _now: float = 0.0) -> None:
        """Look at the next part of the content, its Content-Encoding undone."""
        self._content_bytes += len(content)
        if self._waiting and (content := content.lstrip()):
            self._waiting = False
            # The form is read off the bytes: what a Content-Type says of a body is not always true of it.
            if content.startswith(b"{"):
                self._form = JsonList()
                content = content[1:]
            elif content.startswith(protobuf.MAGIC[:1]):
                self._form = ProtobufList()
        if self._form is not None:
            self._form.feed(content)

    def stream(self, wire_bytes: int) -> ListPage | None:
        """What is known by now, None for what is no list. May be asked at any time; ``wire_bytes``: how much came."""
        page = self._form.page() if self._form is not None else None
        return page and replace(page, content_bytes=self._content_bytes, wire_bytes=wire_bytes)
