"""Something that is no API server answered.

What you see
    error: an error on the server ("<html>…") has prevented the request from succeeding
    Error from server (NotFound): the server could not find the requested resource

Why it happens
    A gateway, load balancer, login page or captive portal on the way answered in the API server's place, or the
    kubeconfig's server is some other web server. Every answer of an API server carries an Audit-Id, and its refusals
    are Status objects.

What to do
    Look at the page that came; log in where it asks; correct the server in the kubeconfig.

References
    - https://kubernetes.io/docs/tasks/debug/debug-cluster/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence, redact
from analyzers.client_failure import printed
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.page_maker import maker
from analyzers.rules import (
    auth_unauthorized,
    health_no_backend,
    network_https_expected,
    network_proxy_refused,
    rbac_path_filter,
)

if TYPE_CHECKING:
    from analyzers.facts import Facts

_NARROWER = (
    auth_unauthorized.check,
    health_no_backend.check,
    network_https_expected.check,
    network_proxy_refused.check,
    rbac_path_filter.check,
)
_TITLE = re.compile(r"<title[^>]{0,200}>(?P<title>.{0,1000}?)</title>", re.IGNORECASE | re.DOTALL)
# An API server's own plain texts, for answers whose headers were cut off or filtered on the way.
_OWN_TEXTS = re.compile(
    r"^(?:404 page not found|service unavailable|ok|Too many requests, please|The apiserver is"
    r"|This request caused apiserver|Internal Server Error: \"|\[[+-]\]|error dialing|406: Not Acc|415: Unsup)"
)
_UNEXPECTED = "Server returned an unexpected response"
# A 400 without a Status; an API server's own 400s say what is wrong.
_NO_STATUS = "the server rejected our request for an unknown reason"


def check(facts: Facts) -> Finding | None:
    """A page, a redirect or an error text without an Audit-Id; or what client-go could not take for an answer."""
    response, code = facts.exchange.response, answer.code(facts)
    if _UNEXPECTED in printed(facts) or (response and not response.headers and _NO_STATUS in answer.said(facts)):
        return _not_an_api_server(facts)
    if response is None or not answer.foreign(facts) or code in (0, 101, 304):
        return None
    page = answer.html(facts)
    redirect = 300 <= code < 400
    if not page and not redirect and not response.body and not facts.text and code < 500:
        return None  # a log without bodies
    if not page and not redirect and (code < 400 or _OWN_TEXTS.match(facts.text)):
        return None
    if any(narrower(facts) for narrower in _NARROWER):
        return None
    what = "sent a page for a browser" if page else "sent an answer that no API server would send"
    if redirect:
        what = f"sent the client on to {redact.url(response.headers.get('Location')) or 'another address'}"
    server = answer.server(facts)
    where = (f" at {server}" if server else "") + (f" ({who})" if (who := maker(facts)) else "")
    title = _TITLE.search(facts.text)
    seen = Evidence(title["title"].strip(), "response body, title of the page") if title else evidence.message(facts)
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.MIDDLEBOX,
        step=RULE.step,
        summary=f"Not the API server but something in its place answered{where}: it {what}.",
        evidence=(
            evidence.answer(facts),
            *((seen,) if seen.text else ()),
            *evidence.no_audit_id(facts),
            *evidence.response_header(facts, "Server"),
        ),
        fix=(
            Fix(
                "see what answers there:",
                commands=(f"curl -ki {shlex.quote(facts.exchange.request.url or 'https://HOST:PORT/version')}",),
            ),
            Fix("log in where the page asks for it, or correct the server in the kubeconfig"),
            *(
                (Fix("have the size limit for request bodies raised", by="whoever runs what is in front"),)
                if code == 413
                else ()
            ),
        ),
    )


def _not_an_api_server(facts: Facts) -> Finding:
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.MIDDLEBOX,
        step=RULE.step,
        summary="The answer was none that an API server gives: something else answered in its place.",
        evidence=evidence.refused(facts),
        fix=(Fix("see which server is asked, and what answers there:", commands=("kubectl config view --minify",)),),
    )


RULE = Rule(id="network-foreign-answer", category=Category.NETWORK, step=Step.TRANSMISSION, check=check)
