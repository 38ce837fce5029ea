"""The API server's name could not be looked up.

What you see
    Unable to connect to the server: dial tcp: lookup cluster.example.com on 10.0.0.53:53: no such host
    [Errno -3] Temporary failure in name resolution
    getaddrinfo ENOTFOUND cluster.example.com

Why it happens
    The name is misspelled, the cluster was deleted, the name is known only inside a network or VPN that you are not in,
    or the DNS server does not answer.

What to do
    Look the name up by hand; connect the VPN; correct the server in the kubeconfig.

References
    - https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import address, connection_failed, host

if TYPE_CHECKING:
    from analyzers.facts import Facts

_LOOKUP = re.compile(
    r"\blookup (?P<host>\S+?)(?: on \S+)?: |no such host|server misbehaving|Name or service not known"
    r"|name resolution|getaddrinfo|nodename nor servname|Could not resolve host|UnknownHostException"
    r"|failed to lookup address information|No address associated with hostname|NameResolutionError"
)
_NO_ANSWER = re.compile(
    r"misbehaving|[Tt]emporary failure|timeout|timed out|refused|EAI_AGAIN|unreachable|no route|gave up"
)
_NO_SUCH = re.compile(r"no such host|not known|NXDOMAIN|ENOTFOUND|No address associated")


def check(facts: Facts) -> Finding | None:
    """A failed name lookup on the way to the API server."""
    failure, problem = facts.exchange.failure, connection_failed(facts)
    found = _LOOKUP.search(problem)
    if failure is None or not (found or (problem and failure.phase == "dns")):
        return None
    name = (found["host"] if found else "") or host(facts) or address(facts)
    unknown = bool(_NO_SUCH.search(problem))
    what = "is not known to DNS" if unknown else "could not be looked up"
    if not unknown and _NO_ANSWER.search(problem):
        what += ", because DNS did not give an answer"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The name {name} {what}." if name else f"The API server's name {what}.",
        evidence=(evidence.failure(facts),),
        fix=(
            Fix("look the name up by hand:", commands=(f"nslookup {shlex.quote(name or 'NAME')}",)),
            Fix("connect the VPN if the name is known only there; correct the server in the kubeconfig if it is wrong"),
        ),
    )


RULE = Rule(id="network-dns", category=Category.NETWORK, step=Step.CONNECTION, check=check)
