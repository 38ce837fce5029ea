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

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_LISTED = re.compile(
    r"(?:accepted media types include: |media types are accepted: |Available representations: )(?P<types>[^\n]*)"
)


def check(facts: Facts) -> Finding | None:
    """406 and 415 from an API server."""
    code = answer.code(facts)
    if code not in (406, 415) or answer.foreign(facts) or answer.from_policy(facts) or facts.exchange.tunnel:
        return None
    header = "Accept" if code == 406 else "Content-Type"
    value = facts.exchange.request.headers.get(header)
    asked = Evidence(f"{header}: {value}" if value else f"no {header}", "request header")
    known, listed = facts.exchange.request.known, _LISTED.search(answer.said(facts))
    types = listed["types"].replace(",", " ").split() if listed is not None else []
    taken = ", ".join(one for one in types if ";" not in one and one != "application/json")
    patch = facts.exchange.request.method == "PATCH" or (not known and "-patch+" in taken)
    about = f" for {answer.thing(facts)}" if known else ""
    if code == 406:
        summary = f"The API server cannot answer{about} in a format that the client accepts."
    else:
        summary = f"The API server cannot read {'a patch' if patch else 'a body'} of this format{about}."
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=summary,
        evidence=(*evidence.refused(facts), *((asked,) if known else ())),
        fix=(_fix(header, patch, taken),),
    )


def _fix(header: str, patch: bool, taken: str) -> Fix:
    if patch and "strategic" not in taken:
        return Fix("patch with kubectl patch --type=merge (or json): custom resources have no strategic merge patch")
    if patch:
        return Fix(f"send {header} with one of: {taken}")
    return Fix(f"send {header}: application/json" + (f", or another of: {taken}" if taken else ""))


RULE = Rule(id="request-media-type", category=Category.REQUEST, step=Step.REQUEST, check=check)
