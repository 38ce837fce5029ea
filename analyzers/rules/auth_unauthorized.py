"""401 where neither a certificate nor a bearer token explains it.

What you see
    error: You must be logged in to the server (Unauthorized)
    error: You must be logged in to the server (the server has asked for the client to provide credentials)

Why it happens
    Nothing that an API server understands was sent, and it takes no anonymous requests; or a user name and password
    were sent, which no API server accepts any more; or it was not the API server that refused but something in front
    of it, or the kubelet behind it.

What to do
    Look at which credential the kubeconfig's user has, and at who answered.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.unauthorized import from_kubelet

if TYPE_CHECKING:
    from analyzers.facts import Facts

_SEE_KUBECONFIG = Fix("see which credential the kubeconfig's user has:", commands=("kubectl config view --minify",))


def check(facts: Facts) -> Finding | None:
    """A 401 from the kubelet, from something in front, or to no credential that counts."""
    if answer.code(facts) != 401 or answer.from_policy(facts) or answer.html(facts) or facts.exchange.tunnel:
        return None
    if from_kubelet(facts):
        return _finding(
            facts,
            Hop.KUBELET,
            "The kubelet does not accept the API server's own client certificate.",
            Fix(
                "see --kubelet-client-certificate of the API server and the kubelet's client CA",
                by="a cluster administrator",
            ),
        )
    if answer.foreign(facts):
        return _finding(
            facts,
            Hop.MIDDLEBOX,
            f"Something in front of {answer.api_server(facts)} asks for a login of its own.",
            Fix("log in to the gateway or load balancer in front of the API server, or use the cluster's own address"),
            *evidence.no_audit_id(facts),
            *evidence.response_header(facts, "WWW-Authenticate"),
        )
    token = facts.credential
    if facts.client_certificate is not None or (token is not None and not token.ignored):
        return None
    if token is not None:
        summary = "The API server does not accept a user name and password; none has since Kubernetes 1.19."
        if token.kind != "basic":
            summary = "The Authorization header that was sent is no well-formed Bearer token, so it was ignored."
    elif facts.exchange.connection is None:
        summary = f"T{answer.api_server(facts)[1:]} does not accept the credentials that were sent."
    else:
        summary = f"No credentials were sent, and {answer.api_server(facts)} asks for them."
    return _finding(facts, Hop.CLIENT, summary, _SEE_KUBECONFIG, *evidence.identity(facts))


def _finding(facts: Facts, hop: Hop, summary: str, fix: Fix, *more: Evidence) -> Finding:
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=hop,
        step=RULE.step,
        summary=summary,
        evidence=(evidence.answer(facts), *more),
        fix=(fix,),
    )


RULE = Rule(id="auth-unauthorized", category=Category.AUTH, step=Step.AUTHENTICATION, check=check)
