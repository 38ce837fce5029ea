"""The request arrived without credentials that count, so it was refused to system:anonymous.

What you see
    Error from server (Forbidden): pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group
    "" in the namespace "default"

Why it happens
    An API server that takes anonymous requests does not answer 401 when nothing was sent: it lets the request go on as
    system:anonymous, who may do almost nothing. So this 403 is about logging in, not about permissions. Ignored as if
    nothing had been sent: a user name and password, an empty token, a certificate without a common name.

What to do
    Give the kubeconfig's user a credential, or choose the context whose user has one. Never grant rights to
    system:anonymous to make it go away: everybody would have them.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.attributes import Attributes
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

ANONYMOUS = "system:anonymous"


def check(facts: Facts) -> Finding | None:
    """A 403 to system:anonymous that nobody impersonated."""
    asked = Attributes.of_refusal(answer.said(facts)) if answer.code(facts) == 403 else None
    if asked is None or asked.user != ANONYMOUS or facts.impersonation is not None:
        return None
    return finding(facts, _why(facts))


def finding(facts: Facts, why: Evidence) -> Finding:
    """The refusal, and ``why`` nobody was logged in, which what is known of the command may say better."""
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"T{answer.api_server(facts)[1:]} saw nobody logged in: {why.text}.",
        evidence=(*evidence.refused(facts), why, *evidence.identity(facts)),
        fix=(
            Fix(
                "see which user the context names, and whether that user has a credential:",
                commands=("kubectl config view --minify", "kubectl auth whoami"),
            ),
        ),
    )


def ignored(facts: Facts) -> bool:
    """Whether something was sent, and the server did not look at it."""
    return facts.credential is not None or facts.client_certificate is not None


def _why(facts: Facts) -> Evidence:
    certificate, token, warnings = facts.client_certificate, facts.credential, " ".join(facts.warnings)
    if "is ignored" in warnings and "Authorization" in warnings:
        return Evidence("the Authorization header is malformed and was ignored", "response header Warning")
    if token is not None and token.kind == "basic":
        return Evidence("a user name and password were sent, which API servers ignore", "request header Authorization")
    if token is not None and token.ignored:
        return Evidence("the Authorization header is no well-formed Bearer token", "request header Authorization")
    if certificate is not None and not certificate.subject_cn:
        return Evidence("the client certificate names no user (it has no CN)", "client certificate")
    if token is not None or certificate is not None:
        return Evidence("what was sent did not reach it", "request")
    if facts.exchange.request.scheme == "http":
        return Evidence("over plain http no client sends its credentials", "request")
    if facts.exchange.connection is None:
        why = "no credential counted (none was sent, or an empty token, or a user name and password)"
        return Evidence(why, "response body, message")
    return Evidence("no token and no client certificate was sent", "request headers, TLS handshake")


RULE = Rule(id="auth-anonymous", category=Category.AUTH, step=Step.AUTHENTICATION, check=check)
