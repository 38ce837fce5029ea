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

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TEXT = re.compile(r'(?:^|: )(?P<verb>\w*) ?is not supported on resources of kind "(?P<what>[^"]*)"')


def check(facts: Facts) -> Finding | None:
    """405 from an API server."""
    if answer.code(facts) != 405 or answer.foreign(facts) or answer.from_policy(facts) or facts.exchange.tunnel:
        return None
    info = facts.request_info
    verb = info.verb if info is not None and info.verb else facts.exchange.request.method
    sub = f"/{info.subresource}" if info is not None and info.subresource else ""
    what = f"{answer.typed(facts)}{sub}" if answer.typed(facts) else answer.thing(facts)
    resource = info.resource if info is not None else ""
    if info is None:
        found = _TEXT.search(answer.said(facts))
        verb, what = (found["verb"] or "asked for", found["what"]) if found else ("asked for", "what was asked for")
        resource = found["what"].partition(".")[0] if found else ""
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
                commands=("kubectl api-resources -o wide" + (f" | grep {shlex.quote(resource)}" if resource else ""),),
            ),
        ),
    )


RULE = Rule(id="request-method", category=Category.REQUEST, step=Step.REQUEST, check=check)
