"""JSON objects one after another, as the API server sends a watch, told apart without parsing them.

The API server writes one object a line. That is taken on trust where a line cannot be anything else; where the end of a
line has not come yet, or objects stand on one line or one object on several, braces outside of strings are counted.
Counting costs ten times as much, so it is left to regular expressions that step over everything between two braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

type Item = tuple[bytes, int]
"""An object and its length in bytes. One that is longer than its reader keeps is there with its beginning only."""

# A string up to where it ends, or breaks off. A line break inside of one means that this is no JSON.
_STRING = rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+'
# An object without objects in it is stepped over in one go: most are such.
_LEAF = rb'\{(?:[^"{}]++|' + _STRING + rb'")*+\}'
_STEP = re.compile(
    rb'(?:[^"{}]++|' + _STRING + rb'"|' + _LEAF + rb")*+(?:(\{)|(\}++)|(" + _STRING + rb"(?:(\n)|(\\)?\Z)))",
    re.DOTALL,
)
_REST_OF_STRING = re.compile(rb'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+(?:(")|(\n)|(\\)?\Z)', re.DOTALL)
_NEXT_TO_EACH_OTHER = re.compile(rb"\}\s*\{")


class SequenceReader:
    """Fed with a sequence chunk by chunk, gives its objects; of one longer than ``longest`` bytes the beginning.

    What stands between objects is passed over, and so is an object that does not end before the next line begins with
    another.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._kept = bytearray()
        self._size = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False
        # The end of the chunk before: what an opening brace stands behind.
        self._before = b""

    def feed(self, chunk: bytes) -> Iterator[Item]:
        """The objects that end within ``chunk``."""
        at = line_end = 0
        while at < len(chunk):
            if not self._depth:
                at = chunk.find(b"{", at)
                if at < 0:
                    break
                if 0 <= line_end <= at:
                    line_end = chunk.find(b"\n", at)
                if at < line_end <= at + self._longest and _is_one_object(chunk, at, line_end):
                    yield chunk[at:line_end], line_end - at
                    at = line_end + 1
                    continue
            begin, stop = self._scan(chunk, at)
            self._keep(chunk, begin, stop)
            if not self._depth:
                if self._size:
                    yield bytes(self._kept), self._size
                self._forget()
            at = stop
        self._before = (self._before + chunk[-2:])[-2:]

    def _scan(self, chunk: bytes, at: int) -> tuple[int, int]:
        """Which part of ``chunk`` from ``at`` belongs to the object that is open; it ends there if no depth is left."""
        begin = at
        if not self._depth:
            self._depth = 1
            at += 1
        elif self._in_string:
            rest = _REST_OF_STRING.match(chunk, at + self._escaped)
            if rest is None or rest[2]:
                return self._broken(rest.end() if rest else at)
            self._in_string, self._escaped = rest[1] is None, rest[3] is not None
            at = rest.end()
        while found := _STEP.match(chunk, at):
            at = found.end()
            if found[1]:
                if self._begins_anew(chunk, at - 1):
                    self._forget()
                    begin = at - 1
                self._depth += 1
            elif found[2]:
                if len(found[2]) >= self._depth:
                    at = found.start(2) + self._depth
                    self._depth = 0
                    return begin, at
                self._depth -= len(found[2])
            elif found[4]:
                return self._broken(at)
            else:
                self._in_string, self._escaped = True, found[5] is not None
                break
        return begin, len(chunk)

    def _begins_anew(self, chunk: bytes, at: int) -> bool:
        """Whether the brace at ``at`` begins a line, and nothing before it lets an object follow."""
        before = chunk[at - 2 : at] if at >= 2 else (self._before + chunk[:at])[-2:]
        return before[1:] == b"\n" and before[:1] not in b",:[{ \t\r\n"

    def _broken(self, at: int) -> tuple[int, int]:
        self._forget()
        return at, at

    def _forget(self) -> None:
        self._kept.clear()
        self._size = self._depth = 0
        self._in_string = self._escaped = False

    def _keep(self, chunk: bytes, begin: int, stop: int) -> None:
        self._size += stop - begin
        self._kept += chunk[begin : min(stop, begin + self._longest - len(self._kept))]


def _is_one_object(chunk: bytes, begin: int, end: int) -> bool:
    """Whether the line that begins with a brace is one whole object; where it is not sure, the slow way tells."""
    return (
        chunk.endswith(b"}", begin, end)
        and not _NEXT_TO_EACH_OTHER.search(chunk, begin, end)
        and chunk.count(b"{", begin, end) == chunk.count(b"}", begin, end)
    )
