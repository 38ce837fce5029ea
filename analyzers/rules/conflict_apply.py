"""Server-side apply: another field manager owns fields that this one wants to change.

What you see
    error: Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas

Why it happens
    The API server remembers which manager set which field. Applying another value to a field that somebody else owns is
    a conflict: perhaps a controller (an autoscaler) sets it on purpose, perhaps it was set with another tool once.

What to do
    Take the field out of your manifest and leave it to its owner; or apply with --force-conflicts and take it over; or
    apply the owner's value, and share it.

References
    - https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_MANAGER = re.compile(r'conflicts? with "(?P<manager>(?:[^"\\]|\\.)*)"')
_MOST = 8


def check(facts: Facts) -> Finding | None:
    """A 409 with a cause FieldManagerConflict for each field."""
    status = facts.status
    if status is None or answer.code(facts) != 409 or answer.from_policy(facts):
        return None
    causes = tuple(cause for cause in status.causes if cause.reason == "FieldManagerConflict")
    if not causes and not status.message.startswith("Apply failed with "):
        return None
    managers = tuple(dict.fromkeys(_MANAGER.findall(" ".join([status.message, *(cause.message for cause in causes)]))))
    fields = tuple(dict.fromkeys(cause.field for cause in causes if cause.field))
    owner = "The field manager " + " and ".join(managers) if managers else "Another field manager"
    owned = fields[0] if len(fields) == 1 else f"{len(fields)} fields" if fields else "fields"
    info = facts.request_info
    get = ["kubectl", "get", answer.typed(facts), info.name if info else "", *answer.scope(facts).split(), "-o", "yaml"]
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{owner} {'own' if len(managers) > 1 else 'owns'} {owned} of {answer.thing(facts)}, "
        "which this apply would change.",
        evidence=(
            evidence.answer(facts),
            *(Evidence(f"{cause.field}: {cause.message}", "response body, causes") for cause in causes[:_MOST]),
            *((evidence.message(facts),) if not causes else ()),
        ),
        fix=(
            Fix("leave the field out of your manifest, if its owner is meant to decide"),
            Fix("or take it over:", commands=("kubectl apply --server-side --force-conflicts -f FILE",)),
            Fix("see who owns what:", commands=(shlex.join([*get, "--show-managed-fields"]),)),
        ),
    )


RULE = Rule(id="conflict-apply", category=Category.CONFLICT, step=Step.STORAGE, check=check)
