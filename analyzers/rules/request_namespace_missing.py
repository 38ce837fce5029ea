"""The namespace in which something was to be made does not exist.

What you see
    Error from server (NotFound): error when creating "web.yaml": namespaces "staging" not found

Why it happens
    The manifest or -n names a namespace that nobody has made in this cluster, or the context is another cluster's.

What to do
    Make the namespace first, or correct its name.

References
    - https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts


def check(facts: Facts) -> Finding | None:
    """A 404 about a namespace to a request that was about something in it."""
    status, info = facts.status, facts.request_info
    if status is None or info is None or answer.code(facts) != 404 or info.resource in ("", "namespaces"):
        return None
    if status.details.kind != "namespaces" or answer.from_policy(facts):
        return None
    namespace = status.name or info.namespace
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"Namespace {namespace} does not exist, so nothing can be made in it.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("see which namespaces there are:", commands=("kubectl get namespaces",)),
            Fix("make it:", commands=(shlex.join(["kubectl", "create", "namespace", namespace]),)),
        ),
    )


RULE = Rule(id="request-namespace-missing", category=Category.REQUEST, step=Step.ADMISSION, check=check)
