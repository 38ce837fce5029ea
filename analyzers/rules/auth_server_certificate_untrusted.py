"""The server's certificate was signed by a CA that the kubeconfig does not trust.

What you see
    Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority

Why it happens
    The kubeconfig's certificate-authority is another cluster's, or from before the cluster was rebuilt; there is none
    and the system's roots do not know this cluster's CA; or something between (a corporate proxy that opens TLS)
    shows a certificate of its own.

What to do
    Look at who signed the certificate that was shown. If it is your cluster's CA, put that CA into the
    kubeconfig. If it is a stranger's, find out who is in the way before anything is sent to it.

References
    - https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import server
from analyzers.rules import auth_server_certificate_expired, auth_server_certificate_name
from analyzers.server_certificate import certificate_refused, openssl, shown

if TYPE_CHECKING:
    from analyzers.facts import Facts

_UNKNOWN_AUTHORITY = re.compile(
    r"unknown ?(?:authority|issuer)|certificate is not trusted|self.signed|unable to get local issuer|PKIX path"
    r"|unable to verify the first certificate|untrusted",
    re.IGNORECASE,
)
# A server's own log: the alert is the client's.
_BY_A_SERVER = re.compile(
    r"TLS handshake error from (?P<client>\S+): remote error: tls: (?:bad|unknown|expired) certificate(?: authority)?"
)
_NARROWER = (auth_server_certificate_expired.check, auth_server_certificate_name.check)


def check(facts: Facts) -> Finding | None:
    """Any x509 failure on the way to the API server that is about neither dates nor names."""
    failure = facts.exchange.failure
    told = _BY_A_SERVER.search(failure.message) if failure is not None else None
    if failure is not None and told is not None:
        return _finding(
            facts,
            f"The client at {told['client']} does not trust the certificate of the server that logged this.",
            Evidence(" ".join(failure.message.split())[:600], "log of the server"),
        )
    problem = certificate_refused(facts)
    if not problem or any(narrower(facts) for narrower in _NARROWER):
        return None
    at = server(facts)
    if _UNKNOWN_AUTHORITY.search(problem):
        signer = facts.server_certificate.issuer_cn if facts.server_certificate is not None else ""
        by = f"signed by {signer}, which" if signer else "signed by a CA that"
        who = "kubeconfig" if facts.exchange.request.known else "client"
        summary = f"The certificate of {at} is {by} the {who} does not trust."
    else:
        summary = f"The certificate of {at} could not be verified."
    return _finding(facts, summary, *shown(facts))


def _finding(facts: Facts, summary: str, *seen: Evidence) -> Finding:
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=summary,
        evidence=seen,
        fix=(
            Fix("see who signed the certificate that is shown:", commands=(openssl(facts, "-issuer -subject"),)),
            Fix(
                "if that is your cluster's CA, get its certificate from the cluster and name it in the kubeconfig "
                "(certificate-authority or certificate-authority-data of the cluster entry)"
            ),
            Fix("if it is not, ask your network's administrators what opens TLS between you and the cluster"),
        ),
    )


RULE = Rule(id="auth-server-certificate-untrusted", category=Category.AUTH, step=Step.CONNECTION, check=check)
