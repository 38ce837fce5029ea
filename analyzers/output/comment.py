"""One line and one mark per request, for a list of flows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from analyzers import redact
from analyzers.finding import Category, Finding
from analyzers.output.layout import harmless
from analyzers.phrase import phrase

if TYPE_CHECKING:
    from analyzers.decode.request_info import RequestInfo
    from analyzers.exchange import Exchange

# Names of mitmproxy's emoji table, all of one code point: a console draws those one or two cells wide and no wider.
_MARKS = {
    Category.AUTH: ":lock:",
    Category.RBAC: ":no_entry:",
    Category.NETWORK: ":electric_plug:",
    Category.HEALTH: ":ambulance:",
    Category.CONFLICT: ":collision:",
    Category.REQUEST: ":pencil2:",
}


def comment(
    exchange: Exchange, info: RequestInfo | None, findings: Sequence[Finding] = (), notes: Sequence[str] = ()
) -> str:
    """``rbac at authorization: jane may not list pods in namespace prod.``, else ``list pods in prod``. One line."""
    if findings:
        said = finding_comment(findings[0])
        if len(findings) > 1:
            said += f" (and {len(findings) - 1} more)"
    else:
        said = redact.text(phrase(exchange, info)) + (f" ({notes[0]})" if notes else "")
        if exchange.response is not None and exchange.response.stream is not None:
            said += f": {exchange.response.stream.phrase}"
    return " ".join(harmless(said).split())


def finding_comment(finding: Finding) -> str:
    """``Finding.comment`` without secrets: only the sentence can hold any, and "authorization:" is no header here."""
    return replace(finding, summary=redact.text(finding.summary)).comment


def mark(category: Category) -> str:
    """The emoji name for a category, as mitmproxy's flow marks want it."""
    return _MARKS[category]
