"""Helm's lock: the release is in the middle of another operation, or an earlier one was cut off.

What you see
    Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress

Why it happens
    Helm writes the release's state into a Secret first: pending-install, pending-upgrade or pending-rollback. Another
    helm is at work, or one was killed (a CI job that ran out of time) and left the state behind.

What to do
    See that no other helm runs; then go back to the last good revision.

References
    - https://helm.sh/docs/helm/helm_rollback/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_PENDING = "another operation (install/upgrade/rollback) is in progress"


def check(facts: Facts) -> Finding | None:
    """Helm's words for a release in a pending state."""
    if _PENDING not in printed(facts):
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary="Helm holds the release locked: another operation is in progress, or was cut off and left its lock.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "see that no other helm runs, and what state the release is in:",
                commands=("helm list --all --all-namespaces --pending", "helm history RELEASE -n NAMESPACE"),
            ),
            Fix(
                "if nothing runs any more, go back to the last good revision, or take a first install away:",
                commands=("helm rollback RELEASE REVISION -n NAMESPACE", "helm uninstall RELEASE -n NAMESPACE"),
            ),
        ),
    )


RULE = Rule(id="conflict-helm-operation", category=Category.CONFLICT, step=Step.STORAGE, check=check)
