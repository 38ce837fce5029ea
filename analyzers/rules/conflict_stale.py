"""The object was changed by somebody else since it was read.

What you see
    Error from server (Conflict): Operation cannot be fulfilled on deployments.apps "web": the object has been modified;
    please apply your changes to the latest version and try again

Why it happens
    Every object carries a resourceVersion. A replacement that names an older one is refused, so that it does not undo a
    change that its author never saw. Controllers write objects often; a file with a resourceVersion in it goes stale.

What to do
    Take the latest state and make your change again, or leave metadata.resourceVersion out, or use kubectl apply
    or patch.

References
    - https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_MODIFIED = "the object has been modified"


def check(facts: Facts) -> Finding | None:
    """A 409 in the words of the optimistic lock; preconditions and field managers have rules of their own."""
    if answer.code(facts) != 409 or answer.from_policy(facts) or _MODIFIED not in answer.said(facts):
        return None
    sent = _sent_version(facts.exchange.request.body)
    what = answer.thing(facts)
    carried = f"the object sent carries resourceVersion {sent}, and that" if sent else "the version that was sent"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"Somebody changed {what} since it was read: {carried} is no longer the latest.",
        evidence=(
            *evidence.refused(facts),
            *((Evidence(f"metadata.resourceVersion {sent}", "request body"),) if sent else ()),
        ),
        fix=(
            Fix(
                "take the latest state (its managedFields say who wrote it), and make the change again:",
                commands=(answer.lookup(facts, "-o", "yaml", "--show-managed-fields"),),
            ),
            Fix("or leave out metadata.resourceVersion, or use kubectl apply or kubectl patch"),
        ),
    )


def _sent_version(body: bytes | None) -> str:
    try:
        version = json.loads(body or b"")["metadata"]["resourceVersion"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return version if isinstance(version, str) and version.isalnum() else ""


RULE = Rule(id="conflict-stale", category=Category.CONFLICT, step=Step.STORAGE, check=check)
