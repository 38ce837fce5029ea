"""What stands in a text and is no message: objects of Kubernetes, their descriptions, and source code.

An object may be called timeout, carry a label forbidden and hold the last words of a container; code is full of
messages that nobody printed. Only a Status is an object that says something.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_OBJECT = re.compile(r"(?:- )?(?:apiVersion|kind): \S+\s*\Z")
_STATUS = re.compile(r"(?:- )?kind: Status\s*\Z")
_OF_OBJECT = re.compile(r"\s|- |#|---|[A-Za-z][\w.-]{0,60}:(?:\s|\Z)|\Z")
_DESCRIPTION = re.compile(r"Name:\s{2,}\S")
_OF_DESCRIPTION = re.compile(r"\s|\Z|(?!Events:|Error|ERROR)[A-Z][\w ()./-]{0,60}:(?:\s|\Z)")
_REFUSED = re.compile(r"is forbidden: User \"|Error from server")
_GAVE_UP = re.compile(r"(?:[Ee]rror|ERROR|fatal|panic): ")
_MOST_LINES = 5000

_CODE = re.compile(
    # Python
    r"(?:async )?def \w+\(|class \w+\s*[(:]|from [\w.]+ import |import [\w.]+(?: as \w+)?\s*\Z|(?:el)?if .+:\s*\Z"
    r"|else:\s*\Z|for .+ in .+:\s*\Z|while .+:\s*\Z|try:\s*\Z|except\b.*:\s*\Z|raise\b|with .+:\s*\Z|self\.\w|return\b"
    r"|@\w+(?:\.\w+)*(?:\(.*)?\Z|_?[A-Z][A-Z_0-9]{2,}(?:: .+)? = |[rbf]{1,2}[\"']"
    # Go, and what has braces like it
    r"|func[ (]|package \w+\s*\Z|import [(\"]|type \w+ (?:struct|interface)\b|(?:var|let|const) \w+|if .+\{\s*\Z"
    r"|\} (?:else|catch|finally)\b|for .*\{\s*\Z|(?:switch|while) .*\{\s*\Z|case .+:\s*\Z|defer \w|//|/\*|#include\b"
    r"|(?:public|private|protected|function|fn|pub|impl) \w|export (?:default|const|class|async|type) "
    r"|[\w.\[\], ]{1,60} := |throw "
)
# A traceback quotes a line of code under each of these.
_RAISED = re.compile(r"File \"[^\"]+\", line \d+")
_FEWEST = 4


def without_objects(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Numbered lines, of objects in YAML and of what kubectl describe shows only the empty ones."""
    held: list[tuple[int, str]] = []
    for number, line in lines:
        if held and (len(held) >= _MOST_LINES or not _goes_on(held[0][1], line)):
            yield from _said_in(held)
            held = []
        if held or _OBJECT.match(line) or _DESCRIPTION.match(line):
            held.append((number, line))
        else:
            yield number, line
    yield from _said_in(held)


def is_source_code(head: str) -> bool:
    """Whether a text that begins with ``head`` is the source of a program, and no program's output."""
    if head.startswith("#!"):
        return True
    lines = [line.strip() for line in head.split("\n") if line.strip()]
    code = sum(_CODE.match(line) is not None for line in lines)
    code -= 2 * sum(_RAISED.match(line) is not None for line in lines)
    return code >= _FEWEST and code * 5 >= len(lines)


def _goes_on(first: str, line: str) -> bool:
    if _DESCRIPTION.match(first):
        return _OF_DESCRIPTION.match(line) is not None
    return _OF_OBJECT.match(line) is not None and not _GAVE_UP.match(line)


def _said_in(held: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    if not held:
        return
    description = _DESCRIPTION.match(held[0][1]) is not None
    status = any(_STATUS.match(line.strip()) for _, line in held)
    for number, line in held:
        kept = _REFUSED.search(line) is not None if description else status
        yield number, line if kept else ""
