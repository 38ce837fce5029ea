"""Admission refused the request, and it was no missing permission.

What you see
    Error from server (Forbidden): pods "web" is forbidden: error looking up service account prod/runner: serviceaccount
    "runner" not found
    Error from server (Forbidden): namespaces "kube-system" is forbidden: this namespace may not be deleted

Why it happens
    403 is also what admission plugins answer: a service account or priority class that does not exist, a namespace that
    may not be deleted, what a node may not change, a volume that cannot grow. The authorizer had allowed the request;
    its refusals read: User … cannot ….

What to do
    The message says what is wrong with the object.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.refusal import asked_of_authorizer
from analyzers.rules import (
    conflict_namespace_terminating,
    health_starting,
    rbac_escalation,
    rbac_exec_create,
    rbac_kubelet_forbidden,
    request_disruption_budget,
    request_limit_range,
    request_permission_check,
    request_pod_security,
    request_policy_denied,
    request_quota,
    request_webhook_denied,
)

if TYPE_CHECKING:
    from analyzers.facts import Facts

_NARROWER = (
    conflict_namespace_terminating.check,
    health_starting.check,
    request_permission_check.check,
    rbac_escalation.check,
    rbac_exec_create.check,
    rbac_kubelet_forbidden.check,
    request_disruption_budget.check,
    request_limit_range.check,
    request_pod_security.check,
    request_policy_denied.check,
    request_quota.check,
    request_webhook_denied.check,
)
_WHY = re.compile(r"^(?:[^:]*?is forbidden|forbidden): (?P<why>.*)", re.DOTALL)


def check(facts: Facts) -> Finding | None:
    """Every other 403 with a Status that does not say User … cannot …"""
    if answer.code(facts) != 403 or facts.status is None or facts.exchange.tunnel:
        return None
    if asked_of_authorizer(facts) is not None or any(narrower(facts) for narrower in _NARROWER):
        return None
    text = " ".join(facts.status.message.split())
    found = _WHY.match(text)
    why = (found["why"] if found else text).rstrip(".")
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"Admission refused {answer.thing(facts)}{f': {why}' if 0 < len(why) <= 200 else ''}.",
        evidence=evidence.refused(facts),
        fix=(Fix("change the object as the message asks; no role or binding would help"),),
    )


RULE = Rule(id="request-admission-denied", category=Category.REQUEST, step=Step.ADMISSION, check=check)
