"""Finds the ERROR event in a watch stream while it goes by, keeping next to nothing of it.

Once a watch has begun it can only fail inside its 200: one event of type ERROR that holds a Status, then the end.
JSON events stand on one line each, protobuf events have their length before them, CBOR events tell where they end.
"""

from __future__ import annotations

import json
import re

from analyzers.decode import cbor, protobuf, status
from analyzers.decode.untrusted import mapping, parse_json

LONGEST_EVENT = 256 * 1024
"""Bytes. A Status is shorter; a longer event is an object, and passed over."""

_BEGINS_WITH_TYPE = re.compile(rb'\s*\{\s*"type"\s*:\s*"([A-Z]*)"')
# Longer than any beginning that the pattern could still match without the type being known.
_ENOUGH_TO_TELL = 64


class ErrorEventScanner:
    """Fed with a watch's content chunk by chunk, remembers the last ERROR event."""

    def __init__(self) -> None:
        self._found: bytes | None = None
        self._pending = bytearray()
        self._skipping = False
        self._framed: bool | None = None
        self._skip_bytes = 0
        self._cbor: cbor.SequenceReader | None = None

    def feed(self, chunk: bytes) -> None:
        """Look through the next part of the content."""
        if self._framed is None and chunk:
            # The length of a protobuf event begins with a zero byte, for up to 16 MB of it.
            self._framed = chunk[0] == 0
            if chunk[0] == cbor.MAGIC[0]:
                self._cbor = cbor.SequenceReader(LONGEST_EVENT)
        if self._cbor is not None:
            for item in self._cbor.feed(chunk):
                self._found = _cbor_error(item) or self._found
        elif self._framed:
            self._feed_frames(chunk)
        else:
            self._feed_lines(chunk)

    @property
    def error_event(self) -> bytes | None:
        """The last ERROR event as JSON, None when there was none. A protobuf or CBOR event is told in JSON."""
        if not self._framed and not self._skipping and self._pending:
            last = bytes(self._pending)  # the stream may have ended without a newline
            if _is_error(last):
                return last.strip()
        return self._found

    def _feed_lines(self, chunk: bytes) -> None:
        begin = 0
        while (end := chunk.find(b"\n", begin)) >= 0:
            if self._skipping:
                self._skipping = False
            else:
                line = bytes(self._pending) + chunk[begin:end] if self._pending else chunk[begin:end]
                self._pending.clear()
                if len(line) <= LONGEST_EVENT and _is_error(line):
                    self._found = line.strip()
            begin = end + 1
        if self._skipping:
            return
        self._pending += chunk[begin:]
        if len(self._pending) > LONGEST_EVENT or (len(self._pending) >= _ENOUGH_TO_TELL and self._is_other_event()):
            self._pending.clear()
            self._skipping = True

    def _is_other_event(self) -> bool:
        found = _BEGINS_WITH_TYPE.match(self._pending)
        return found is not None and found[1] != b"ERROR"

    def _feed_frames(self, chunk: bytes) -> None:
        at = 0
        while at < len(chunk):
            if self._skip_bytes:
                step = min(self._skip_bytes, len(chunk) - at)
                self._skip_bytes -= step
                at += step
                continue
            wanted = 4
            if len(self._pending) >= 4:
                wanted += int.from_bytes(self._pending[:4], "big")
            step = min(wanted - len(self._pending), len(chunk) - at)
            self._pending += chunk[at : at + step]
            at += step
            self._take_frame()

    def _take_frame(self) -> None:
        if len(self._pending) < 4:
            return
        size = int.from_bytes(self._pending[:4], "big")
        if size > LONGEST_EVENT:
            self._skip_bytes = size
            self._pending.clear()
        elif len(self._pending) == 4 + size:
            if (event := _protobuf_error(bytes(self._pending[4:]))) is not None:
                self._found = event
            self._pending.clear()


def _is_error(line: bytes) -> bool:
    """Whether a line is an ERROR event; parsed only where its beginning does not tell that it is none."""
    if b'"ERROR"' not in line:
        return False
    found = _BEGINS_WITH_TYPE.match(line)
    if found is not None and found[1] != b"ERROR":
        return False
    event = parse_json(line)
    return isinstance(event, dict) and event.get("type") == "ERROR"


def _protobuf_error(frame: bytes) -> bytes | None:
    event = protobuf.Message(frame)
    if event.text(1) != "ERROR":
        return None
    found = status.decode(protobuf.Message(event.raw(2)).raw(1))
    return _in_json(found) if found is not None else None


def _cbor_error(item: bytes) -> bytes | None:
    if b"ERROR" not in item:
        return None
    event = mapping(cbor.decode(item))
    found = status.from_document(event.get("object")) if event.get("type") == "ERROR" else None
    return _in_json(found) if found is not None else None


def _in_json(found: status.Status) -> bytes:
    return json.dumps({"type": "ERROR", "object": status.document(found)}, separators=(",", ":")).encode()
