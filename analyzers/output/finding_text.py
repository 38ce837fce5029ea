"""One finding as a reader sees it: category and step, the sentence, because, fix, check. Reports and goldens use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import redact
from analyzers.finding import Category, Finding, Fix
from analyzers.output.layout import Line, hanging, harmless, line, plain, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

COLOURS = {
    Category.AUTH: "yellow",
    Category.RBAC: "red",
    Category.NETWORK: "magenta",
    Category.HEALTH: "red",
    Category.CONFLICT: "cyan",
    Category.REQUEST: "blue",
}
_LABEL = 9
_CHECKS = ("to see ", "check ", "see whether ")


def finding_text(finding: Finding, request: int | None = None, width: int = 80) -> str:
    """The finding in plain words, several lines, each ended by a newline."""
    return plain(finding_lines(finding, request, width=width))


def finding_lines(finding: Finding, request: int | None = None, *, width: int = 80, marks: bool = False) -> list[Line]:
    """The finding as styled lines. ``request`` is the number of the request that it was found on."""
    colour = COLOURS.get(finding.category, "red")
    head = f"{'✗' if marks else 'failed:'} {finding.category}"
    lines = [line((head, f"bold {colour}"), f", at {finding.step.label}")]
    lines += [line(f"  {part}") for part in wrapped(redact.text(finding.summary), width - 2)]
    lines.append(line())
    lines += _because(finding, request, width)
    lines += _fixes(finding.fix, width)
    return lines


def _because(finding: Finding, request: int | None, width: int) -> list[Line]:
    lines: list[Line] = []
    for place, evidence in enumerate(finding.evidence):
        where = evidence.where
        if place == 0 and request is not None:
            where = f"request {request}" if where in ("response status", "request") else f"{where}, request {request}"
        text = redact.text(evidence.text)
        said = f"{text} ({where})" if where else text
        lines += hanging("  because" if place == 0 else "", said, width=width, indent=_LABEL + 2)
    return lines


def _fixes(fixes: Sequence[Fix], width: int) -> list[Line]:
    lines: list[Line] = []
    seen = False
    for fix in fixes:
        check = fix.text.lower().startswith(_CHECKS)
        label = "  check" if check else "  or" if seen else "  fix"
        seen = seen or not check
        text = fix.text.removeprefix("or ") if label == "  or" else fix.text
        if fix.by not in ("", "you"):
            text = f"{fix.by}: {text}"
        lines += hanging(label, text, width=width, indent=_LABEL + 2)
        lines += [line(" " * (_LABEL + 2), (harmless(redact.text(command)), "bold")) for command in fix.commands]
    return lines
