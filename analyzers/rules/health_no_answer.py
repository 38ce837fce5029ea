"""The API server took the request and stayed silent.

What you see
    Unable to connect to the server: context deadline exceeded (Client.Timeout exceeded while awaiting headers)
    Unable to connect to the server: net/http: request canceled (Client.Timeout exceeded while awaiting headers)

Why it happens
    TCP and TLS were fine and the certificate was right, so it is the API server (or the load balancer in front) that
    does not answer: overloaded, out of memory, waiting for etcd, or waiting for a webhook. Or --request-timeout was
    too short for a large list.

What to do
    Try a cheap request (/readyz). If that answers, the one that hung is expensive: ask for less, or wait longer.

References
    - https://kubernetes.io/docs/reference/using-api/health-checks/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import silent

if TYPE_CHECKING:
    from analyzers.facts import Facts


def check(facts: Facts) -> Finding | None:
    """Silence after the request was sent over TLS that was checked; without, see network-no-answer."""
    if not silent(facts) or not answer.trusted_tls(facts):
        return None
    at = f" at {answer.server(facts)}" if answer.server(facts) else ""
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"The API server{at} took the request and did not answer in time.",
        evidence=(evidence.failure(facts), *evidence.asked(facts)),
        fix=(
            Fix("see whether it answers a cheap request:", commands=("kubectl get --raw '/readyz?verbose'",)),
            Fix("ask for less (one namespace, --chunk-size) or wait longer (--request-timeout)"),
            Fix("look at the API server's memory, and at etcd", by="a cluster administrator"),
        ),
    )


RULE = Rule(id="health-no-answer", category=Category.HEALTH, step=Step.PROCESSING, check=check)
