"""There is no way to the API server's address from here.

What you see
    Unable to connect to the server: dial tcp 10.0.0.1:6443: connect: no route to host

Why it happens
    A router or this machine's own kernel says that the address cannot be reached: no network, no route, the VPN is not
    connected, the machine is switched off, or a local firewall forbids the connection.

What to do
    Check the network and the VPN, then the address in the kubeconfig.

References
    - https://kubernetes.io/docs/reference/networking/ports-and-protocols/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import connection_failed, server, try_port
from analyzers.rules import (
    auth_no_kubeconfig,
    network_dial_timeout,
    network_dns,
    network_refused,
)

if TYPE_CHECKING:
    from analyzers.facts import Facts

_NO_WAY = re.compile(
    r"no route to host|network is unreachable|host is (?:down|unreachable)|network is down|EHOSTUNREACH|ENETUNREACH",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(r"permission denied|operation not permitted")
_NARROWER = (
    auth_no_kubeconfig.check,
    network_dial_timeout.check,
    network_dns.check,
    network_refused.check,
)


def check(facts: Facts) -> Finding | None:
    """Any failed TCP connection that was neither refused nor timed out."""
    failure, problem = facts.exchange.failure, connection_failed(facts)
    if failure is None or not (_NO_WAY.search(problem) or (problem and failure.phase == "dial")):
        return None
    if any(narrower(facts) for narrower in _NARROWER):
        return None
    if _FORBIDDEN.search(problem):
        summary = f"This machine does not allow a connection to {server(facts)}."
    elif _NO_WAY.search(problem):
        summary = f"There is no way from here to {server(facts)}."
    else:
        summary = f"No connection to {server(facts)} could be made."
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=summary,
        evidence=(evidence.failure(facts),),
        fix=(
            Fix("check the network and the VPN, then try the port by hand:", commands=(try_port(facts),)),
            Fix("see whether this is the server that you mean:", commands=("kubectl config view --minify",)),
        ),
    )


RULE = Rule(id="network-unreachable", category=Category.NETWORK, step=Step.CONNECTION, check=check)
