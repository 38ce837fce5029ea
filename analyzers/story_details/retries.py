"""Whether the client asked again after a failure that may pass, how often, and how it was asked to wait."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from analyzers.finding import Evidence
from analyzers.units import duration

if TYPE_CHECKING:
    from analyzers.command import Verdict
    from analyzers.finding import Finding
    from analyzers.story_details import Seen

_MOST_NUMBERS = 4


def detailed(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    """How often the same request was sent, as evidence; for a single one only where the server asked for another."""
    if not verdict.exchange.request.known or verdict.exchange.tunnel:
        return finding
    same = [other for other in seen.verdicts if _same(other, verdict)]
    if len(same) > 1:
        found = Evidence(_again(same, seen), "the command's requests")
    elif said := _once(verdict, seen):
        found = Evidence(said, "requests after this one")
    else:
        return finding
    return replace(finding, evidence=(*finding.evidence, found))


def _same(one: Verdict, other: Verdict) -> bool:
    first, second = one.exchange.request, other.exchange.request
    return (first.method, first.authority, first.path) == (second.method, second.authority, second.path)


def _again(same: list[Verdict], seen: Seen) -> str:
    """``kubectl sent the same request 4 times within 12 s (requests 3, 5, 7 and 9), and then gave up``"""
    began, last = (_milliseconds(verdict) for verdict in (same[0], same[-1]))
    span = f" within {duration((last - began) / 1000)}" if 0 < began < last else ""
    numbers = [str(verdict.exchange.id) for verdict in same]
    if len(numbers) > _MOST_NUMBERS:
        shown = f"requests {numbers[0]} to {numbers[-1]}"
    else:
        shown = f"requests {', '.join(numbers[:-1])} and {numbers[-1]}"
    ending = ", and then gave up" if same[-1].failed and _over(seen) else ""
    return f"{_who(seen)} sent the same request {len(same)} times{span} ({shown}){ending}"


def _milliseconds(verdict: Verdict) -> int:
    """When it was sent, no more exactly than a recording has it."""
    return math.floor(verdict.exchange.timing.started * 1000 + 0.01)


def _once(verdict: Verdict, seen: Seen) -> str:
    wait = verdict.facts.retry_after
    if not wait or not verdict.exchange.request.known:
        return ""
    if _over(seen):
        return f"{_who(seen)} did not ask again, although the server said when to (Retry-After: {wait})"
    return f"no further attempt was seen; clients of client-go make one after {wait} s"


def _over(seen: Seen) -> bool:
    return seen.info.exit_status is not None


def _who(seen: Seen) -> str:
    program = seen.info.argv[0].replace("\\", "/").rpartition("/")[2] if seen.info.argv else ""
    return program or "the client"
