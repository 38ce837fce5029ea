"""The object or request is larger than the cluster takes.

What you see
    Error from server (RequestEntityTooLarge): Request entity too large: limit is 3145728
    Error from server: etcdserver: request is too large
    The ConfigMap "big" is invalid: []: Too long: may not be more than 1048576 bytes

Why it happens
    The API server reads at most 3 MiB, and etcd keeps objects of about 1.5 MiB. Client-side apply doubles an object,
    because it keeps a copy in an annotation.

What to do
    Split the object, keep large data elsewhere, or use server-side apply, which keeps no copy.

References
    - https://kubernetes.io/docs/concepts/configuration/configmap/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_ETCD = re.compile(r"etcdserver: request is too large|trying to send message larger than max")


def check(facts: Facts) -> Finding | None:
    """413 from an API server, and etcd's words for the same."""
    code = answer.code(facts)
    etcd = code >= 400 and bool(_ETCD.search(answer.said(facts)))
    own = code == 413 and not answer.foreign(facts) and not answer.html(facts) and not facts.exchange.tunnel
    if not (etcd or own) or answer.from_policy(facts):
        return None
    size = facts.exchange.request.body_bytes
    about = f" for {answer.thing(facts)}" if facts.exchange.request.known else ""
    many = "maximum operations in a JSON patch" in answer.said(facts)
    who = "etcd" if etcd else "the API server"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.ETCD if etcd else Hop.API_SERVER,
        step=Step.STORAGE if etcd else RULE.step,
        summary=f"What was sent{about} {'has more operations' if many else 'is larger'} than {who} takes.",
        evidence=(
            *evidence.refused(facts),
            *((Evidence(f"{size} bytes were sent", "request body"),) if size else ()),
        ),
        fix=(Fix("send the patch in several parts, or as a merge patch or an apply"),)
        if many
        else (
            Fix("split the object, or keep large data elsewhere and mount it"),
            Fix("use kubectl apply --server-side, or create: they keep no second copy in an annotation"),
        ),
    )


RULE = Rule(id="request-too-large", category=Category.REQUEST, step=Step.REQUEST, check=check)
