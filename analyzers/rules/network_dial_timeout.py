"""Nobody answered the attempt to connect.

What you see
    Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout

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

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import connection_failed, try_port

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TIMEOUT = re.compile(r"i/o timeout|timed out|deadline exceeded|waiting for connection|timeout", re.IGNORECASE)


def check(facts: Facts) -> Finding | None:
    """A time-out while the TCP connection was being made."""
    failure = facts.exchange.failure
    if failure is None or failure.phase != "dial" or not _TIMEOUT.search(connection_failed(facts)):
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"Nothing answered at {answer.server(facts)} within the time for a connection.",
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
