"""The client certificate is outside its validity, so the API server refuses to know the user.

What you see
    error: You must be logged in to the server (Unauthorized)

Why it happens
    A client certificate is valid between two moments. The API server lets the TLS handshake pass, checks the
    certificate afterwards and answers 401 without saying why. Compared here: the certificate that the client
    presented, and the server's own clock (its Date header).

What to do
    Get a new certificate from whoever issues yours. On a kubeadm cluster an administrator renews it. If the dates are
    right, one of the two clocks is wrong.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates
    - https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import clocks, evidence, login
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.unauthorized import unauthorized

if TYPE_CHECKING:
    from analyzers.facts import Facts


def check(facts: Facts) -> Finding | None:
    """A 401 to a certificate whose time has passed, or has not come."""
    certificate, now = facts.client_certificate, evidence.server_time(facts)
    if not unauthorized(facts) or certificate is None or now is None:
        return None
    if certificate.not_before <= now <= certificate.not_after or clocks.to_blame(facts):
        return None
    again = login.again(login.Hints.of(facts))
    if now > certificate.not_after:
        when = f"expired on {evidence.moment(certificate.not_after)}"
    else:
        when = f"is not valid before {evidence.moment(certificate.not_before)}"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The client certificate of {certificate.subject_cn or 'the user'} {when}.",
        evidence=(
            evidence.answer(facts),
            evidence.client_certificate(certificate),
            Evidence(f"the server's clock says {evidence.moment(now)}", "response header Date"),
        ),
        fix=(
            *((again,) if again else ()),
            Fix("get a new certificate from whoever issued this one, and put it into the kubeconfig"),
            Fix(
                "on a kubeadm cluster, see and renew what has expired:",
                by="a cluster administrator",
                commands=("kubeadm certs check-expiration", "kubeadm certs renew all"),
            ),
        ),
    )


RULE = Rule(id="auth-certificate-expired", category=Category.AUTH, step=Step.AUTHENTICATION, check=check)
