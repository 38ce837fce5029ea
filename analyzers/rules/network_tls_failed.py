"""The TLS handshake broke, and not over a certificate.

What you see
    Unable to connect to the server: EOF
    Unable to connect to the server: remote error: tls: handshake failure

Why it happens
    The peer closed or reset the connection during the handshake: a load balancer without a healthy server behind it, a
    firewall that looks at the server name, a tunnel whose far end is closed. Or the two sides share no TLS version.

What to do
    Try the handshake by hand and from another network, and look at the load balancer in front of the API server.

References
    - https://kubernetes.io/docs/tasks/debug/debug-cluster/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import connection_failed, handshake, server_first
from analyzers.rules import (
    auth_ca_unusable,
    auth_client_certificate_alert,
    auth_server_certificate_untrusted,
    network_not_tls,
    network_tls_timeout,
)
from analyzers.server_certificate import certificate_refused

if TYPE_CHECKING:
    from analyzers.facts import Facts

_NARROWER = (
    auth_ca_unusable.check,
    auth_client_certificate_alert.check,
    auth_server_certificate_untrusted.check,
    network_not_tls.check,
    network_tls_timeout.check,
)


def check(facts: Facts) -> Finding | None:
    """Any failed handshake that no other rule explains."""
    failure, problem = facts.exchange.failure, connection_failed(facts)
    if (
        failure is None
        or not (failure.phase == "tls" or "remote error: tls: " in problem)
        or certificate_refused(facts)
    ):
        return None
    if not problem or any(narrower(facts) for narrower in _NARROWER):
        return None
    closed = "EOF" in problem or "reset" in problem
    how = "closed the connection during" if closed else "did not finish"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"{server_first(facts)} {how} the TLS handshake.",
        evidence=(evidence.failure(facts),),
        fix=(
            Fix("try the handshake by hand, also from another network:", commands=(handshake(facts),)),
            Fix(
                "see whether a load balancer in front has a healthy API server behind it", by="a cluster administrator"
            ),
        ),
    )


RULE = Rule(id="network-tls-failed", category=Category.NETWORK, step=Step.CONNECTION, check=check)
