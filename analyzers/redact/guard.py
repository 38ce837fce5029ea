"""What is about to be written, without the parts in which a secret stands all the same.

Nothing should be found here: what is, is a place that hiding has overlooked. So it is left out whole, and said.
"""

from __future__ import annotations

import json
import re
from typing import Any

from analyzers.redact.canary import SEEN

LEFT_OUT = "(left out: a secret stood here)"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MOST_LINES = 8
"""Over which a secret is looked for."""


def text(written: str) -> str:
    """Text of several lines; a line may have been broken at a space, or in the middle of a word."""
    if not _is_in(written.split("\n")):
        return written
    lines = written.split("\n")
    hit: set[int] = set()
    for first in range(len(lines)):
        count = next((count for count in range(1, _MOST_LINES + 1) if _is_in(lines[first : first + count])), 0)
        hit.update(range(first, first + count))
    kept = [LEFT_OUT if at in hit else line for at, line in enumerate(lines) if at not in hit or at - 1 not in hit]
    return f"{LEFT_OUT}\n" if _is_in(kept) else "\n".join(kept)


def _is_in(lines: list[str]) -> bool:
    plain = [_COLOUR.sub("", line) for line in lines]
    joined = ("\n".join(plain), "".join(map(str.lstrip, plain)), " ".join(map(str.strip, plain)))
    return any(SEEN.stands_in(one) for one in joined[: 3 if len(plain) > 1 else 1])


def document(value: Any) -> Any:
    """A document that JSON can hold."""
    return _cleaned(value) if SEEN.stands_in(json.dumps(value, ensure_ascii=False)) else value


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {LEFT_OUT if SEEN.stands_in(str(key)) else key: _cleaned(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    return LEFT_OUT if SEEN.stands_in(json.dumps(value, ensure_ascii=False)) else value


def body(content: bytes | None) -> bytes | None:
    """A body as it may be shown, None where it may not."""
    return None if content and SEEN.stands_in(content.decode("utf-8", "replace")) else content
