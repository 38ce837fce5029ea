"""The server speaks TLS, and was spoken to in plain HTTP.

What you see
    Error from server (BadRequest): the server rejected our request for an unknown reason
    Client sent an HTTP request to an HTTPS server.

Why it happens
    The kubeconfig's server begins with http://, or has no scheme at all, and the port is a TLS port.

What to do
    Write https:// in the kubeconfig's server.

References
    - https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TEXTS = ("Client sent an HTTP request to an HTTPS server", "The plain HTTP request was sent to HTTPS port")


def check(facts: Facts) -> Finding | None:
    """The words of Go's server and of nginx."""
    if answer.code(facts) < 400 or facts.status is not None or not any(text in facts.text for text in _TEXTS):
        return None
    server = answer.server(facts)
    subject = server or "The API server"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"{subject} speaks TLS, and the kubeconfig says http.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "write https:// into the cluster entry:",
                commands=(f"kubectl config set-cluster CLUSTER --server=https://{server or 'HOST:PORT'}",),
            ),
        ),
    )


RULE = Rule(id="network-https-expected", category=Category.NETWORK, step=Step.CONNECTION, check=check)
