"""Which fields two states of one object differ in, named as the API server names them in conflicts and managed fields.

Both come without what grants access (``redact``), so that a recording gives what live traffic gave: what is hidden in
both is not compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyzers import object_diff

# What the server keeps about an object, and what kubectl notes on it for itself.
_NOT_CONTENT = (
    ".metadata.resourceVersion", ".metadata.managedFields", ".metadata.generation", ".metadata.creationTimestamp",
    ".metadata.uid", ".metadata.selfLink", ".apiVersion", ".kind",
    ".metadata.annotations.kubectl.kubernetes.io/last-applied-configuration",
)  # fmt: skip
_STATUS = ".status"
# What items of a list are known by (k8s.io/api, +listMapKey): the first that the item has, with what belongs to it.
_KEYS = (("containerPort", "protocol"), ("port", "protocol"), ("name",), ("type",), ("uid",), ("ip",), ("key",))
_MOST = 200


@dataclass(frozen=True, slots=True)
class Changed:
    """One field. ``first`` and ``second`` are its values where they are numbers or truth values, which give nothing
    away; "" for another value, ``absent`` where the field is not there."""

    path: str
    first: str
    second: str


def changed_fields(
    first: Mapping[str, Any], second: Mapping[str, Any], *, only_sent: bool = False, status: bool = True
) -> tuple[Changed, ...]:
    """The fields that differ. ``only_sent``: ``first`` is a patch, and what it leaves out stays. ``status`` false
    leaves out .status, which a write of the object itself does not touch."""
    try:
        found = object_diff.differences(first, second, whole=not only_sent)
    except RecursionError:
        return ()
    left_out = _NOT_CONTENT if status else (*_NOT_CONTENT, _STATUS)
    named = (_named(one, first, second) for one in found[:_MOST])
    return tuple(one for one in named if not any(_at_or_inside(one.path, path) for path in left_out))


def _named(one: object_diff.Difference, first: object, second: object) -> Changed:
    path, value = _followed(second, one.stored_at) if one.stored_at is not None else _followed(first, one.sent_at or ())
    before = _followed(first, one.sent_at)[1] if one.sent_at is not None else None
    after = value if one.stored_at is not None else None
    return Changed(path, _shown(before, one.sent_at), _shown(after, one.stored_at))


def _followed(document: Any, place: object_diff.Place) -> tuple[str, Any]:
    """The path in words, and the value that it leads to."""
    path = ""
    for step in place:
        document = document[step]
        path += f".{step}" if isinstance(step, str) else f"[{_item(document, step)}]"
    return path, document


def _item(item: object, position: int) -> str:
    if isinstance(item, dict):
        for keys in _KEYS:
            if keys[0] in item:
                return ",".join(f"{key}={json.dumps(item[key], ensure_ascii=False)}" for key in keys if key in item)
    return str(position)


def _shown(value: object, place: object_diff.Place | None) -> str:
    if place is None:
        return "absent"
    return json.dumps(value) if isinstance(value, bool | int | float) else ""


def _at_or_inside(path: str, whole: str) -> bool:
    return path.startswith(whole) and path[len(whole) : len(whole) + 1] in ("", ".", "[")
