"""The names of the FlowSchema and the priority level behind a 429, which itself gives their UIDs alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from analyzers import redact
from analyzers.decode import document
from analyzers.decode.untrusted import items, mapping, name
from analyzers.finding import Evidence

if TYPE_CHECKING:
    from analyzers.command import Verdict
    from analyzers.finding import Finding
    from analyzers.story_details import Seen

_GROUP = "flowcontrol.apiserver.k8s.io"
_RULE = "health-throttled"


def detailed(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    """The names as evidence, where another answer of the session showed them."""
    flow = verdict.facts.flow_control
    if finding.rule != _RULE or flow is None:
        return finding
    wanted = {flow.flow_schema_uid: "FlowSchema", flow.priority_level_uid: "priority level"}
    found = []
    for other in seen.everything:
        for uid, called, says in _shown(other):
            if what := wanted.pop(uid, ""):
                asked = ", asked afterwards" if other.exchange.asked else ""
                where = f"request {other.exchange.id}{asked}, response body"
                found.append(Evidence(f"the {what} with UID {uid} is {called}{says}", where))
    return replace(finding, evidence=(*finding.evidence, *found))


def _shown(verdict: Verdict) -> list[tuple[str, str, str]]:
    """UID, name and what else matters of every flow control object in an answer."""
    info, response = verdict.facts.request_info, verdict.exchange.response
    if info is None or info.api_group != _GROUP or response is None or response.status != 200:
        return []
    body = redact.body(response.body, response.headers.get("Content-Type"), info, complete=response.body_complete)
    content = mapping(document.decode(body))
    shown = []
    for one in map(mapping, items(content.get("items")) or (content,)):
        metadata, spec = mapping(one.get("metadata")), mapping(one.get("spec"))
        shares = mapping(spec.get("limited")).get("nominalConcurrencyShares")
        says = f", with {shares} shares of the concurrency" if isinstance(shares, int) else ""
        if level := name(mapping(spec.get("priorityLevelConfiguration")).get("name")):
            says = f", which leads to priority level {level}"
        if uid := name(metadata.get("uid")):
            shown.append((uid, name(metadata.get("name")), says))
    return shown
