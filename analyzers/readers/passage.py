"""What every reader makes of a file: passages, each the traffic of one command or one message with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from analyzers.command import CommandInfo
from analyzers.exchange import Exchange

Kind = Literal[
    "text", "status", "kubectl-log", "curl", "har", "flows", "audit-log", "component-log", "recording",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """The exchanges that belong to one story, in the order of their ids, and where they stand in the file.

    ``line`` counts from 1 and is None in a file that has no lines; ``lines`` has the line of each exchange by its id,
    where known. ``count`` is how often the same was found; then ``last_line`` is where it was found last. ``notes`` are
    sentences: what the reader could not read, and where it broke off. A passage may hold nothing but notes.
    """

    kind: Kind
    line: int | None = None
    exchanges: tuple[Exchange, ...] = ()
    lines: Mapping[int, int] = field(default_factory=dict)
    info: CommandInfo = field(default_factory=CommandInfo)
    notes: tuple[str, ...] = ()
    count: int = 1
    last_line: int | None = None
