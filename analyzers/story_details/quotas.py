"""How full a quota is by now, where an answer of the session showed it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from analyzers import answer, redact
from analyzers.decode import document
from analyzers.decode.untrusted import items, mapping, name
from analyzers.finding import Evidence

if TYPE_CHECKING:
    from analyzers.command import Verdict
    from analyzers.finding import Finding
    from analyzers.story_details import Seen

_RULE = "request-quota"
_NAMED = re.compile(r"(?:exceeded|failed|unknown for) quota: (?P<quota>[a-z0-9.-]+)")


def detailed(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    """Used and hard of the quota that refused, as evidence."""
    named = _NAMED.search(answer.said(verdict.facts))
    if finding.rule != _RULE or named is None:
        return finding
    namespace, found = answer.namespace(verdict.facts), None
    for other in seen.everything:
        for one in _shown(other, namespace):
            if mapping(one.get("metadata")).get("name") == named["quota"] and (amounts := _amounts(one)):
                asked = ", asked afterwards" if other.exchange.asked else ""
                where = f"request {other.exchange.id}{asked}, response body"
                found = Evidence(f"quota {named['quota']} by now: {amounts}", where)
    return replace(finding, evidence=(*finding.evidence, found)) if found is not None else finding


def _shown(verdict: Verdict, namespace: str) -> list[Mapping[str, Any]]:
    info, response = verdict.facts.request_info, verdict.exchange.response
    if info is None or info.resource != "resourcequotas" or info.namespace != namespace:
        return []
    if response is None or response.status != 200:
        return []
    body = redact.body(response.body, response.headers.get("Content-Type"), info, complete=response.body_complete)
    content = mapping(document.decode(body))
    return [mapping(one) for one in items(content.get("items")) or (content,)]


def _amounts(quota: Mapping[str, Any]) -> str:
    """``pods 3 of 3, requests.cpu 2 of 4``."""
    status = mapping(quota.get("status"))
    hard, used = mapping(status.get("hard")), mapping(status.get("used"))
    return ", ".join(f"{name(what)} {name(used.get(what)) or '?'} of {name(hard[what])}" for what in list(hard)[:8])
