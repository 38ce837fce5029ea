"""What was seen of a watch: its events with their times, told in a phrase, in lines or as a document for a file.

A watch may run for hours: the first events and the last are kept, those between them only counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from analyzers.decode import status
from analyzers.decode.untrusted import integer, items, mapping, name
from analyzers.output.layout import harmless
from analyzers.units import duration, size

TYPES = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")
UNKNOWN = "UNKNOWN"
"""Stands for every type that Kubernetes does not have."""
KEPT = 100
"""Events kept of the beginning, and as many of the end."""

# No name in Kubernetes is longer.
_LONGEST_NAME = 253
_WIDEST_COLUMN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """One event. ``at``: Unix time in seconds, to the millisecond, at which its last byte came.

    ``kind``, ``namespace``, ``name`` and ``resource_version`` are the object's, "" where the event does not tell.
    ``initial_events_end``: the bookmark with which a watch-list says that everything there was has been sent.
    ``content_bytes``: its length in the stream, without what stands between events.
    """

    type: str
    at: float
    kind: str = ""
    namespace: str = ""
    name: str = ""
    resource_version: str = ""
    initial_events_end: bool = False
    content_bytes: int = 0

    @property
    def object_name(self) -> str:
        """``namespace/name``, "" for a bookmark."""
        return f"{self.namespace}/{self.name}" if self.namespace and self.name else self.name

    def document(self) -> dict[str, Any]:
        """The event for a file, without what is not known."""
        found = {
            "type": self.type,
            "at": self.at,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "resourceVersion": self.resource_version,
            "initialEventsEnd": self.initial_events_end,
            "contentBytes": self.content_bytes,
        }
        return {key: value for key, value in found.items() if value or key in ("type", "at")}

    @classmethod
    def read(cls, document: object) -> Self:
        """What ``document()`` wrote; takes anything."""
        written = mapping(document)
        return cls(
            type=type_of(written.get("type")),
            at=moment(written.get("at")) or 0.0,
            kind=short(written.get("kind")),
            namespace=short(written.get("namespace")),
            name=short(written.get("name")),
            resource_version=short(written.get("resourceVersion")),
            initial_events_end=written.get("initialEventsEnd") is True,
            content_bytes=_count(written.get("contentBytes")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A watch as far as it has come. ``first`` are its first events, ``last`` the last of those that came after them.

    ``counts``: how many events of each type came, in the order of ``TYPES``, of those types that came at all.
    ``resource_version``: of the last event or bookmark that had one. ``initial_events_end``: when the initial events of
    a watch-list ended, Unix time, None if they did not. ``error_event``: the last event of type ERROR as JSON.
    """

    first: tuple[WatchEvent, ...] = ()
    last: tuple[WatchEvent, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    content_bytes: int = 0
    resource_version: str = ""
    initial_events_end: float | None = None
    error_event: bytes | None = field(default=None, repr=False)

    @property
    def events(self) -> int:
        """How many events came."""
        return sum(count for _, count in self.counts)

    @property
    def dropped(self) -> int:
        """How many events between ``first`` and ``last`` were not kept."""
        return max(0, self.events - len(self.first) - len(self.last))

    @property
    def phrase(self) -> str:
        """``7 events in 40 s: 5 ADDED, 1 MODIFIED, 1 BOOKMARK; resourceVersion 48211``; never empty, one line."""
        if not self.events:
            return "no events"
        said = f"{self.events:,} event{'s' if self.events != 1 else ''}"
        kept = (*self.first, *self.last)
        if len(kept) > 1:
            said += f" in {_span(kept[-1].at - kept[0].at)}"
        said += ": " + ", ".join(f"{count:,} {type}" for type, count in self.counts)
        return said + (f"; resourceVersion {harmless(self.resource_version)}" if self.resource_version else "")

    def lines(self) -> tuple[str, ...]:
        """The kept events, one a line, with the time since the one before; a line stands for those left out."""
        rows = [*self._rows(self.first), *self._rows(self.last, after=None if self.dropped else self.first[-1:])]
        widths = [min(max(map(len, column)), _WIDEST_COLUMN) for column in zip(*rows, strict=True)]
        lines = [_aligned(row, widths) for row in rows]
        if self.dropped:
            gap = f"… {self.dropped:,} event{'s' if self.dropped != 1 else ''} left out …"
            lines.insert(len(self.first), gap)
        return tuple(lines)

    def document(self) -> dict[str, Any]:
        """The watch for a file, JSON of at most some 200 events; without ``error_event``, which has its own place."""
        return {
            "eventCounts": dict(self.counts),
            "contentBytes": self.content_bytes,
            "resourceVersion": self.resource_version,
            "initialEventsEnd": self.initial_events_end,
            "first": [event.document() for event in self.first],
            "leftOut": self.dropped,
            "last": [event.document() for event in self.last],
        }

    @classmethod
    def read(cls, document: object, error_event: bytes | None = None) -> Self | None:
        """What ``document()`` wrote; takes anything, None where it is no watch."""
        written = mapping(document)
        counts = written.get("eventCounts")
        if not isinstance(counts, dict):
            return None
        counted = {type: _count(counts.get(type)) for type in (*TYPES, UNKNOWN)}
        return cls(
            first=tuple(WatchEvent.read(event) for event in items(written.get("first"))[:KEPT]),
            last=tuple(WatchEvent.read(event) for event in items(written.get("last"))[-KEPT:]),
            counts=tuple((type, count) for type, count in counted.items() if count),
            content_bytes=_count(written.get("contentBytes")),
            resource_version=short(written.get("resourceVersion")),
            initial_events_end=moment(written.get("initialEventsEnd")),
            error_event=error_event,
        )

    def _rows(self, events: tuple[WatchEvent, ...], after: tuple[WatchEvent, ...] | None = ()) -> Iterator[_Row]:
        before = after[0].at if after else None
        for event in events:
            yield (
                "" if before is None else f"+{_span(event.at - before)}",
                event.type,
                harmless(event.kind),
                harmless(event.object_name),
                harmless(event.resource_version),
                size(event.content_bytes),
                self._remark(event),
            )
            before = event.at

    def _remark(self, event: WatchEvent) -> str:
        if event.initial_events_end:
            return "end of the initial events"
        if event.type == "ERROR" and (found := status.decode_event(self.error_event)) is not None:
            return harmless(f"{found.code} {found.reason}".strip())
        return ""


type _Row = tuple[str, str, str, str, str, str, str]
_RIGHT = (0, 5)


def type_of(said: object) -> str:
    """The event type that was said, ``UNKNOWN`` if Kubernetes has none such."""
    return said if isinstance(said, str) and said in TYPES else UNKNOWN


def short(said: object) -> str:
    """A name on one line, cut where no name of Kubernetes would go on; "" for what is no string."""
    return name(said)[:_LONGEST_NAME]


def moment(said: object) -> float | None:
    """A Unix time to the millisecond, None for what is no finite number."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    try:
        return round(float(said), 3) if math.isfinite(said) else None
    except OverflowError:
        return None


def _count(said: object) -> int:
    return max(0, integer(said) or 0)


def _span(seconds: float) -> str:
    return duration(seconds) if seconds else "0 ms"


def _aligned(row: Iterator[str] | _Row, widths: list[int]) -> str:
    cells = [
        cell.rjust(width) if place in _RIGHT else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        if width
    ]
    return "  ".join(cells).rstrip()
