"""Nobody answered the attempt to connect.

What you see
    Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout
    net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)
    connect ETIMEDOUT 10.0.0.1:6443

Why it happens
    The packets are dropped on the way: a firewall or security group, a private address asked for from outside its
    network, a VPN that is not connected, a machine that is gone.

What to do
    Try the port by hand; connect the VPN; have your address allowed.

References
    - https://kubernetes.io/docs/reference/networking/ports-and-protocols/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import connection_failed, place, try_port, waited
from analyzers.rules import network_dns

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TIMEOUT = re.compile(
    r"i/o timeout|timed out|deadline exceeded|waiting for connection|timeout|TimedOut|(?:properly|failed to) respond",
    re.IGNORECASE,
)


def check(facts: Facts) -> Finding | None:
    """A time-out while the TCP connection was being made."""
    failure, problem = facts.exchange.failure, connection_failed(facts)
    if failure is None or not (waited(facts) or (failure.phase == "dial" and _TIMEOUT.search(problem))):
        return None
    if network_dns.check(facts) is not None:
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"Nothing answered at {place(facts)} within the time for a connection.",
        evidence=(evidence.failure(facts),),
        fix=(
            Fix("try the port by hand:", commands=(try_port(facts),)),
            Fix("connect the VPN, or use the cluster's public address, if this one is private"),
            Fix(
                "have your address allowed in the firewall in front of the API server",
                by="your network's administrators",
            ),
        ),
    )


RULE = Rule(id="network-dial-timeout", category=Category.NETWORK, step=Step.CONNECTION, check=check)
