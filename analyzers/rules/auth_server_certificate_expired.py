"""The server's certificate has expired or is not yet valid.

What you see
    Unable to connect to the server: tls: failed to verify certificate: x509: certificate has expired or is not yet
    valid: current time 2026-11-22T12:00:00Z is after 2026-11-01T00:00:00Z

Why it happens
    Nobody renewed the API server's certificate (kubeadm's live for a year), or this machine's clock is wrong.

What to do
    Check your clock first, then have the certificate renewed on the control plane.

References
    - https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import server
from analyzers.server_certificate import certificate_refused, openssl, shown

if TYPE_CHECKING:
    from analyzers.facts import Facts


_EXPIRED = re.compile(r"expired|NotAfter: ", re.IGNORECASE)
_NOT_YET = re.compile(r"not ?yet ?valid|NotBefore: ", re.IGNORECASE)


def check(facts: Facts) -> Finding | None:
    """Go's and OpenSSL's words for a certificate outside its validity."""
    problem = certificate_refused(facts)
    if not _EXPIRED.search(problem) and not _NOT_YET.search(problem):
        return None
    certificate = facts.server_certificate
    if "is before" in problem or not _EXPIRED.search(problem):
        what = "is not yet valid"
        if certificate is not None:
            what = f"is valid only from {evidence.moment(certificate.not_before)}"
    else:
        what = "has expired"
        started = facts.exchange.timing.started
        if certificate is not None and (not started or certificate.not_after < started):
            what = f"expired on {evidence.moment(certificate.not_after)}"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The certificate of {server(facts)} {what}.",
        evidence=shown(facts),
        fix=(
            Fix(
                "compare your clock with the dates of the certificate:", commands=("date -u", openssl(facts, "-dates"))
            ),
            Fix(
                "renew the API server's certificate; on a kubeadm cluster:",
                by="a cluster administrator",
                commands=("kubeadm certs check-expiration", "kubeadm certs renew apiserver"),
            ),
        ),
    )


RULE = Rule(id="auth-server-certificate-expired", category=Category.AUTH, step=Step.CONNECTION, check=check)
