"""The type does not know this kind of request.

What you see
    Error from server (MethodNotAllowed): the server does not allow this method on the requested resource

Why it happens
    Not every type can be listed, watched, patched or deleted: reviews can only be created, some collections cannot be
    deleted as a whole, and a subresource has verbs of its own.

What to do
    See which verbs the type has.

References
    - https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts


def check(facts: Facts) -> Finding | None:
    """405 from an API server."""
    if answer.code(facts) != 405 or answer.foreign(facts) or answer.from_policy(facts) or facts.exchange.tunnel:
        return None
    info = facts.request_info
    verb = info.verb if info is not None and info.verb else facts.exchange.request.method
    sub = f"/{info.subresource}" if info is not None and info.subresource else ""
    what = f"{answer.typed(facts)}{sub}" if answer.typed(facts) else answer.thing(facts)
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"The verb {verb} does not exist for {what}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "see which verbs the type has:",
                commands=(
                    "kubectl api-resources -o wide"
                    + (f" | grep {shlex.quote(info.resource)}" if info and info.resource else ""),
                ),
            ),
        ),
    )


RULE = Rule(id="request-method", category=Category.REQUEST, step=Step.REQUEST, check=check)
