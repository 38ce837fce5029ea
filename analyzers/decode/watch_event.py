"""What one event of a watch says of itself: its type, and the metadata of its object.

Objects of the types that are built in begin, in JSON, with what is wanted, in an order that never changes; of others
the metadata alone is parsed. A name or a version that stands anywhere else is never taken for the object's. To parse
whole events would cost three to twenty times as much.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from analyzers.decode import cbor, status
from analyzers.decode.untrusted import items, mapping, parse_json
from analyzers.streams.watch import TYPES, WatchEvent, short, type_of

INITIAL_EVENTS_END = "k8s.io/initial-events-end"

_BUILT_IN = re.compile(
    rb'\{"type":"(ADDED|MODIFIED|DELETED)","object":\{"kind":"(\w{1,63})","apiVersion":"[^"\\]*","metadata":\{'
    rb'"name":"([-.:\w]{1,253})"(?:,"generateName":"[^"\\]*")?(?:,"namespace":"([-.\w]{1,253})")?'
    rb'(?:,"selfLink":"[^"\\]*")?(?:,"uid":"[^"\\]*")?,"resourceVersion":"([-.:\w]{1,253})"'
)
_KIND = rb'"kind"\s*:\s*"([^"\\]*)"\s*,\s*'
_BEFORE_METADATA = re.compile(
    rb'\s*\{\s*"type"\s*:\s*"(\w*)"\s*,\s*"object"\s*:\s*\{\s*(?:' + _KIND + rb')?'
    rb'(?:"apiVersion"\s*:\s*"[^"\\]*"\s*,\s*)?(?:' + _KIND + rb')?"metadata"\s*:\s*(?=\{)'
)  # fmt: skip
_TYPE_FIRST = re.compile(rb'\s*\{\s*"type"\s*:\s*"(\w*)"')
# A map of two, or of any length, whose first key is the type; text may be byte strings or text strings.
_TYPE_FIRST_IN_CBOR = re.compile(
    rb"(?:\xd9\xd9\xf7)?[\xa2\xbf][\x44\x64]type[\x45-\x48\x65-\x68](" + "|".join(TYPES).encode() + rb")"
)
_DECODER = json.JSONDecoder()
# Stand for objects of any kind, and do not say which.
_STAND_INS = ("PartialObjectMetadata", "Table")


def from_json(data: bytes, content_bytes: int, at: float) -> WatchEvent | None:
    """The event that ``data`` is, or begins where it is shorter than ``content_bytes``; None if it is no event."""
    if found := _BUILT_IN.match(data):
        type, kind, name, namespace, version = found.groups(b"")
        return WatchEvent(
            type=type.decode("ascii"),
            at=at,
            kind=real_kind(kind.decode("ascii")),
            namespace=namespace.decode("ascii"),
            name=name.decode("ascii"),
            resource_version=version.decode("ascii"),
            content_bytes=content_bytes,
        )
    found = _BEFORE_METADATA.match(data)
    if found and found[2] != b"Table" and (metadata := _object_at(data, found.end())) is not None:
        said = (found[2] or found[3] or b"").decode("utf-8", "replace")
        return _event(found[1].decode("ascii"), said, [metadata], content_bytes, at)
    if len(data) == content_bytes:
        return from_document(parse_json(data), content_bytes, at)
    found = found or _TYPE_FIRST.match(data)
    return _event(found[1].decode("ascii"), "", [], content_bytes, at) if found else None


def from_cbor(data: bytes, content_bytes: int, at: float) -> WatchEvent | None:
    """The same for an item of a CBOR sequence."""
    if len(data) == content_bytes:
        return from_document(cbor.decode(data), content_bytes, at)
    found = _TYPE_FIRST_IN_CBOR.match(data)
    return _event(found[1].decode("ascii"), "", [], content_bytes, at) if found else None


def from_document(document: object, content_bytes: int, at: float) -> WatchEvent | None:
    """The event that a parsed document is, None if it is none."""
    event = mapping(document)
    if not isinstance(event.get("type"), str) or "object" not in event:
        return None
    found = mapping(event["object"])
    kind, metadata = found.get("kind"), [mapping(found.get("metadata"))]
    if kind == "Table":
        rows = [mapping(mapping(row).get("object")) for row in items(found.get("rows"))]
        kind = rows[0].get("kind") if rows else ""
        # The Table's own version stands in where a row does not tell its.
        metadata = [mapping(row.get("metadata")) for row in rows] + metadata
    return _event(event["type"], kind, metadata, content_bytes, at)


def error_in_json(event: bytes) -> bytes | None:
    """The event as it came if it is of type ERROR and whole."""
    document = parse_json(event)
    return event.strip() if isinstance(document, dict) and document.get("type") == "ERROR" else None


def error_in_cbor(item: bytes) -> bytes | None:
    """An event of type ERROR told in JSON, None if it is none or holds no Status."""
    event = mapping(cbor.decode(item))
    found = status.from_document(event.get("object")) if event.get("type") == "ERROR" else None
    return in_json(found) if found is not None else None


def in_json(found: status.Status) -> bytes:
    """The event of type ERROR that holds a Status."""
    return json.dumps({"type": "ERROR", "object": status.document(found)}, separators=(",", ":")).encode()


def real_kind(kind: str) -> str:
    """``kind``, "" for one that stands for objects of any kind."""
    return "" if kind in _STAND_INS else kind


def _object_at(data: bytes, begin: int) -> Mapping[str, Any] | None:
    """The JSON object that begins there, whatever follows; None if it is none or does not end."""
    try:
        found, _ = _DECODER.raw_decode(data[begin:].decode("utf-8", "replace"))
    except (ValueError, RecursionError, MemoryError):
        return None
    return mapping(found)


def _event(
    type: str, kind: object, metadata: list[Mapping[str, Any]], content_bytes: int, at: float
) -> WatchEvent:  # fmt: skip
    first = metadata[0] if metadata else {}
    versions = (short(one.get("resourceVersion")) for one in metadata)
    return WatchEvent(
        type=type_of(type),
        at=at,
        kind=real_kind(short(kind)),
        namespace=short(first.get("namespace")),
        name=short(first.get("name")),
        resource_version=next(filter(None, versions), ""),
        initial_events_end=type == "BOOKMARK"
        and any(mapping(one.get("annotations")).get(INITIAL_EVENTS_END) == "true" for one in metadata),
        content_bytes=content_bytes,
    )
