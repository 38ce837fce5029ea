"""Something in front of the API server answered, because no API server behind it did.

What you see
    Error from server (InternalError): an error on the server ("<html>… 502 Bad Gateway …") has prevented the
    request from succeeding
    Error from server (ServiceUnavailable): the server is currently unable to handle the request

Why it happens
    A load balancer or gateway took the request over TLS that was checked, and has no healthy API server to give it to:
    all are down or restarting, or fail the load balancer's own health check. Every answer of an API server carries an
    Audit-Id; this one does not.

What to do
    Wait a moment if the control plane is being upgraded; otherwise an administrator looks at the API servers behind.

References
    - https://kubernetes.io/docs/tasks/debug/debug-cluster/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.page_maker import maker

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TITLE = re.compile(r"<title[^>]{0,200}>(?P<title>.{0,1000}?)</title>", re.IGNORECASE | re.DOTALL)
_GATEWAY_CODES = frozenset({502, 503, 504})


def check(facts: Facts) -> Finding | None:
    """502, 503 or 504 without an Audit-Id, from a peer whose certificate was right."""
    code = answer.code(facts)
    if code not in _GATEWAY_CODES or facts.exchange.failure is not None or not answer.trusted_tls(facts):
        return None
    # A pasted page has no headers to look at; no API server sends one.
    if not answer.foreign(facts) and not (answer.html(facts) and not facts.audit_id):
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.MIDDLEBOX,
        step=RULE.step,
        summary=f"A gateway or load balancer{f' at {at}' if (at := answer.server(facts)) else ''}"
        f"{f' ({who})' if (who := maker(facts)) else ''} found no API server behind it ({code}).",
        evidence=(
            evidence.answer(facts),
            *_seen(facts),
            *(evidence.no_audit_id(facts) if answer.foreign(facts) else ()),
            *evidence.response_header(facts, "Server"),
        ),
        fix=(
            Fix("wait a minute and try again, in case the control plane is being upgraded"),
            Fix(
                "look at the load balancer's health checks, and whether the API servers run:",
                by="a cluster administrator",
                commands=("crictl ps -a --name kube-apiserver",),
            ),
        ),
    )


def _seen(facts: Facts) -> tuple[Evidence, ...]:
    """The page's title says as much as the page, and often more than its status."""
    title = _TITLE.search(answer.said(facts)) if answer.html(facts) else None
    if title is not None:
        place = "response body, title of the page" if facts.exchange.request.known else "message, title of the page"
        return (Evidence(" ".join(title["title"].split()), place),)
    said = evidence.message(facts)
    return (said,) if said.text else ()


RULE = Rule(id="health-no-backend", category=Category.HEALTH, step=Step.TRANSMISSION, check=check)
