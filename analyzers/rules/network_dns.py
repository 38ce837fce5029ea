"""The API server's name could not be looked up.

What you see
    Unable to connect to the server: dial tcp: lookup cluster.example.com on 10.0.0.53:53: no such host

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

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import connection_failed
from analyzers.rules import network_proxy_refused

if TYPE_CHECKING:
    from analyzers.facts import Facts

_LOOKUP = re.compile(
    r"\blookup (?P<host>\S+?)(?: on \S+)?: |no such host|server misbehaving|Name or service not known"
    r"|name resolution|getaddrinfo|nodename nor servname"
)
_NO_SUCH = re.compile(r"no such host|not known|NXDOMAIN")


def check(facts: Facts) -> Finding | None:
    """A failed name lookup on the way to the API server."""
    failure, problem = facts.exchange.failure, connection_failed(facts)
    found = _LOOKUP.search(problem)
    if failure is None or not (found or (problem and failure.phase == "dns")) or network_proxy_refused.check(facts):
        return None
    request = facts.exchange.request
    host = request.path.rpartition(":")[0] if facts.exchange.tunnel else request.host
    host = (found["host"] if found else "") or host or answer.server(facts)
    unknown = bool(_NO_SUCH.search(problem))
    what = "is not known to DNS" if unknown else "could not be looked up, because DNS did not give an answer"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The name {host} {what}.",
        evidence=(evidence.failure(facts),),
        fix=(
            Fix("look the name up by hand:", commands=(f"nslookup {shlex.quote(host)}",)),
            Fix("connect the VPN if the name is known only there; correct the server in the kubeconfig if it is wrong"),
        ),
    )


RULE = Rule(id="network-dns", category=Category.NETWORK, step=Step.CONNECTION, check=check)
