"""Reads a watch while it goes by: its events, keeping next to nothing of their objects.

Once a watch has begun it can only fail inside its 200: one event of type ERROR that holds a Status, then the end.
JSON events stand on one line each, protobuf events have their length before them, CBOR events tell where they end.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from analyzers.decode import cbor, frames, json_sequence, watch_event, watch_frame
from analyzers.streams.watch import KEPT, TYPES, UNKNOWN, Watch, WatchEvent, moment

LONGEST_EVENT = 256 * 1024
"""Bytes. Of a longer event the beginning is kept, which tells what it is; a Status is shorter."""


class WatchReader:
    """Fed with a watch's content chunk by chunk, knows its events so far."""

    def __init__(self) -> None:
        self.events = 0
        """How many events there were so far."""
        self._form: _Form | None = None
        self._first: list[WatchEvent] = []
        self._last: deque[WatchEvent] = deque(maxlen=KEPT)
        self._counts: Counter[str] = Counter()
        self._content_bytes = 0
        self._resource_version = ""
        self._initial_events_end: float | None = None
        self._error_event: bytes | None = None

    def feed(self, content: bytes, now: float) -> None:
        """Look through the next part of the content, its Content-Encoding undone. ``now``: Unix time in seconds."""
        if not content:
            return
        if self._form is None:
            self._form = _form(content[0])
        self._content_bytes += len(content)
        at = moment(now) or 0.0
        for data, size in self._form.reader.feed(content):
            event = self._form.event(data, size, at)
            if event is None:
                continue
            self._note(event)
            if event.type == "ERROR" and len(data) == size:
                self._error_event = self._form.error(data) or self._error_event

    @property
    def watch(self) -> Watch:
        """What is known so far."""
        return Watch(
            first=tuple(self._first),
            last=tuple(self._last),
            counts=tuple((type, self._counts[type]) for type in (*TYPES, UNKNOWN) if type in self._counts),
            content_bytes=self._content_bytes,
            resource_version=self._resource_version,
            initial_events_end=self._initial_events_end,
            error_event=self._error_event,
        )

    def stream(self, _wire_bytes: int) -> Watch:
        """``watch``, as every reader of a body calls it."""
        return self.watch

    @property
    def error_event(self) -> bytes | None:
        """The last ERROR event as JSON, None when there was none. A protobuf or CBOR event is told in JSON."""
        return self._error_event

    def _note(self, event: WatchEvent) -> None:
        self.events += 1
        self._counts[event.type] += 1
        (self._first if len(self._first) < KEPT else self._last).append(event)
        if event.type != "ERROR" and event.resource_version:
            self._resource_version = event.resource_version
        if event.initial_events_end:
            self._initial_events_end = event.at


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """A way to write events: how to tell them apart, what one says, and an ERROR in JSON."""

    reader: json_sequence.SequenceReader | cbor.SequenceReader | frames.FrameReader
    event: Callable[[bytes, int, float], WatchEvent | None]
    error: Callable[[bytes], bytes | None]


def _form(first_byte: int) -> _Form:
    # The length of a protobuf event begins with a zero byte, for up to 16 MB of it.
    if first_byte == 0:
        reader = frames.FrameReader(LONGEST_EVENT)
        return _Form(reader=reader, event=watch_frame.from_protobuf, error=watch_frame.error_in_protobuf)
    if first_byte == cbor.MAGIC[0]:
        items = cbor.SequenceReader(LONGEST_EVENT)
        return _Form(reader=items, event=watch_event.from_cbor, error=watch_event.error_in_cbor)
    objects = json_sequence.SequenceReader(LONGEST_EVENT)
    return _Form(reader=objects, event=watch_event.from_json, error=watch_event.error_in_json)
