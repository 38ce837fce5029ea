"""What client and server make of the server's certificate, on the way from the client to the API server only.

The same words about a webhook's certificate arrive inside an answer and are another matter (health).
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Evidence

if TYPE_CHECKING:
    from analyzers.facts import Facts

_CERTIFICATE = re.compile(r"\bx509: |failed to verify certificate|certificate verify failed|certificate is not trusted")


def certificate_refused(facts: Facts) -> str:
    """The words with which the client refused the server's certificate; "" when it did not."""
    failure = facts.exchange.failure
    if failure is None or failure.phase == "mitmkube" or not _CERTIFICATE.search(failure.message):
        return ""
    return failure.message


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
    request = facts.exchange.request
    target = shlex.quote(request.path if facts.exchange.tunnel else request.authority)
    return f"openssl s_client -connect {target} </dev/null 2>/dev/null | openssl x509 -noout {wanted}"
