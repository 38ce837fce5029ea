"""Undoes what a terminal, a chat or an editor did to a long line: broke it, between two words or in the middle of one.

Which of both it was cannot be seen, and a wrong guess makes another message: "cannot list resou rce" is no refusal of
the authorizer any more. A terminal breaks every line at the same width. Else what helps is that a name has no space
in it, and that the words of servers and clients are known.
"""

from __future__ import annotations

import re
from functools import partial

from analyzers.readers import client_words, server_words

NARROWEST = 40
# A list, a table and an indented part go on as they stand.
_BETWEEN_WORDS = re.compile(r"(?<![ \t])[ \t]*\n(?![\s*\-|{}<\[(.]|\Z)")
_BEFORE_SPACE = re.compile(rf"^(.{{{NARROWEST},}}\S)\n (?![\s>*\-|{{}}<\[(.]|\Z)", re.MULTILINE)
_BEFORE_POINT = re.compile(r"(?<!\s)[ \t]*\n\s*(?=[:;,]\s)")
_IN_NAME = re.compile(r"(?<![\w\"\\.)\]])(\"[^\"\s]{0,250})\n([^\"\s]{0,250}\")(?=[\s,.:;)\]]|\Z)")
_IN_ADDRESS = re.compile(
    r"(?<=\d\.)\n(?=\d)|(?<=\d)\n(?=\.\d)|(?<=\d)\n(?=\d{1,4}:)"
    r"|(?<=\w://)\n(?=\w)|(?<=\w:)\n(?=//\w)|(?<=\w)\n(?=://\w)"
)
_IN_WORD = re.compile(r"(?<![A-Za-z])([A-Za-z]{1,24})\n([A-Za-z]{1,24})(?![A-Za-z])")
_LAST_WORD = re.compile(r"(?<![\w/.-])[A-Za-z]+\Z")
_FIRST_WORD = re.compile(r"[A-Za-z]+(?![\w/.-])")
_ENDS_A_PART = re.compile(r"[:,;]\Z")
_ESCAPED = re.compile(r"\\.")
_ENGLISH = re.compile(r"[a-z]{2,}", re.IGNORECASE)
_KNOWN = frozenset({"a", "i"}) | {
    word.lower()
    for pattern in (
        *server_words.PATTERNS,
        *client_words.PATTERNS,
        "user API group resource path namespace cluster scope requested used limited context deadline no such host",
    )
    for word in _ENGLISH.findall(_ESCAPED.sub(" ", pattern))
}


def unwrapped(text: str) -> str:
    """``text`` with the lines joined that were one; lists, tables and indented parts stay as they are."""
    if "\n" not in text:
        return text
    lines = text.split("\n")
    if (width := _width(lines)) > 0:
        return "".join(map(partial(_whole, width), lines, lines[1:])) + lines[-1]
    text = _BEFORE_SPACE.sub(r"\1 ", _IN_WORD.sub(_joined, _IN_ADDRESS.sub("", _IN_NAME.sub(r"\1\2", text))))
    return _BETWEEN_WORDS.sub(" ", _BEFORE_POINT.sub("", text))


def _width(lines: list[str]) -> int:
    """Where a terminal broke every line; 0 where that is not to be seen. A space at the end of a line gets lost."""
    *whole, last = lines
    width = max(map(len, whole))
    if len(whole) < 2 or width < NARROWEST or not 0 < len(last) <= width:
        return 0
    return width if all(width - 1 <= len(line) <= width for line in whole) else 0


def _whole(width: int, line: str, following: str) -> str:
    """``line`` with the space that it may have lost."""
    before, after = _LAST_WORD.search(line), _FIRST_WORD.match(following)
    if len(line) < width or (_ENDS_A_PART.search(line) and after is not None):
        return f"{line} "
    are_words = before is not None and after is not None and {before[0].lower(), after[0].lower()} <= _KNOWN
    return f"{line} " if are_words else line


def _joined(found: re.Match[str]) -> str:
    first, second = found[1].lower(), found[2].lower()
    is_word = first + second in _KNOWN and not (first in _KNOWN and second in _KNOWN)
    return found[1] + found[2] if is_word else found[0]
