"""The API server is overloaded for requests of this kind, and turned this one away.

What you see
    Error from server (TooManyRequests): the server has received too many requests and has asked us to try again later

Why it happens
    API Priority and Fairness gives every kind of client a share of the API server. The share for this one is used
    up and its queue is full: too many clients, a controller that lists without end, or a server that is slow for
    another reason. The request was authenticated, and neither authorized nor carried out.

What to do
    Wait as long as Retry-After says; clients do so by themselves. If it stays, an administrator finds who uses
    the share up.

References
    - https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.rules import (
    conflict_future_version,
    health_etcd,
    health_shutting_down,
    health_starting,
    request_disruption_budget,
)

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TEXT = re.compile(r"Too many requests|received too many requests")
_EVENTS = re.compile(r"limit reached on type (?P<type>\w+)(?: for key (?P<key>.*))?", re.DOTALL)
_LEVEL = "X-Kubernetes-PF-PriorityLevel-UID"
_NARROWER = (
    conflict_future_version.check,
    health_etcd.check,
    health_shutting_down.check,
    health_starting.check,
    request_disruption_budget.check,
)


def check(facts: Facts) -> Finding | None:
    """Any 429 of an API server that is not about an eviction, a shutdown or a start."""
    if answer.code(facts) != 429 or answer.from_policy(facts) or any(narrower(facts) for narrower in _NARROWER):
        return None
    if answer.foreign(facts) and not _TEXT.search(facts.text):
        return None
    flow = facts.flow_control
    wait = f", and asks to come back in {facts.retry_after} s" if facts.retry_after else ""
    if events := _EVENTS.search(answer.said(facts)):
        return _event_limit(facts, events)
    share = (
        "the priority level that this request belongs to has no room left"
        if flow
        else "it is working on as many requests as it takes at once"
    )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"The API server turned the request away{wait}: {share}.",
        evidence=(
            *evidence.refused(facts),
            *evidence.response_header(facts, "Retry-After"),
            *((Evidence(f"priority level {flow.priority_level_uid}", f"response header {_LEVEL}"),) if flow else ()),
        ),
        fix=(
            Fix("wait, and try again; kubectl and most clients do so by themselves"),
            Fix("ask less often, for less, or with a watch instead of repeated lists, if the requests are yours"),
            _who_fills_it(facts),
        ),
    )


def _who_fills_it(facts: Facts) -> Fix:
    flow = facts.flow_control
    if flow is None and facts.exchange.request.known:
        return Fix(
            "see what asks so much; --max-requests-inflight is the limit where priority and fairness is off:",
            by="a cluster administrator",
            commands=("kubectl get --raw /metrics | grep apiserver_current_inflight_requests",),
        )
    return Fix(
        "find the priority level" + (" by its uid" if flow is not None else "") + ", and who fills it:",
        by="a cluster administrator",
        commands=(
            "kubectl get flowschemas,prioritylevelconfigurations "
            "-o custom-columns=KIND:.kind,NAME:.metadata.name,UID:.metadata.uid",
            "kubectl get --raw /debug/api_priority_and_fairness/dump_priority_levels",
        ),
    )


def _event_limit(facts: Facts, found: re.Match[str]) -> Finding:
    """A limit of its own, on events alone, by an admission plugin: nothing is overloaded."""
    what = found["type"].lower()
    whose = f" {found['key']}" if (found["key"] or "").strip() else ""
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=Step.ADMISSION,
        summary=f"The API server takes no more events for now: the limit for {what}{whose} is reached.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("let it be if it was only an event: what it was about has been done all the same"),
            Fix("find what writes so many events, or raise the limit of EventRateLimit", by="a cluster administrator"),
        ),
    )


RULE = Rule(id="health-throttled", category=Category.HEALTH, step=Step.FLOW_CONTROL, check=check)
