"""The API server runs, and is not ready yet.

What you see
    Error from server (ServiceUnavailable): the request has been made before all known HTTP paths have been installed,
    please try again
    Error from server (TooManyRequests): storage is (re)initializing
    Error from server (Forbidden): pods "web" is forbidden: not yet ready to handle request

Why it happens
    It was started a moment ago: paths, caches or admission plugins are still being filled. If it lasts, etcd is slow or
    gone.

What to do
    Try again in a few seconds; if it lasts, look at the health checks.

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

_TEXT = re.compile(
    r"before all known HTTP paths have been installed|storage is \(re\)initializing|not yet ready to handle request"
)


def check(facts: Facts) -> Finding | None:
    """The words of an API server that is still filling its caches, whatever the code."""
    if answer.code(facts) < 400 or answer.from_policy(facts) or not (found := _TEXT.search(answer.said(facts))):
        return None
    plugin = "not yet ready" in found[0]
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=Step.ADMISSION if plugin else Step.STORAGE if "storage" in found[0] else RULE.step,
        summary=f"T{answer.api_server(facts)[1:]} is not ready yet.",
        evidence=(*evidence.refused(facts), *evidence.response_header(facts, "Retry-After")),
        fix=(
            Fix("try again in a few seconds; if it lasts, see which check fails:",
                commands=("kubectl get --raw '/readyz?verbose'",)),
        ),
    )  # fmt: skip


RULE = Rule(id="health-starting", category=Category.HEALTH, step=Step.PROCESSING, check=check)
