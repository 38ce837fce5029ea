"""The request was sent to a peer that nobody had vouched for, and no answer came.

What you see
    Unable to connect to the server: context deadline exceeded (Client.Timeout exceeded while awaiting headers)

Why it happens
    The peer accepted the connection and stayed silent. Its certificate was not checked, or there was no TLS, so it may
    be anything: a dead tunnel, a captive portal, a firewall that swallows the request.

What to do
    Find out what answers at this address; then try again with TLS that is checked.

References
    - https://kubernetes.io/docs/tasks/debug/debug-cluster/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import server_first, silent, try_port

if TYPE_CHECKING:
    from analyzers.facts import Facts


def check(facts: Facts) -> Finding | None:
    """Silence after the request, from a peer without trusted TLS; with it, see health-no-answer."""
    if not silent(facts) or answer.trusted_tls(facts):
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"{server_first(facts)} took the request and sent no answer; who it is was not checked.",
        evidence=(evidence.failure(facts), *evidence.asked(facts)),
        fix=(
            Fix("see what listens there:", commands=(try_port(facts),)),
            Fix("restart the tunnel or port-forward on the way"),
        ),
    )


RULE = Rule(id="network-no-answer", category=Category.NETWORK, step=Step.TRANSMISSION, check=check)
