"""The request names a resourceVersion that this API server has not seen yet.

What you see
    Error from server (Timeout): Timeout: Too large resource version: 99999999, current: 48211

Why it happens
    Another API server of the cluster is ahead of this one for a moment; or the version comes from another cluster, or
    from before etcd was restored from a backup.

What to do
    Try again once. If it stays, forget the version: list again without resourceVersion.

References
    - https://kubernetes.io/docs/reference/using-api/api-concepts/#unavailable-resource-versions
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TEXT = re.compile(r"Too large resource version: (?P<wanted>\d+), current: (?P<current>\d+)", re.IGNORECASE)


def check(facts: Facts) -> Finding | None:
    """The cause ResourceVersionTooLarge, or its words, whatever the code."""
    status = facts.status
    if status is None or answer.code(facts) < 400 or answer.from_policy(facts):
        return None
    found = _TEXT.search(status.message)
    if found is None and not any(cause.reason == "ResourceVersionTooLarge" for cause in status.causes):
        return None
    numbers = f": {found['wanted']}, and the latest it has is {found['current']}" if found else ""
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"The request names a resourceVersion that this API server has not seen{numbers}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("try again once, in case this API server lags behind another"),
            Fix("leave out resourceVersion, if it comes from another cluster or from before a backup was restored"),
        ),
    )


RULE = Rule(id="conflict-future-version", category=Category.CONFLICT, step=Step.STORAGE, check=check)
