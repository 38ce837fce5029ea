"""The namespace is being deleted, so nothing new may be made in it.

What you see
    Error from server (Forbidden): pods "web" is forbidden: unable to create new content in namespace demo because it is
    being terminated

Why it happens
    The namespace was deleted and is being emptied. This takes as long as the finalizers of its contents, for ever if a
    controller that must remove one is gone. It says Forbidden, and has nothing to do with permissions.

What to do
    Wait until the namespace is gone and make it again, or use another one. If it hangs, its conditions say what
    is left.

References
    - https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TEXT = re.compile(
    r"unable to create new content in namespace (?P<namespace>\S+) because it is being terminated"
    r"|namespace (?P<other>\S+) is being terminated"
    r"|(?P<old>The system is ensuring all content is removed from this namespace)"
)


def check(facts: Facts) -> Finding | None:
    """The cause NamespaceTerminating, or the words that are older than the cause."""
    status = facts.status
    if status is None or answer.code(facts) not in (403, 409) or answer.from_policy(facts):
        return None
    found = _TEXT.search(status.message)
    if found is None and not any(cause.reason == "NamespaceTerminating" for cause in status.causes):
        return None
    named = (found["namespace"] or found["other"]) if found is not None else ""
    namespace = named or answer.namespace(facts) or answer.name(facts) or "NAMESPACE"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"Namespace {namespace} is being deleted already; what is left in it has to go first."
        if found is not None and found["old"]
        else f"Namespace {namespace} is being deleted, so nothing new can be made in it.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "wait until it is gone, then make it again:",
                commands=(f"kubectl wait --for=delete namespace/{namespace} --timeout=5m",),
            ),
            Fix(
                "if it hangs, see what is left in it and which finalizer is in the way:",
                commands=(f"kubectl get namespace {namespace} -o jsonpath='{{.status.conditions}}'",),
            ),
        ),
    )


RULE = Rule(id="conflict-namespace-terminating", category=Category.CONFLICT, step=Step.ADMISSION, check=check)
