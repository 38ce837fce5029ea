"""The kinds of streams, and how one is written down and read again."""

from __future__ import annotations

from typing import Any

from analyzers.decode.untrusted import mapping, name
from analyzers.streams.list_page import ListPage
from analyzers.streams.log import Log
from analyzers.streams.upgraded import Upgraded
from analyzers.streams.watch import Watch

type Stream = Watch | ListPage | Log | Upgraded

_KINDS: dict[str, type[Watch | ListPage | Log | Upgraded]] = {
    "watch": Watch,
    "list": ListPage,
    "log": Log,
    "upgraded": Upgraded,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def document(stream: Stream) -> dict[str, Any]:
    """For JSON: its own fields, and ``type``: watch, list, log or upgraded."""
    return {"type": _NAMES[type(stream)], **stream.document()}


def read(found: object, error_event: bytes | None = None) -> Stream | None:
    """What ``document`` wrote, and the event that stands elsewhere; None for anything else. Does not raise."""
    kind = _KINDS.get(name(mapping(found).get("type")))
    return Watch.read(found, error_event) if kind is Watch else kind.read(found) if kind is not None else None
