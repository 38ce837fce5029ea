"""The API server does not accept the client certificate, although its dates are right.

What you see
    error: You must be logged in to the server (Unauthorized)

Why it happens
    The certificate was signed by a CA that this API server does not trust for clients: it belongs to another cluster,
    or the cluster's CA was replaced. Less often the certificate is not meant for clients (no clientAuth usage). The
    API server says why only in its own log.

What to do
    Compare the certificate's issuer with the cluster you are talking to. Fetch the kubeconfig again from the cluster.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import answer, evidence, login
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.unauthorized import unauthorized

if TYPE_CHECKING:
    from analyzers.facts import Facts


def check(facts: Facts) -> Finding | None:
    """A 401 to a certificate within its dates. A token sent beside it was refused too, and has its own rule."""
    certificate, now = facts.client_certificate, evidence.server_time(facts)
    if not unauthorized(facts) or certificate is None:
        return None
    if now is not None and not certificate.not_before <= now <= certificate.not_after:
        return None
    again = login.again(login.Hints.of(facts))
    issuer = certificate.issuer_cn or "a CA without a name"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"T{answer.api_server(facts)[1:]} does not accept the client certificate of "
        f"{certificate.subject_cn or 'the user'}, signed by {issuer}.",
        evidence=(evidence.answer(facts), evidence.client_certificate(certificate)),
        fix=(
            *((again,) if again else ()),
            Fix(
                "see whether context, cluster and user of the kubeconfig belong together:",
                commands=("kubectl config view --minify",),
            ),
            Fix(f"get a certificate signed by the CA that this cluster trusts for clients, if that is not {issuer}"),
            Fix(
                "read the reason in the API server's log, at: Unable to authenticate the request",
                by="a cluster administrator",
            ),
        ),
    )


RULE = Rule(id="auth-certificate-rejected", category=Category.AUTH, step=Step.AUTHENTICATION, check=check)
