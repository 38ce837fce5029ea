"""Kubernetes protobuf, as far as the wire format goes: no schema, only numbered fields.

An object is sent as four magic bytes and a ``runtime.Unknown`` that names its type. Field numbers are those of the
``generated.proto`` files of k8s.io/apimachinery.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from analyzers.decode.untrusted import text

MAGIC = b"k8s\x00"

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """``runtime.Unknown``: an object's type, and the object itself in ``raw``."""

    api_version: str = ""
    kind: str = ""
    raw: bytes = field(default=b"", repr=False)
    content_encoding: str = ""
    content_type: str = ""


class Message:
    """The fields of one message, read until its end or the first byte that makes no sense."""

    __slots__ = ("_fields", "complete")

    def __init__(self, data: bytes) -> None:
        self._fields: dict[int, list[int | bytes]] = {}
        self.complete = True
        """Whether every byte was understood."""
        for number, value in self._read(data):
            self._fields.setdefault(number, []).append(value)

    def __len__(self) -> int:
        return len(self._fields)

    def raws(self, number: int) -> tuple[bytes, ...]:
        """Every value of a repeated field of bytes, strings or messages."""
        return tuple(value for value in self._fields.get(number, ()) if isinstance(value, bytes))

    def raw(self, number: int) -> bytes:
        """The value of a field of bytes or of a message, b"" when it is missing. The last one wins."""
        found = self.raws(number)
        return found[-1] if found else b""

    def text(self, number: int) -> str:
        """The value of a string field, "" when it is missing."""
        return text(self.raw(number).decode("utf-8", "replace"))

    def number(self, number: int) -> int:
        """The value of an int32 field, 0 when it is missing."""
        found = [value for value in self._fields.get(number, ()) if isinstance(value, int)]
        if not found:
            return 0
        low = found[-1] & 0xFFFFFFFF
        return low - (1 << 32) if low >= 1 << 31 else low

    def _read(self, data: bytes) -> Iterator[tuple[int, int | bytes]]:
        at = 0
        while at < len(data):
            key, at = _varint(data, at)
            number, wire_type = key >> 3, key & 7
            if at < 0 or number == 0:
                break
            if wire_type == _VARINT:
                value, at = _varint(data, at)
                if at < 0:
                    break
                yield number, value
                continue
            if wire_type == _BYTES:
                size, at = _varint(data, at)
            else:
                size = {_FIXED64: 8, _FIXED32: 4}.get(wire_type, -1)
            if at < 0 or size < 0 or at + size > len(data):
                break
            yield number, data[at : at + size]
            at += size
        else:
            return
        self.complete = False


def envelope(body: bytes) -> Envelope | None:
    """The ``runtime.Unknown`` of a body, None when the body does not begin with the magic bytes."""
    if not body.startswith(MAGIC):
        return None
    unknown = Message(body[len(MAGIC) :])
    type_meta = Message(unknown.raw(1))
    return Envelope(
        api_version=type_meta.text(1),
        kind=type_meta.text(2),
        raw=unknown.raw(2),
        content_encoding=unknown.text(3),
        content_type=unknown.text(4),
    )


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` and where it ends; an end of -1 when there is none."""
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    return 0, -1
