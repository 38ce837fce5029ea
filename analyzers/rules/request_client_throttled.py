"""The client made itself wait: it may send only so many requests a second.

What you see
    client rate limiter Wait returned an error: context deadline exceeded
    Waited for 1.19s due to client-side throttling, not priority and fairness, request: GET:https://10.0.0.1:6443/…

Why it happens
    client-go holds requests back after a burst (5 a second and 10 at once unless the program says otherwise; 50 and
    300 for kubectl's discovery). Clusters with many CustomResourceDefinitions, cold discovery caches and busy
    controllers get there. The API server has not seen these requests yet.

What to do
    Use a newer client, keep the discovery cache, ask for less at once; raise QPS and burst in a program of your own.

References
    - https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import own_words
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_GAVE_UP = re.compile(r"client rate limiter Wait returned an error|rate: Wait\(n=\d+\) (?:would exceed|exceeds)")
_WAITED = re.compile(
    r"due to client-side throttling|client-side throttling, not priority and fairness|Throttling request took"
)


def check(facts: Facts) -> Finding | None:
    """client-go's rate limiter: it ran out of time, or says how long it waited."""
    text = own_words(facts)
    gave_up = _GAVE_UP.search(text)
    if gave_up is None and not _WAITED.search(text):
        return None
    summary = "The client held the request back by its own rate limit"
    summary += " until its time ran out; nothing was sent." if gave_up else "; the API server is not the cause."
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=summary,
        evidence=evidence.own_words(facts),
        fix=(
            Fix("use a current kubectl or helm, whose limits are higher, and keep ~/.kube/cache writable"),
            Fix("ask for less at once, or give it more time (--request-timeout, --timeout)"),
            Fix("raise QPS and Burst of its rest.Config", by="whoever develops the program"),
        ),
    )


RULE = Rule(id="request-client-throttled", category=Category.REQUEST, step=Step.TRANSMISSION, check=check)
