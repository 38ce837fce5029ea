"""The server's certificate is for other names than the one that was asked for.

What you see
    Unable to connect to the server: tls: failed to verify certificate: x509: certificate is valid for kubernetes,
    kubernetes.default, not cluster.example.com

Why it happens
    The kubeconfig reaches the API server by a name or address that its certificate does not list: a new load balancer
    or DNS name, a tunnel to localhost, a changed IP address. Or it is another server.

What to do
    Use one of the names that the certificate lists, say with tls-server-name which one to expect, or have the name
    added to the certificate.

References
    - https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/#Cluster
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import host, server
from analyzers.server_certificate import certificate_refused, openssl, shown

if TYPE_CHECKING:
    from analyzers.facts import Facts

_WRONG_NAME = re.compile(
    r"certificate is valid for (?P<names>.+), not (?P<wanted>\S+)"
    r"|cannot validate certificate for (?P<ip>\S+) because it doesn't contain any IP SANs"
    r"|certificate is not valid for any names, but wanted to match (?P<any>\S+)"
    r"|certificate is not valid for requested name|certificate name does not match input|hostname mismatch"
    r"|legacy Common Name field|does not match certificate's altnames|cert_altname_invalid|NotValidForName"
    r"|(?:hostname|IP address) (?:mismatch|'(?P<python>[^']*)' doesn't match)"
    r"|certificate is not valid for '(?P<for>[^']*)'"
    r"|No subject alternative (?:DNS )?name(?:s| matching (?:IP address )?(?P<java>\S+))"
    r"|No name matching (?P<cn>\S+) found|Hostname (?P<okhttp>\S+) not verified"
    r"|no alternative certificate subject name matches"
    r"|does not match target host name '(?P<curl>[^']*)'|certificate not valid for name",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"certificate is valid for (.+), not \S"
    r"|is not in the cert's (?:list|altnames): (.+)|doesn't match (?:either of )?('.+')"
)
_MARKS = re.compile(r"^(?:DNS|IP Address|IP):|'")


def check(facts: Facts) -> Finding | None:
    """Go's words for a certificate that is for somebody else."""
    found = _WRONG_NAME.search(certificate_refused(facts))
    if found is None:
        return None
    certificate = facts.server_certificate
    names = certificate.dns_names + certificate.ip_addresses if certificate is not None else ()
    if not names and (told := _LISTED.search(certificate_refused(facts))):
        names = tuple(_MARKS.sub("", one) for one in next(filter(None, told.groups())).split(", "))
    wanted = next((value for name, value in found.groupdict().items() if value and name != "names"), "")
    wanted = wanted or host(facts) or "the name that was asked for"
    listed = f"; it is for {_few(names)}" if names else ""
    if certificate is not None and not names:
        listed = "; it lists no names"
    instead = next((name for name in names if not name.startswith("*")), "")
    expect = Fix(
        "if this is the right server, say which of its names to expect:",
        commands=(f"kubectl config set-cluster CLUSTER --tls-server-name={shlex.quote(instead)}",),
    )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The certificate of {server(facts)} is not for {wanted}{listed}.",
        evidence=shown(facts),
        fix=(
            Fix(
                "use an address that the certificate lists:",
                commands=(openssl(facts, "-ext subjectAltName"),),
            ),
            *((expect,) if instead else ()),
            Fix(f"add {wanted} to the names of the API server's certificate", by="a cluster administrator"),
        ),
    )


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


RULE = Rule(id="auth-server-certificate-name", category=Category.AUTH, step=Step.CONNECTION, check=check)
