"""JSON larger than memory, read value by value from front to back.

Only the value that is asked for is held, however long the file. A file that ends in the middle, or that is broken, is
read up to there.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from analyzers.readers.source import BLOCK, Source

LARGEST_VALUE = 256 << 20
"""Characters. What is longer is no entry of an archive but a string whose end is missing."""

_SPACE = re.compile(r"[ \t\n\r]*")
# An error that close to the end of what was read may be a word, a number or an escape that goes on behind it.
_LONGEST_WORD = len("-Infinity") + len("\\ud83d\\ude00")
# What may be the beginning of a word, a number or an escape.
_BEGUN = re.compile(r"[\w\\+.-]*[ \t\n\r]*")
_WHOLE = re.compile(r'[}\]"]')


class Broken(Exception):
    """No JSON goes on here. ``line`` counts from 1; ``cut``: the file ended, where nothing else was wrong with it."""

    def __init__(self, line: int, *, cut: bool = False) -> None:
        super().__init__(f"line {line}")
        self.line = line
        self.cut = cut


class JsonText:
    """A cursor over the text of ``source``. Its methods raise Broken, and nothing else."""

    def __init__(self, source: Source) -> None:
        self._blocks = source.blocks()
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._ended = False
        self._text = ""
        self._at = 0
        self._line = 1  # of _text[_counted]
        self._counted = 0

    @property
    def line(self) -> int:
        """The line of the next character that is no space."""
        self.next()
        self._line, self._counted = self._line_of(self._at), self._at
        return self._line

    def next(self) -> str:
        """The next character that is no space, not yet read; "" at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(1):
                return ""

    def value(self) -> Any:
        """The next value, whole. A number that no machine holds is 0."""
        self.next()
        wanted = BLOCK
        while True:
            try:
                found, end = _decode(self._text, self._at)
            except json.JSONDecodeError as error:
                unterminated = error.msg.startswith("Unterminated")
                behind = error.pos - self._at
                at_end = unterminated or error.pos >= len(self._text) - _LONGEST_WORD
                if at_end and len(self._text) - self._at < LARGEST_VALUE and self._more(wanted):
                    # Twice as much every time: a long value is not looked at from its beginning again and again.
                    wanted = max(BLOCK, len(self._text))
                    continue
                cut = unterminated or _BEGUN.fullmatch(self._text, self._at + behind) is not None
                raise Broken(self._line_of(len(self._text) if cut else self._at + behind), cut=cut) from None
            except (RecursionError, MemoryError):
                raise Broken(self._line_of(self._at)) from None
            if end < len(self._text) or _WHOLE.match(self._text, end - 1) or not self._more(1):
                self._at = end
                return found

    def members(self) -> Iterator[str]:
        """The keys of the object that comes next; after each, its value has to be read."""
        self._expect("{")
        if self._accept("}"):
            return
        while True:
            if self.next() != '"':
                raise self._broken()
            key = str(self.value())
            self._expect(":")
            yield key
            if self._accept("}"):
                return
            self._expect(",")

    def elements(self) -> Iterator[None]:
        """Once for each element of the array that comes next; each has to be read."""
        self._expect("[")
        if self._accept("]"):
            return
        while True:
            yield
            if self._accept("]"):
                return
            self._expect(",")

    def _expect(self, character: str) -> None:
        if not self._accept(character):
            raise self._broken()

    def _accept(self, character: str) -> bool:
        if self.next() != character:
            return False
        self._at += 1
        return True

    def _broken(self) -> Broken:
        return Broken(self._line_of(self._at), cut=self.next() == "")

    def _line_of(self, at: int) -> int:
        return self._line + self._text.count("\n", self._counted, at)

    def _more(self, wanted: int) -> bool:
        """Read ``wanted`` characters more, or all there are. False where there are none."""
        if self._ended:
            return False
        self._line, self._counted = self._line_of(self._at), 0
        parts = [self._text[self._at :]]
        self._at = 0
        self._text = ""  # or it would be held twice
        got = 0
        for block in self._blocks:
            parts.append(self._decoder.decode(block))
            got += len(parts[-1])
            if got >= wanted:
                break
        else:
            self._ended = True
            parts.append(self._decoder.decode(b"", final=True))
            got += len(parts[-1])
        self._text = "".join(parts)
        return got > 0


def _decode(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of more digits than Python converts
        return _PATIENT.raw_decode(text, at)


def _integer(digits: str) -> int:
    return int(digits) if len(digits) < 100 else 0


# Not strict: some tools write line breaks into strings as they are.
_DECODER = json.JSONDecoder(strict=False)
_PATIENT = json.JSONDecoder(strict=False, parse_int=_integer)
