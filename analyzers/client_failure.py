"""A client that failed by itself: nothing was sent, and only what it printed is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyzers.facts import Facts

_PROGRAM = re.compile(
    r"\bexec: executable (?P<run>\S+) (?:not found|failed with)|\bfork/exec (?P<fork>\S+): "
    r"|exec: \"(?P<path>[^\"\n]+)\": (?:executable file not found|file does not exist|stat )"
    r"|plugin (?:path )?\"(?P<policy>[^\"\n]+)\" (?:not allowed|is not permitted|cannot be resolved)"
)


def printed(facts: Facts) -> str:
    """What the client printed of its own failure; "" for everything that happened on the wire."""
    failure = facts.exchange.failure
    return failure.message if failure is not None and failure.phase == "client" else ""


def own_words(facts: Facts) -> str:
    """As ``printed``, and also where a time-out among the words made them look like a lost connection."""
    failure = facts.exchange.failure
    return failure.message if failure is not None and failure.phase in ("client", "request") else ""


def plugin(message: str) -> str:
    """The credential plugin's program, without its folder, where ``message`` names it; "" otherwise."""
    found = _PROGRAM.search(message)
    path = next(filter(None, found.groups()), "") if found is not None else ""
    return path.replace("\\", "/").rpartition("/")[2].removesuffix(".exe").strip("'\"")
