"""What keeps a namespace from going, where an answer of the session showed its conditions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from analyzers import sightings
from analyzers.decode import managed_fields
from analyzers.decode.untrusted import items, mapping, name
from analyzers.evidence import moment
from analyzers.finding import Evidence

if TYPE_CHECKING:
    from analyzers.command import Verdict
    from analyzers.finding import Finding
    from analyzers.story_details import Seen

_MOST = 3


def detailed(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    """Since when it is being deleted, and what is left in it."""
    info = verdict.facts.request_info
    if info is None or not info.namespace:
        return finding
    wanted = sightings.Identity(
        authority=verdict.exchange.request.authority,
        group="",
        resource="namespaces",
        namespace="",
        name=info.namespace,
    )
    shown = sightings.sightings(wanted, seen.everything)
    if not shown:
        return finding
    last = shown[-1]
    where = f"request {last.request}{', asked afterwards' if last.asked else ''}, response body"
    found = []
    if (since := managed_fields.moment(last.metadata.get("deletionTimestamp"))) is not None:
        found.append(Evidence(f"it is being deleted since {moment(since)}", f"{where}, metadata.deletionTimestamp"))
    conditions = map(mapping, items(mapping(last.document.get("status")).get("conditions")))
    found += [
        Evidence(f"{name(condition.get('type'))}: {message}", f"{where}, status.conditions")
        for condition in conditions
        if condition.get("status") == "True" and (message := name(condition.get("message")))
    ]
    return replace(finding, evidence=(*finding.evidence, *found[:_MOST]))
