"""The server ended the TLS handshake because of the client's certificate, or for want of one.

What you see
    Unable to connect to the server: remote error: tls: certificate required

Why it happens
    An API server never refuses a client certificate during the handshake; it answers 401 later. So a gateway, load
    balancer or service mesh in front of it asks for certificates itself, and did not like this one, or got none.

What to do
    Find out which certificate the gateway wants, and put it into the kubeconfig's user.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import connection_failed, server_first

if TYPE_CHECKING:
    from analyzers.facts import Facts

_ALERT = re.compile(
    r"remote error: tls: (?P<alert>(?:bad|unsupported|expired|revoked|unknown) certificate(?: authority)?"
    r"|certificate required|access denied|error decrypting message)"
    r"|alert[ _:]+(?:bad[ _]certificate|unsupported[ _]certificate|certificate[ _](?:revoked|expired|unknown)"
    r"|unknown[ _]ca|access[ _]denied|(?P<required>certificate[ _]required))",
    re.IGNORECASE,
)


def check(facts: Facts) -> Finding | None:
    """One of TLS's alerts about certificates, sent by the other side."""
    found = _ALERT.search(connection_failed(facts))
    if found is None:
        return None
    certificate = facts.client_certificate
    if certificate is not None:
        what = f"refuses the client certificate of {certificate.subject_cn or 'the user'}"
    else:
        what = (
            "asks for a client certificate"
            if found["alert"] == "certificate required" or found["required"]
            else "refuses the client certificate"
        )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.MIDDLEBOX,
        step=RULE.step,
        summary=f"{server_first(facts)} {what} during the TLS handshake.",
        evidence=(evidence.failure(facts), *evidence.identity(facts)),
        fix=(
            Fix(
                "see whether the kubeconfig's user has a client certificate, and the right one:",
                commands=("kubectl config view --minify",),
            ),
            Fix("find out which client certificates the server in front accepts", by="whoever runs the gateway"),
        ),
    )


RULE = Rule(id="auth-client-certificate-alert", category=Category.AUTH, step=Step.CONNECTION, check=check)
