"""What was perhaps meant, where a type or an object is not there: the nearest of those that the session showed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from analyzers import answer, redact
from analyzers.client_failure import printed
from analyzers.decode.untrusted import items, mapping, name, parse_json
from analyzers.finding import Evidence, Fix
from analyzers.served_types import ServedType, ServedTypes, nearest_name

if TYPE_CHECKING:
    from analyzers.command import Verdict
    from analyzers.finding import Finding
    from analyzers.story_details import Seen

_MOST_PLACES = 3
# kubectl and client-go, of a name that their discovery did not find.
_ASKED_FOR = re.compile(r'(?:resource type|no (?:matches for )?kind) \\?"(?P<word>[\w.-]+)')


def detailed(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    """With what the session showed that is named alike."""
    if finding.rule in ("request-no-such-type", "request-type-unknown"):
        return _type(finding, verdict, seen)
    if finding.rule in ("request-not-found", "request-namespace-missing"):
        return _object(finding, verdict, seen)
    return finding


def _type(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    served = ServedTypes.of(other.exchange for other in seen.everything if _same_server(other, verdict))
    info = verdict.facts.request_info
    if not served.count:
        return finding
    if info is not None and info.is_resource_request:
        word, others = info.resource, served.elsewhere(info.api_group, info.api_version, info.resource)
    else:
        named = _ASKED_FOR.search(printed(verdict.facts))
        word = named["word"] if named is not None else ""
        others = served.elsewhere("", "", found.resource) if (found := served.find(word)) is not None else ()
    if not word:
        return finding
    if others:
        where = " and ".join(one.group_version for one in others)
        showed = next(one.exchange.id for one in seen.everything if others[0] in ServedTypes.of([one.exchange]).types)
        return _with(
            finding,
            f"it serves {others[0].resource} in {where}",
            Fix(f"ask for it in {others[0].group_version}"),
            where=f"request {showed}, response body",
        )
    close = served.nearest(word)
    return _with(finding, f"{word} is none of the {served.count} types that discovery showed", *_meant(close))


def _meant(close: tuple[ServedType, ...]) -> tuple[Fix, ...]:
    if not close:
        return ()
    commands = tuple(f"kubectl get {one.full_name}" for one in close)
    return (Fix(f"perhaps {' or '.join(one.full_name for one in close)} was meant:", commands=commands),)


def _with(finding: Finding, said: str, *fixes: Fix, where: str = "requests before this one") -> Finding:
    return replace(finding, evidence=(*finding.evidence, Evidence(said, where)), fix=(*fixes, *finding.fix))


def _object(finding: Finding, verdict: Verdict, seen: Seen) -> Finding:
    status, info = verdict.facts.status, verdict.facts.request_info
    resource = (status.details.kind if status is not None else "") or (info.resource if info is not None else "")
    called = answer.name(verdict.facts)
    if not resource or not called:
        return finding
    namespace = "" if resource == "namespaces" else answer.namespace(verdict.facts)
    shown: dict[tuple[str, str], int] = {}
    for other in seen.everything:
        if other is not verdict and _same_server(other, verdict):
            for found in _shown(other, resource):
                shown[found] = other.exchange.id
    elsewhere = [place for place, found in shown if found == called and place not in ("", namespace)]
    if elsewhere:
        first = elsewhere[0]
        said = f"{resource} {called} is there in namespace {', '.join(elsewhere[:_MOST_PLACES])}"
        fix = Fix("ask in that namespace:", commands=(shlex.join(["kubectl", "get", resource, called, "-n", first]),))
        return _with(finding, said, fix, where=f"request {shown[first, called]}, response body")
    close = nearest_name(called, (found for place, found in shown if place == namespace))
    if not close:
        return finding
    scope = ["-n", namespace] if namespace else []
    commands = tuple(shlex.join(["kubectl", "get", resource, one, *scope]) for one in close)
    where = f"request {shown[namespace, close[0]]}, response body"
    there = f"there is {' and '.join(close)}" if len(close) < 3 else f"there are {', '.join(close)}"
    return _with(finding, there, Fix(f"perhaps {' or '.join(close)} was meant:", commands=commands), where=where)


def _same_server(one: Verdict, other: Verdict) -> bool:
    """A client that failed by itself names no server: then it is the one that it asked before."""
    return other.exchange.request.authority in ("", one.exchange.request.authority)


def _shown(verdict: Verdict, resource: str) -> Iterator[tuple[str, str]]:
    """Namespace and name of every object of a type that an answer showed, in a list, a Table or by itself."""
    info, response = verdict.facts.request_info, verdict.exchange.response
    if info is None or info.resource != resource or info.subresource or response is None or response.status >= 300:
        return
    if info.verb in ("delete", "deletecollection", "watch"):
        return
    # A recording has no more than this, and is to tell the same.
    body = redact.body(response.body, response.headers.get("Content-Type"), info, complete=response.body_complete)
    content = mapping(parse_json(body))
    listed = (*items(content.get("items")), *(mapping(row).get("object") for row in items(content.get("rows"))))
    for one in listed or (content,):
        metadata = mapping(mapping(one).get("metadata"))
        if called := name(metadata.get("name")):
            yield ("" if resource == "namespaces" else name(metadata.get("namespace")) or info.namespace), called
