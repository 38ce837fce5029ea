"""The kinds of streams, and how one is written down and read again."""

from __future__ import annotations

from typing import Any

from analyzers.decode.untrusted import mapping
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


def read(found: object) -> Stream | None:
    """What ``document`` wrote; None for anything else. Does not raise."""
    kind = mapping(found).get("type")
    return _KINDS[kind].read(found) if isinstance(kind, str) and kind in _KINDS else None
