"""What an event of a watch in protobuf says of itself. Fields are found by their places, the object is not copied.

Field numbers are those of ``generated.proto`` in k8s.io/apimachinery, pkg/apis/meta/v1 and pkg/runtime: every object
that can be watched has its ObjectMeta in field 1.
"""

from __future__ import annotations

import re

from analyzers.decode import protobuf, status
from analyzers.decode.watch_event import INITIAL_EVENTS_END, in_json, real_kind
from analyzers.streams.watch import WatchEvent, short, type_of

type _Span = tuple[int, int]

_EVENT_TYPE, _EVENT_OBJECT = 1, 2
_RAW_EXTENSION_RAW = 1
_UNKNOWN_TYPE, _UNKNOWN_RAW = 1, 2
_TYPE_KIND = 2
_OBJECT_METADATA = 1
_NAME, _NAMESPACE, _RESOURCE_VERSION, _ANNOTATIONS = 1, 3, 6, 12
_KEY, _VALUE = 1, 2
_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}
# What a name is made of as a rule; anything else takes the slower way.
_PLAIN = re.compile(rb"[-.:\w]{1,253}")


def from_protobuf(data: bytes, content_bytes: int, at: float) -> WatchEvent | None:
    """The event that ``data`` is, or begins where it is shorter than ``content_bytes``; None if it is no event."""
    event = _spans(data, (0, content_bytes), _EVENT_OBJECT)
    if _EVENT_TYPE not in event:
        return None
    raw = _spans(data, event.get(_EVENT_OBJECT), _RAW_EXTENSION_RAW).get(_RAW_EXTENSION_RAW)
    unknown: dict[int, _Span] = {}
    if raw and data.startswith(protobuf.MAGIC, raw[0]):
        unknown = _spans(data, (raw[0] + len(protobuf.MAGIC), raw[1]), _UNKNOWN_RAW)
    type_meta = _spans(data, unknown.get(_UNKNOWN_TYPE), _TYPE_KIND)
    type = type_of(_text(data, event.get(_EVENT_TYPE)))
    metadata = None
    if type != "ERROR":  # the metadata of a Status is that of a list, with other fields behind the same numbers
        metadata = _spans(data, unknown.get(_UNKNOWN_RAW), _OBJECT_METADATA).get(_OBJECT_METADATA)
    fields = _spans(data, metadata, _RESOURCE_VERSION)
    return WatchEvent(
        type=type,
        at=at,
        kind=real_kind(_text(data, type_meta.get(_TYPE_KIND))),
        namespace=_text(data, fields.get(_NAMESPACE)),
        name=_text(data, fields.get(_NAME)),
        resource_version=_text(data, fields.get(_RESOURCE_VERSION)),
        initial_events_end=type == "BOOKMARK" and metadata is not None and _ends_initial_events(data, metadata),
        content_bytes=content_bytes,
    )


def error_in_protobuf(frame: bytes) -> bytes | None:
    """An event of type ERROR told in JSON, None if it is none or holds no Status."""
    event = protobuf.Message(frame)
    if event.text(_EVENT_TYPE) != "ERROR":
        return None
    found = status.decode(protobuf.Message(event.raw(_EVENT_OBJECT)).raw(_RAW_EXTENSION_RAW))
    return in_json(found) if found is not None else None


def _ends_initial_events(data: bytes, metadata: _Span) -> bool:
    for annotation in protobuf.Message(data[slice(*metadata)]).raws(_ANNOTATIONS):
        entry = protobuf.Message(annotation)
        if entry.text(_KEY) == INITIAL_EVENTS_END:
            return entry.text(_VALUE) == "true"
    return False


def _text(data: bytes, span: _Span | None) -> str:
    # One that was cut off says nothing.
    if span is None or span[1] > len(data):
        return ""
    if _PLAIN.fullmatch(data, *span):
        return data[slice(*span)].decode("ascii")
    return short(data[slice(*span)].decode("utf-8", "replace"))


def _spans(data: bytes, span: _Span | None, last: int) -> dict[int, _Span]:
    """Where the fields of bytes of a message begin and end, up to field ``last``; that end may have been cut off.

    The API server writes fields in the order of their numbers: what stands behind ``last``, which is most, is not read.
    """
    found: dict[int, _Span] = {}
    if span is None:
        return found
    at, end = span[0], min(span[1], len(data))
    while 0 <= at < end:
        key = data[at]
        if key < 0x80:
            at += 1
        else:
            key, at = _varint(data, at, end)
        if at < 0 or key >> 3 > last:
            break
        wire_type = key & 7
        if wire_type == _BYTES:
            size, at = _varint(data, at, end)
            if at < 0 or at + size > span[1]:
                break
            found[key >> 3] = (at, at + size)
            at += size
        elif wire_type == _VARINT:
            _, at = _varint(data, at, end)
        elif wire_type in _FIXED:
            at += _FIXED[wire_type]
        else:
            break
    return found


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number at ``at`` and where it ends; an end of -1 when there is none."""
    if at < end and (value := data[at]) < 0x80:
        return value, at + 1
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        if byte < 0x80:
            return value | byte << shift, at
        value |= (byte & 0x7F) << shift
        shift += 7
    return 0, -1
