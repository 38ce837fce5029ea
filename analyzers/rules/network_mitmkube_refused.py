"""mitmkube itself did not let the request through.

What you see
    Unable to connect to the server: mitmkube: …

Why it happens
    mitmkube connects only to the servers of the kubeconfig that it was started with, asks every client for its
    password, and cannot use a cluster entry whose CA file it cannot read. Category network, because to the user it is
    a proxy in the way; the cluster is not at fault.

What to do
    Start mitmkube again with the kubeconfig that names this server, or with --allow-host if it is none and the command
    needs it: a server to log in at, say.

References
    - https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#proxy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.rules import auth_ca_unusable, auth_key_not_available

if TYPE_CHECKING:
    from analyzers.facts import Facts

_NARROWER = (auth_ca_unusable.check, auth_key_not_available.check)


def check(facts: Facts) -> Finding | None:
    """A refusal of mitmkube's own that is not about the client's certificate."""
    failure = facts.exchange.failure
    if failure is None or failure.phase != "mitmkube" or any(rule(facts) for rule in _NARROWER):
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.MITMKUBE,
        step=RULE.step,
        summary=f"mitmkube itself did not pass the request on to {answer.server(facts) or 'the API server'}.",
        evidence=(evidence.failure(facts),),
        fix=(
            Fix("start mitmkube again with the kubeconfig that names this server"),
            Fix("let it through with --allow-host, if it is no API server and the command needs it"),
            Fix("run the command without mitmkube to see whether it works then"),
        ),
    )


RULE = Rule(id="network-mitmkube-refused", category=Category.NETWORK, step=Step.CONNECTION, check=check)
