"""The events of an audit log that may matter, found without parsing the rest.

An event that failed has a code of 400 or more in it, and a search for that costs a fraction of what parsing every line
does. What it finds is parsed; what else it may have found (a field of an object that was logged) is dropped then.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from analyzers.decode.untrusted import parse_json
from analyzers.readers.source import LONGEST_LINE, Source

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Shippers put the event as a string into a field of their own, once or twice escaped.
FAILED = re.compile(rb'code\\*":\s*[45]\d\d')
_LIST = re.compile(
    r'\s*\{\s*(?:"(?:kind|apiVersion)"\s*:\s*"[^"]*"\s*,\s*|"metadata"\s*:\s*\{[^{}]*\}\s*,\s*)*"items"\s*:\s*\['
)
_BETWEEN = re.compile(r"[\s,\[\]}]*")
# An event whose string holds another: the shipper's wrapping, never deeper than this.
_DEEPEST = 4
_LONGEST_PREFIX = 200


@dataclass(slots=True)
class Broken:
    """What could not be read: the first such line, how many there were, and where the file breaks off, if it does."""

    first: int = 0
    count: int = 0
    ends_in: int = 0

    def line(self, number: int) -> None:
        self.first = self.first or number
        self.count += 1


def documents(source: Source, broken: Broken, passed: Callable[[bytes], bool]) -> Iterator[tuple[int, bytes, Any]]:
    """Line number, raw line and parsed document of every event that may have failed, or that ``passed`` asks for.

    ``passed`` is called with each other line. In a file that has no event on each line the raw line is b"".
    """
    head = source.peek().removeprefix(_BYTE_ORDER_MARK)
    first = head.lstrip().partition(b"\n")[0].rstrip()
    if _LIST.match(head[:4096].decode("utf-8", "replace")) or first in (b"{", b"[") or first.startswith(b"["):
        for number, document in _spread(source, broken):
            yield number, b"", document
    else:
        yield from _lines(source, broken, passed)


def _lines(source: Source, broken: Broken, passed: Callable[[bytes], bool]) -> Iterator[tuple[int, bytes, Any]]:
    failed = FAILED.search
    cut = 0  # the line whose end has not come
    for line in source.lines():
        number = source.line
        if number == cut:
            continue  # more of a line that is too long for an event
        if cut:
            broken.line(cut)
            cut = 0
        # A time may stand before the event.
        whole = line.endswith((b"}\n", b"}\r\n")) and (line[:1] == b"{" or b'{"kind":"' in line[:_LONGEST_PREFIX])
        if whole and not failed(line) and not passed(line):
            continue
        if not line.strip():
            continue
        document = parse_json(line[max(line.find(b"{"), 0) :])
        if isinstance(document, dict):
            yield number, line, document
        elif line.endswith(b"\n"):
            broken.line(number)
        else:
            cut = number
    broken.ends_in = cut


def _spread(source: Source, broken: Broken) -> Iterator[tuple[int, Any]]:
    """The objects of a file that does not keep to lines: an EventList, an array, events that were indented."""
    decoder = json.JSONDecoder()
    text, at, line = "", 0, 1
    blocks = source.blocks()
    decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
    ended = False
    needed = 1
    while True:
        while not ended and len(text) - at < needed:
            block = next(blocks, None)
            ended = block is None
            text, at = text[at:] + decode(block or b"", ended), 0
        between = _BETWEEN.match(text, at)
        assert between is not None
        line += text.count("\n", at, between.end())
        at = between.end()
        if found := _LIST.match(text, at):
            line += text.count("\n", at, found.end())
            at = found.end()
            continue
        try:
            if text[at : at + 1] != "{":
                raise ValueError
            document, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            if not ended and len(text) - at < LONGEST_LINE:
                needed = 2 * (len(text) - at) + 1  # not all of it is there yet
                continue
            if text[at:].strip():
                broken.ends_in = line
            return
        yield line, document
        line += text.count("\n", at, end)
        at, needed = end, 1


def events(document: Any, depth: int = 0) -> Iterator[Any]:
    """The audit events in a parsed line: itself, the items of a list, or what a log shipper wrapped."""
    if isinstance(document, str):
        if '"auditID' not in document or depth > _DEEPEST:
            return
        document = parse_json(document[max(document.find("{"), 0) :])
    if isinstance(document, list) and depth <= _DEEPEST:
        for one in document:
            yield from events(one, depth + 1)
    elif isinstance(document, dict):
        if "auditID" in document:
            yield document
        elif depth <= _DEEPEST:
            for value in document.values():
                if isinstance(value, dict | list | str):
                    yield from events(value, depth + 1)
