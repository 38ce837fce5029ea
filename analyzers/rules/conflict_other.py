"""The request does not fit the state in which the object is.

What you see
    Error from server (Conflict): Operation cannot be fulfilled on pods/binding "web": pod web is already
    assigned to node "n1"
    Error from server (Timeout): Timeout: couldn't update PodDisruptionBudget "web" due to conflicts

Why it happens
    Somebody else was faster, or the object has gone beyond the point where the change was possible. The message says
    which.

What to do
    Look at the object as it is now, and decide again.

References
    - https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.rules import (
    conflict_apply,
    conflict_exists,
    conflict_namespace_terminating,
    conflict_precondition,
    conflict_stale,
    network_foreign_answer,
)

if TYPE_CHECKING:
    from analyzers.facts import Facts

_BUDGET_RACE = "due to conflicts"
_PREFIX = re.compile(r"^Operation cannot be fulfilled on [^:]*?: ")
_NARROWER = (
    conflict_apply.check,
    conflict_exists.check,
    conflict_namespace_terminating.check,
    conflict_precondition.check,
    conflict_stale.check,
    network_foreign_answer.check,
)


def check(facts: Facts) -> Finding | None:
    """Every other 409 of an API server, and the time-out of an eviction that lost a race."""
    code, text = answer.code(facts), answer.said(facts)
    race = code == 504 and _BUDGET_RACE in text
    if not race and (code != 409 or answer.from_policy(facts) or any(narrower(facts) for narrower in _NARROWER)):
        return None
    why = _PREFIX.sub("", text).strip().rstrip(".").partition("\n")[0]
    because = f": {why}" if why and len(why) < 160 else ""
    waits = race or (answer.reason(facts) == "Conflict" and facts.retry_after)
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{_capital(answer.thing(facts))} could not be evicted: others changed its disruption budget meanwhile."
        if race
        else f"The request does not fit the present state of {answer.thing(facts)}{because}.",
        evidence=evidence.refused(facts),
        fix=(Fix("look at the object as it is now, and try again" + (" in a few seconds" if waits else "")),),
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


RULE = Rule(id="conflict-other", category=Category.CONFLICT, step=Step.STORAGE, check=check)
