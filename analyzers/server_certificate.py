"""What client and server make of the server's certificate, on the way from the client to the API server only.

The same words about a webhook's certificate arrive inside an answer and are another matter (health).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Evidence
from analyzers.reaching import certificate_of, connection_failed

if TYPE_CHECKING:
    from analyzers.facts import Facts

# Go; OpenSSL as Python, Node and curl say it; Java; .NET; Rust.
_CERTIFICATE = re.compile(
    r"\bx509: |failed to verify certificate|certificate[ _]verify[ _]failed|certificate is not trusted"
    r"|SSL certificate problem|self[- _]signed[ _]certificate"
    r"|unable to (?:verify the first|get local issuer) certificate"
    r"|unable to verify the legitimacy of the server|unable_to_verify_leaf_signature|depth_zero_self_signed_cert"
    r"|PKIX path|CertPathValidatorException|CertificateExpiredException|CertificateNotYetValidException"
    r"|No subject alternative (?:DNS )?name|No name matching \S+ found|Hostname \S+ (?:\([^)]*\) )?not verified"
    r"|no alternative certificate subject name matches|does not match target host name"
    r"|does not match certificate's altnames|cert_altname_invalid|cert_has_expired"
    r"|hostname '[^']*' doesn't match|certificate is not valid for '"
    r"|invalid peer certificate|The remote certificate is invalid|certificate has expired",
    re.IGNORECASE,
)


def certificate_refused(facts: Facts) -> str:
    """The words with which the client refused the server's certificate; "" when it did not."""
    problem = connection_failed(facts)
    return problem if _CERTIFICATE.search(problem) else ""


def shown(facts: Facts) -> tuple[Evidence, ...]:
    """The failure, and the certificate where it was seen."""
    certificate = facts.server_certificate
    if certificate is None:
        return (evidence.failure(facts),)
    names = ", ".join((*certificate.dns_names, *certificate.ip_addresses)) or "no names"
    return (
        evidence.failure(facts),
        Evidence(
            f"CN={certificate.subject_cn}, for {names}, signed by {certificate.issuer_cn or 'an unnamed CA'}, "
            f"valid {evidence.day(certificate.not_before)} to {evidence.day(certificate.not_after)}",
            "server certificate",
        ),
    )


def openssl(facts: Facts, wanted: str) -> str:
    """A command that shows the certificate from here; ``wanted``: options of openssl x509."""
    return certificate_of(facts, wanted)
