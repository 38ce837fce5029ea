"""CBOR as Kubernetes writes it, read into what the same object would be in JSON.

Every body begins with the tag that says "this is CBOR", and all text is sent as byte strings; bytes that JSON would
show in base64 (a Secret's data) are marked by a tag. Watches are sequences of items without anything between them
(RFC 8949 and RFC 8742; k8s.io/apimachinery, pkg/runtime/serializer/cbor).
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Any

MAGIC = b"\xd9\xd9\xf7"

_DEEPEST = 100
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_INDEFINITE = 31
_BREAK = 0xFF
_SIMPLE_VALUES = {20: False, 21: True, 22: None, 23: None}
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}


def decode(data: bytes | None) -> Any:
    """The one item that ``data`` is, None where it is none: cut off, followed by another, nested too deep, no CBOR.

    Byte strings become text; those that are tagged as bytes become base64 (tag 22), base64url (21) or hex (23).
    Keys are text, as in JSON. Other tags leave no trace.
    """
    if not data:
        return None
    try:
        item, at = _item(data, 0, _DEEPEST)
    except _NoCborError:
        return None
    return item if at == len(data) else None


class SequenceReader:
    """Fed with a sequence chunk by chunk, gives each item and its length; of one longer than ``longest`` the beginning.

    What follows a byte that makes no sense is dropped: nobody can tell where the next item begins.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._kept = bytearray()
        self._size = 0
        self._head = bytearray()
        self._string_left = 0
        # What each open item still lacks: a number of items, or -1 until a break.
        self._open: list[int] = []
        self._broken = False

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, int]]:
        """The items that end within ``chunk``."""
        at = begin = 0
        while at < len(chunk) and not self._broken:
            if self._string_left:
                step = min(self._string_left, len(chunk) - at)
                self._string_left -= step
                at += step
            else:
                self._head.append(chunk[at])
                at += 1
                self._read_head()
            if not (self._open or self._string_left or self._head or self._broken):
                self._keep(chunk[begin:at])
                begin = at
                yield bytes(self._kept), self._size
                self._kept.clear()
                self._size = 0
        if self._broken:
            self._kept.clear()
        else:
            self._keep(chunk[begin:])

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        self._kept += part[: self._longest - len(self._kept)]

    def _read_head(self) -> None:
        """Take in the head of an item once all of its bytes are there."""
        major, low = self._head[0] >> 5, self._head[0] & 0x1F
        if len(self._head) < 1 + _argument_bytes(low):
            return
        argument = int.from_bytes(self._head[1:], "big") if low >= 24 else low
        is_break = self._head[0] == _BREAK
        self._head.clear()
        if is_break:
            self._broken = not self._open or self._open.pop() != -1
            self._ended()
        elif 28 <= low <= 30 or (low == _INDEFINITE and major not in (_BYTES, _TEXT, _ARRAY, _MAP)):
            self._broken = True
        elif low == _INDEFINITE:
            self._begin(-1)
        elif major in (_BYTES, _TEXT):
            self._string_left = argument
            self._ended()
        elif major in (_ARRAY, _MAP):
            self._begin(argument * (2 if major == _MAP else 1))
            if not argument:
                self._open.pop()
                self._ended()
        elif major != _TAG:  # a tag belongs to the item behind it, which is counted
            self._ended()
        else:
            self._begin(1)

    def _begin(self, count: int) -> None:
        self._open.append(count)
        self._broken = len(self._open) > 8 * _DEEPEST

    def _ended(self) -> None:
        """An item ended, and with it all that it was the last part of."""
        while self._open and self._open[-1] > 0:
            self._open[-1] -= 1
            if self._open[-1]:
                return
            self._open.pop()


class _NoCborError(Exception):
    """What is read is no CBOR, or not all of it."""


def _item(data: bytes, at: int, levels: int) -> tuple[Any, int]:
    """The item at ``at`` and where it ends."""
    tags = []
    while True:
        major, low, argument, at = _head(data, at)
        if major != _TAG:
            break
        tags.append(argument)
    if levels <= 0:
        raise _NoCborError
    if major == _UNSIGNED:
        return argument, at
    if major == _NEGATIVE:
        return -1 - argument, at
    if major in (_BYTES, _TEXT):
        content, at = _string(data, at, major, low, argument)
        return _text(content, tags), at
    if major == _ARRAY:
        return _array(data, at, None if low == _INDEFINITE else argument, levels)
    if major == _MAP:
        return _map(data, at, None if low == _INDEFINITE else argument, levels)
    if low in _FLOATS:
        return struct.unpack(_FLOATS[low], data[at - (1 << (low - 24)) : at])[0], at
    if argument in _SIMPLE_VALUES and low < 24:
        return _SIMPLE_VALUES[argument], at
    raise _NoCborError


def _head(data: bytes, at: int) -> tuple[int, int, int, int]:
    """Major type, the five bits behind it, the number that they stand for or announce, and where the head ends."""
    if at >= len(data):
        raise _NoCborError
    major, low = data[at] >> 5, data[at] & 0x1F
    at += 1
    if low < 24:
        return major, low, low, at
    if low == _INDEFINITE and major in (_BYTES, _TEXT, _ARRAY, _MAP):
        return major, low, 0, at
    size = _argument_bytes(low)
    if not size or at + size > len(data):
        raise _NoCborError
    return major, low, int.from_bytes(data[at : at + size], "big"), at + size


def _argument_bytes(low: int) -> int:
    return 1 << (low - 24) if 24 <= low <= 27 else 0


def _string(data: bytes, at: int, major: int, low: int, size: int) -> tuple[bytes, int]:
    if low != _INDEFINITE:
        if at + size > len(data):
            raise _NoCborError
        return data[at : at + size], at + size
    parts = []
    while not _is_break(data, at):
        inner, low, size, at = _head(data, at)
        if inner != major or low == _INDEFINITE or at + size > len(data):
            raise _NoCborError
        parts.append(data[at : at + size])
        at += size
    return b"".join(parts), at + 1


def _text(content: bytes, tags: list[int]) -> str:
    if 22 in tags:
        return base64.b64encode(content).decode("ascii")
    if 21 in tags:
        return base64.urlsafe_b64encode(content).decode("ascii").rstrip("=")
    if 23 in tags:
        return content.hex()
    return content.decode("utf-8", "replace")


def _array(data: bytes, at: int, count: int | None, levels: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    while count is None or len(found) < count:
        if count is None and _is_break(data, at):
            return found, at + 1
        item, at = _item(data, at, levels - 1)
        found.append(item)
    return found, at


def _map(data: bytes, at: int, count: int | None, levels: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    pairs = 0
    while count is None or pairs < count:
        if count is None and _is_break(data, at):
            return found, at + 1
        key, at = _item(data, at, levels - 1)
        if not isinstance(key, str):
            raise _NoCborError
        found[key], at = _item(data, at, levels - 1)
        pairs += 1
    return found, at


def _is_break(data: bytes, at: int) -> bool:
    return at < len(data) and data[at] == _BREAK
