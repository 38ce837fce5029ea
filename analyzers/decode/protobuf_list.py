"""A list in Kubernetes protobuf: the lengths before its items tell how far to pass over them.

Magic bytes, then a ``runtime.Unknown`` whose type comes before its content; that is a message with the list's metadata
as field 1 and an item in each field 2, whatever the type (``generated.proto`` of k8s.io/apimachinery and k8s.io/api).
"""

from __future__ import annotations

import re

from analyzers.decode.protobuf import MAGIC, Message
from analyzers.decode.untrusted import name
from analyzers.streams.list_page import ListPage, continue_id

_TYPE, _CONTENT = 1, 2
_METADATA, _ITEMS = 1, 2
_LONGEST_KEPT = 16384
# A field's key, and its value or its length. Fields of other wire types are not on the way.
_HEAD = re.compile(rb"([\x80-\xff]{0,4}[\x00-\x7f])([\x80-\xff]{0,9}[\x00-\x7f])")
_LONGEST_HEAD = 15
_VARINT, _BYTES = 0, 2
# They end in List, but their messages have other fields.
_DISCOVERY = frozenset({"APIResourceList", "APIGroupList"})


class ProtobufList:
    """Fed with a body from its magic bytes on."""

    def __init__(self) -> None:
        self._type = self._metadata = Message(b"")
        self._items = 0
        self._pending = b""
        # How far it is understood, and where the list ends, in bytes from the beginning.
        self._position = 0
        self._end: int | None = None
        self._to_skip = 0
        self._in_item = False
        self._stopped = False

    def feed(self, content: bytes) -> None:
        """Look at the next part of the body."""
        passed = min(self._to_skip, len(content))
        self._to_skip -= passed
        self._in_item &= self._to_skip > 0
        if self._stopped or passed == len(content):
            return
        text = self._pending + content[passed:]
        understood = self._read(text)
        self._position += understood
        self._to_skip = max(0, understood - len(text))
        self._in_item &= self._to_skip > 0
        self._pending = b"" if self._stopped else text[understood:]

    def page(self) -> ListPage | None:
        """What is known of the list but its size; None for what is no list, or not known to be one."""
        if self._end is None:
            return None
        return ListPage(
            kind=self._kind,
            api_version=name(self._type.text(1)),
            items=self._items - self._in_item,
            resource_version=name(self._metadata.text(2)),
            continue_id=continue_id(self._metadata.text(3)),
            remaining=max(0, self._metadata.number(4)) or None,
            complete=self._position == self._end and not self._to_skip,
        )

    @property
    def _kind(self) -> str:
        return name(self._type.text(2))

    def _read(self, text: bytes) -> int:
        """How many bytes of ``text`` are understood; more than there are where what follows is to be passed over."""
        at = 0
        if not self._position:
            at = len(MAGIC)
            self._stopped = not MAGIC.startswith(text[:at])
            if len(text) < at:
                return 0
        while at < len(text) and not self._stopped and self._position + at != self._end:
            head = _HEAD.match(text, at)
            if head is None:
                self._stopped = len(text) - at >= _LONGEST_HEAD
                break
            key, size = _number(head[1]), _number(head[2])
            begin = head.end()
            if key & 7 == _VARINT:
                at = begin
                continue
            if key & 7 != _BYTES or (self._end is not None and self._position + begin + size > self._end):
                self._stopped = True
            elif self._end is None and key >> 3 == _CONTENT:
                self._enter(self._position + begin + size)
                at = begin
            elif key >> 3 != (_TYPE if self._end is None else _METADATA):
                self._in_item = key >> 3 == _ITEMS and self._end is not None
                self._items += self._in_item
                at = begin + size
            elif size > _LONGEST_KEPT:
                self._stopped = True
            elif begin + size > len(text):
                break
            else:
                self._keep(Message(text[begin : begin + size]))
                at = begin + size
        return at

    def _enter(self, end: int) -> None:
        self._stopped = not self._kind.endswith("List") or self._kind in _DISCOVERY
        self._end = None if self._stopped else end

    def _keep(self, message: Message) -> None:
        if self._end is None:
            self._type = message
        else:
            self._metadata = message


def _number(varint: bytes) -> int:
    value = 0
    for byte in reversed(varint):
        value = value << 7 | byte & 0x7F
    return value
