"""Something on the way took the Upgrade header off, so exec, attach or port-forward cannot begin.

What you see
    error: unable to upgrade connection: Upgrade request required
    error: websocket: bad handshake

Why it happens
    exec, attach, cp and port-forward turn the HTTP connection into a stream by an Upgrade header. A gateway or load
    balancer that does not know this passes the request on without it, and the API server asks for it.

What to do
    Reach the API server around the gateway, or have it pass WebSocket upgrades.

References
    - https://kubernetes.io/docs/tasks/debug/debug-application/get-shell-running-container/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts


_NO_UPGRADE = re.compile(
    r"(?:unable to upgrade|error upgrading) connection: (?:Upgrade request required|websocket: bad handshake|\s*$)"
    r"|websocket: bad handshake(?! \((?:40[134]|429|50[034]))|unable to upgrade (?:connection|streaming request): <"
)


def check(facts: Facts) -> Finding | None:
    """The API server misses the header that the client did send, or the client misses it in the answer."""
    if _NO_UPGRADE.search(printed(facts)):
        return _finding("Something on the way did not let the connection be upgraded.", *evidence.refused(facts))
    upgrade = facts.exchange.request.headers.get("Upgrade")
    if answer.code(facts) != 400 or "Upgrade request required" not in answer.said(facts):
        return None
    if not facts.exchange.request.known:  # every client that prints this had sent one
        return _finding("Something on the way took the Upgrade header off the request.", *evidence.refused(facts))
    if not upgrade:
        return None
    return _finding(
        f"Something on the way took the Upgrade header off the request to {answer.thing(facts)}.",
        Evidence(f"Upgrade: {upgrade}", "request header"),
        *evidence.refused(facts),
    )


def _finding(summary: str, *seen: Evidence) -> Finding:
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.MIDDLEBOX,
        step=RULE.step,
        summary=summary,
        evidence=seen,
        fix=(
            Fix("reach the API server around the gateway or load balancer"),
            Fix("have it pass Connection: Upgrade for these paths", by="whoever runs what is in front"),
        ),
    )


RULE = Rule(id="network-upgrade-stripped", category=Category.NETWORK, step=Step.TRANSMISSION, check=check)
