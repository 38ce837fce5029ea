"""A PodDisruptionBudget does not allow this pod to be evicted now.

What you see
    error when evicting pods/"web-0": Cannot evict pod as it would violate the pod's disruption budget.

Why it happens
    The budget says how many pods of an application must stay; evicting this one would leave too few. It says Too Many
    Requests, and the API server is not overloaded. kubectl drain tries again every five seconds until the budget
    allows it; with a budget that never does (minAvailable equal to the replicas) it never ends.

What to do
    Wait until the other pods are ready, run more replicas, or have the budget changed.

References
    - https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TEXTS = re.compile(
    r"would violate the pod's disruption budget|more than one PodDisruptionBudget"
    r"|pdb disruptions allowed is negative|DisruptedPods map too big|[Cc]annot evict pod as"
)
# kubectl drain names the pod before the server's words.
_DRAINED = re.compile(r'error when evicting pods?/?\s*"(?P<pod>[^"]+)"(?: -n "(?P<namespace>[^"]+)")?')


def check(facts: Facts) -> Finding | None:
    """The eviction's refusal: 429 with cause DisruptionBudget, or 500 or 403 in the words of the eviction."""
    status, info, text = facts.status, facts.request_info, answer.said(facts)
    if answer.code(facts) < 400 or (info is not None and info.subresource != "eviction"):
        return None
    # A log without bodies: flow control would have said after which time to come again.
    bare = info is not None and answer.code(facts) == 429 and not text and facts.retry_after is None
    if status is None and not bare:
        return None
    causes = status.causes if status is not None else ()
    caused = tuple(cause for cause in causes if cause.reason == "DisruptionBudget")
    if answer.from_policy(facts) or not (bare or caused or _TEXTS.search(text)):
        return None
    pod, namespace = (info.name, info.namespace) if info is not None else ("", "")
    if drained := _DRAINED.search(text):
        pod, namespace = drained["pod"], drained["namespace"] or ""
    several = "more than one PodDisruptionBudget" in text
    uncounted = "pdb disruptions allowed is negative" in text or "DisruptedPods map too big" in text
    if several:
        why, way = "more than one disruption budget covers it", "leave one budget a pod"
    elif uncounted:
        why = "its disruption budget cannot say how many pods may go"
        way = "see that the controller manager runs and counts the budget, or make the budget again"
    else:
        why = "too few pods of its application would be left"
        way = "wait until the other pods are ready, run more replicas, or loosen the budget"
    where = f" in namespace {namespace}" if namespace else ""
    scope = ["-n", namespace] if namespace else ["-A"]
    called = f"Pod {pod}{where}" if pod else "The pod"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{called} may not be evicted now: {why}.",
        evidence=(
            *evidence.refused(facts),
            *(Evidence(cause.message, "response body, causes") for cause in caused if cause.message),
        ),
        fix=(
            Fix(
                "see the budgets, and how many disruptions they allow:",
                commands=(shlex.join(["kubectl", "get", "poddisruptionbudgets", *scope]),),
            ),
            Fix(way, by=f"whoever runs the application{where}"),
        ),
    )


RULE = Rule(id="request-disruption-budget", category=Category.REQUEST, step=Step.ADMISSION, check=check)
