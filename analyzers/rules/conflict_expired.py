"""The list or watch asked to go on from a point that the API server has forgotten.

What you see
    Error from server (Expired): The provided continue parameter is too old to display a consistent list result.
    error: too old resource version: 1000 (48211)

Why it happens
    API servers and etcd keep old versions for some minutes only. A watch that resumes from an older resourceVersion, or
    the next page of a list that was begun long ago, cannot be served. Watches are told so inside an answer that
    began with 200.

What to do
    List again and watch from there. Programs built on client-go do so by themselves.

References
    - https://kubernetes.io/docs/reference/using-api/api-concepts/#410-gone-responses
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TEXT = re.compile(
    r"too old resource version|is too old|required revision has been compacted|resource version .*too old"
)

_AGAIN = "list again without resourceVersion and continue, and watch from the version that the list gives"
_PAGE = "list again from the start, with a larger limit or pages asked for more quickly (within five minutes)"
_REST = "or go on with the continue token of this answer, if the rest may be newer than the pages before"


def check(facts: Facts) -> Finding | None:
    """410, as a status or as an ERROR event, or etcd's word for a compacted revision."""
    code, text = answer.code(facts), answer.said(facts)
    compacted = code >= 500 and "required revision has been compacted" in text
    if not compacted and (code != 410 or answer.foreign(facts) or answer.from_policy(facts)):
        return None
    if not compacted and answer.reason(facts) not in ("Expired", "Gone", "") and not _TEXT.search(text):
        return None
    info = facts.request_info
    verb = info.verb if info is not None and info.verb in ("list", "watch") else "request"
    what = f" of {answer.thing(facts)}" if verb != "request" else f" for {answer.thing(facts)}"
    called = f"The {verb}{what}" if facts.exchange.request.known else "The list or watch"
    query = _query(facts.exchange.request.path)
    page = "continue" in query or "continue parameter" in text
    version = query.get("resourceVersion", [""])[0]
    why = "its next page was asked for too late" if page else "it asked for a version that is forgotten by now"
    fixes = [Fix(_PAGE if page else _AGAIN)]
    if page and ((facts.status is not None and facts.status.continue_token) or "in this response" in text):
        fixes.append(Fix(_REST))
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{called} cannot go on: {why}.",
        evidence=(
            *evidence.refused(facts),
            *((Evidence(f"resourceVersion={version}", "request query"),) if version else ()),
        ),
        fix=tuple(fixes),
    )


def _query(path: str) -> dict[str, list[str]]:
    try:
        return parse_qs(urlsplit(path).query)
    except ValueError:
        return {}


RULE = Rule(id="conflict-expired", category=Category.CONFLICT, step=Step.STORAGE, check=check)
