"""The peer took the connection and then said nothing to the TLS handshake.

What you see
    Unable to connect to the server: net/http: TLS handshake timeout

Why it happens
    TCP reached something, and TLS did not: a firewall that inspects and drops, a tunnel or port-forward whose far
    end is dead, packets too large for the path (MTU, typical of VPNs), or a load balancer with nobody behind it.

What to do
    Try the handshake by hand; restart the tunnel; with a VPN, try a smaller MTU.

References
    - https://kubernetes.io/docs/tasks/debug/debug-cluster/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import connection_failed, handshake, server_first

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TIMEOUT = re.compile(r"timeout|timed out|deadline exceeded", re.IGNORECASE)


def check(facts: Facts) -> Finding | None:
    """Silence during the handshake, so before any request was sent."""
    failure, problem = facts.exchange.failure, connection_failed(facts)
    if failure is None or not (
        "TLS handshake timeout" in problem or (failure.phase == "tls" and _TIMEOUT.search(problem))
    ):
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"{server_first(facts)} took the connection and did not answer the TLS handshake.",
        evidence=(evidence.failure(facts),),
        fix=(
            Fix("try the handshake by hand:", commands=(handshake(facts),)),
            Fix("restart the tunnel, VPN or port-forward on the way, and try a smaller MTU if it hangs again"),
        ),
    )


RULE = Rule(id="network-tls-timeout", category=Category.NETWORK, step=Step.CONNECTION, check=check)
