"""Client and API server do not share a format for this request.

What you see
    Error from server (NotAcceptable): only the following media types are accepted: application/json, …
    Error from server (UnsupportedMediaType): the body of the request was in an unknown format - accepted media types
    include: …

Why it happens
    406: no format in the request's Accept header is one that the server can answer in. 415: the request's
    Content-Type is not one that it can read here; a strategic merge patch of a custom resource is the usual case.

What to do
    Name a format from the server's list: application/json, and for patches of custom resources
    application/merge-patch+json (kubectl patch --type=merge).

References
    - https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts


def check(facts: Facts) -> Finding | None:
    """406 and 415 from an API server."""
    code = answer.code(facts)
    if code not in (406, 415) or answer.foreign(facts) or answer.from_policy(facts) or facts.exchange.tunnel:
        return None
    header = "Accept" if code == 406 else "Content-Type"
    value = facts.exchange.request.headers.get(header)
    asked = f"{header}: {value}" if value else f"no {header}"
    patch = facts.exchange.request.method == "PATCH"
    if code == 406:
        summary = f"The API server cannot answer for {answer.thing(facts)} in a format that the client accepts."
    else:
        summary = (
            f"The API server cannot read {'a patch' if patch else 'a body'} of this format for {answer.thing(facts)}."
        )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=summary,
        evidence=(*evidence.refused(facts), Evidence(asked, "request header")),
        fix=(
            Fix("patch custom resources with kubectl patch --type=merge")
            if patch
            else Fix(f"send {header}: application/json"),
        ),
    )


RULE = Rule(id="request-media-type", category=Category.REQUEST, step=Step.REQUEST, check=check)
