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

import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TEXTS = (
    "would violate the pod's disruption budget",
    "more than one PodDisruptionBudget",
    "disruption budget",
)


def check(facts: Facts) -> Finding | None:
    """The eviction's refusal: 429 with cause DisruptionBudget, or 500 or 403 in the words of the eviction."""
    status, info = facts.status, facts.request_info
    if status is None or info is None or info.subresource != "eviction" or answer.code(facts) < 400:
        return None
    caused = tuple(cause for cause in status.causes if cause.reason == "DisruptionBudget")
    if answer.from_policy(facts) or not (caused or any(text in status.message for text in _TEXTS)):
        return None
    several = "more than one PodDisruptionBudget" in status.message
    why = "more than one disruption budget covers it" if several else "too few pods of its application would be left"
    scope = answer.scope(facts).split()
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"Pod {info.name} in namespace {info.namespace} may not be evicted now: {why}.",
        evidence=(
            *evidence.refused(facts),
            *(Evidence(cause.message, "response body, causes") for cause in caused if cause.message),
        ),
        fix=(
            Fix("see the budgets, and how many disruptions they allow:",
                commands=(shlex.join(["kubectl", "get", "poddisruptionbudgets", *scope]),)),
            Fix("leave one budget a pod" if several else "wait until the other pods are ready, or run more replicas",
                by=f"whoever runs the application in namespace {info.namespace}"),
        ),
    )  # fmt: skip


RULE = Rule(id="request-disruption-budget", category=Category.REQUEST, step=Step.ADMISSION, check=check)
