"""The API server could not read or write its database.

What you see
    Error from server: etcdserver: request timed out
    Error from server (ServerTimeout): The create operation against pods could not be completed at this time, please try
    again.

Why it happens
    etcd has no leader, is slow (disk), is full (mvcc: database space exceeded), or cannot be reached. With etcd wholly
    gone, API servers mostly time out instead: see health-timeout.

What to do
    Try again once. If it stays, an administrator looks at etcd: its members, disk latency and space.

References
    - https://kubernetes.io/docs/tasks/administer-cluster/configure-upgrade-etcd/
    - https://etcd.io/docs/latest/op-guide/maintenance/#space-quota
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.rules import conflict_expired, health_webhook, request_too_large

if TYPE_CHECKING:
    from analyzers.facts import Facts

_ETCD = re.compile(r"etcdserver: (?P<said>[^\n\"]+)|rpc error: code = \w+ desc = (?P<rpc>[^\n]+)|mvcc: \S")
_SERVER_TIMEOUT = re.compile(r"The \S+ operation against \S+ could not be completed at this time")
_NARROWER = (conflict_expired.check, request_too_large.check)


def check(facts: Facts) -> Finding | None:
    """etcd's own words, or the API server's for a storage that timed out."""
    text = answer.said(facts)
    found = _ETCD.search(text)
    if answer.code(facts) < 429 or not (
        found or _SERVER_TIMEOUT.search(text) or answer.reason(facts) == "StorageReadError"
    ):
        return None
    if answer.from_policy(facts) or health_webhook.check(facts) or any(narrower(facts) for narrower in _NARROWER):
        return None
    said = (found["said"] or found["rpc"] or text) if found else "it did not answer in time"
    if answer.reason(facts) == "StorageReadError":
        said = "an object in it cannot be read"
    full = "database space exceeded" in text
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.ETCD,
        step=RULE.step,
        summary=f"The API server could not use its database, etcd: {said.strip().rstrip('.')}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("see what the API server says of etcd:", commands=("kubectl get --raw '/readyz?verbose'",)),
            Fix(
                "free space in etcd (compact, defragment, disarm the NOSPACE alarm)"
                if full
                else "look at etcd's members:",
                by="a cluster administrator",
                commands=(
                    "etcdctl endpoint status --cluster -w table",
                    "etcdctl alarm list" if full else "etcdctl endpoint health --cluster",
                ),
            ),
            *(() if full else (Fix("try again: a change of leader passes within seconds"),)),
        ),
    )


RULE = Rule(id="health-etcd", category=Category.HEALTH, step=Step.STORAGE, check=check)
