"""The API server is being stopped.

What you see
    Error from server (ServiceUnavailable): apiserver is shutting down

Why it happens
    The API server was told to end (an upgrade, a changed manifest, a node that is drained) and takes no new
    requests. It turned this one away before it looked at who asked.

What to do
    Try again in a few seconds. With several API servers a load balancer should have stopped sending requests here.

References
    - https://kubernetes.io/docs/reference/using-api/health-checks/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TEXT = re.compile(r"\bapiserver is shutting down", re.IGNORECASE)


def check(facts: Facts) -> Finding | None:
    """429 or 503 with the API server's own words."""
    if answer.code(facts) not in (429, 503) or not _TEXT.search(answer.said(facts)):
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"T{answer.api_server(facts)[1:]} is shutting down and takes no new requests.",
        evidence=(*evidence.refused(facts), *evidence.response_header(facts, "Retry-After")),
        fix=(
            Fix("try again in a few seconds"),
            Fix(
                "if it does not come back, see why it was stopped, on a control plane node:",
                by="a cluster administrator",
                commands=("crictl ps -a --name kube-apiserver",),
            ),
        ),
    )


RULE = Rule(id="health-shutting-down", category=Category.HEALTH, step=Step.TRANSMISSION, check=check)
