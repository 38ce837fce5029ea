"""Which lines and branches of the product an input reached that none before it reached.

Each line and each side of a branch is reported once and costs nothing afterwards: that is what sys.monitoring is for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import CodeType
from typing import Any, Self

_TOOLS = (3, 4)  # those that sys.monitoring gives no name


class Coverage:
    """A context manager; while it is open, ``new`` counts the lines and branches that were reached for the first time,
    and ``files`` has the files that they stand in.

    Only code in files under ``roots`` counts.
    """

    def __init__(self, roots: Sequence[str]) -> None:
        self.new = 0
        self.files: set[str] = set()
        self._roots = tuple(roots)
        self._tool = 0
        self._one_side: dict[tuple[int, int], int] = {}
        # Their ids are only theirs while they live.
        self._codes: dict[int, CodeType] = {}

    def __enter__(self) -> Self:
        monitoring = sys.monitoring
        self._tool = next(tool for tool in _TOOLS if monitoring.get_tool(tool) is None)
        monitoring.use_tool_id(self._tool, "mitmkube-fuzz")
        events: Any = monitoring.events
        self._listen(events.LINE, self._reached)
        wanted = events.LINE
        if hasattr(events, "BRANCH_LEFT"):  # since Python 3.14, one event for each side
            for side in (events.BRANCH_LEFT, events.BRANCH_RIGHT):
                self._listen(side, self._reached)
                wanted |= side
        else:
            self._listen(events.BRANCH, self._branched)
            wanted |= events.BRANCH
        monitoring.set_events(self._tool, wanted)
        monitoring.restart_events()
        return self

    def __exit__(self, *_: object) -> None:
        sys.monitoring.set_events(self._tool, 0)
        sys.monitoring.free_tool_id(self._tool)

    def _listen(self, event: int, callback: Any) -> None:
        sys.monitoring.register_callback(self._tool, event, callback)

    def _reached(self, code: CodeType, *_: object) -> object:
        if code.co_filename.startswith(self._roots):
            self.new += 1
            self.files.add(code.co_filename)
        return sys.monitoring.DISABLE

    def _branched(self, code: CodeType, offset: int, destination: int) -> object:
        if not code.co_filename.startswith(self._roots):
            return sys.monitoring.DISABLE
        branch = (id(code), offset)
        known = self._one_side.get(branch)
        if known == destination:
            return None
        self.new += 1
        if known is None:
            self._codes[branch[0]] = code
            self._one_side[branch] = destination
            return None
        return sys.monitoring.DISABLE
