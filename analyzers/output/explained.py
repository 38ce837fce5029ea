"""What ``mitmkube explain`` found: as text for people, item by item, and as one JSON document for programs.

Both are made piece by piece, so that the findings of a file larger than memory can be written as they come. The JSON is
described in docs/json.md.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from analyzers import redact
from analyzers.explain import Item
from analyzers.output import last_look
from analyzers.output.comment import finding_comment
from analyzers.output.finding_text import finding_lines
from analyzers.output.json import finding_object
from analyzers.output.layout import Line, coloured, hanging, line, plain

if TYPE_CHECKING:
    from analyzers.command import Verdict

SCHEMA = "mitmkube/explain/v1"
HEAD = f'{{"schema": "{SCHEMA}", "items": ['
TAIL = "\n]}\n"
_INDENT = 11
KINDS = {
    "text": "text",
    "status": "Status",
    "kubectl-log": "kubectl -v log",
    "curl": "curl -v output",
    "har": "HAR",
    "flows": "mitmproxy flows",
    "audit-log": "audit log",
    "component-log": "log of a program",
    "recording": "recording",
}


def item_object(item: Item, file: str) -> dict[str, Any]:
    """One item of the JSON document; ``file`` is the path as it was given, ``-`` for stdin."""
    found: dict[str, Any] = last_look.document(_item_object(item, file), item.story)
    return found


def _item_object(item: Item, file: str) -> dict[str, Any]:
    return {
        "file": file,
        "line": item.line,
        "kind": item.kind,
        "findings": [finding_object(finding) for finding in item.findings],
        "notes": [redact.text(note) for note in item.notes],
    }


def item_json(item: Item, file: str) -> str:
    """The same, ready to stand between ``HEAD`` and ``TAIL``, with a comma before all but the first."""
    text = json.dumps(item_object(item, file), indent=2, ensure_ascii=False)
    return "\n" + "\n".join(f"  {one}" for one in text.split("\n"))


def item_text(item: Item, file: str, *, width: int = 80, marks: bool = False, color: bool = False) -> str:
    """One item: where it stands, the deciding finding whole, the others in a line each, and the notes."""
    named = "stdin" if file == "-" else file
    place = f"{named}:{item.line}" if item.line else named
    head = f"─ {redact.text(place)} ({KINDS[item.kind]}) "
    lines = [line((head + "─" * max(width - len(head), 0), "dim"))]
    if item.findings:
        # A number says something only where there is more than one request to tell apart.
        request = item.story.cause.exchange.id if item.story.cause and len(item.story.verdicts) > 1 else None
        lines += finding_lines(item.findings[0], request, width=width, marks=marks)
        lines += _others(item, width)
    for note in item.notes:
        lines += hanging("  note", redact.text(note), width=width, indent=_INDENT)
    lines.append(line())
    return last_look.text(coloured(lines, colour=color) if marks else plain(lines), item.story)


def _others(item: Item, width: int) -> list[Line]:
    """The failures beside the deciding one: each in one line, those that say the same counted."""
    said: dict[str, list[Verdict]] = {}
    for verdict in item.story.others:
        for finding in verdict.findings[:1]:
            if finding.summary != item.findings[0].summary:
                said.setdefault(finding_comment(finding), []).append(verdict)
    lines: list[Line] = []
    for comment, verdicts in said.items():
        times = f" ({len(verdicts)} times)" if len(verdicts) > 1 else ""
        lines += hanging("" if lines else "  also", f"{comment}{times}", width=width, indent=_INDENT)
    return lines
