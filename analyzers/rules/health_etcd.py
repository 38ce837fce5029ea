"""The API server could not read or write its database.

What you see
    Error from server: etcdserver: request timed out
    Error from server (ServerTimeout): The create operation against pods could not be completed at this time, please try
    again.
    Error from server (InternalError): Internal error occurred: unable to transform key "/registry/secrets/prod/db": no
    matching prefix found

Why it happens
    etcd has no leader, is slow (disk), is full (mvcc: database space exceeded), does not know the API server's user, or
    cannot be reached. With etcd wholly gone, API servers mostly time out instead: see health-timeout. Or an object in
    etcd cannot be read: it is damaged, or was encrypted with a key that the API server no longer has.

What to do
    Try again once. If it stays, an administrator looks at etcd: its members, disk latency and space.

References
    - https://kubernetes.io/docs/tasks/administer-cluster/configure-upgrade-etcd/
    - https://etcd.io/docs/latest/op-guide/maintenance/#space-quota
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.rules import conflict_expired, health_webhook, request_too_large

if TYPE_CHECKING:
    from analyzers.facts import Facts

_ETCD = re.compile(
    r"etcdserver: (?P<said>[^\n\"]+)|rpc error: code = \w+ desc = (?!context canceled)(?P<rpc>[^\n]+)|mvcc: \S"
    r"|etcd cluster is unavailable|the given peers are not reachable|https?://[^\s\"]+:23(?:79|80)/"
)
_DAMAGED = re.compile(
    r"unable to (?:transform|decode) key|no matching prefix found|json parse error|couldn't get version/kind"
    r"|illegal base64 data|^proto: |Internal error occurred: (?:proto: |illegal |unexpected EOF)"
    r"|corrupt object, Code: 7|failed to read one or more \S+ from the storage|failed to decrypt|error decrypting"
)
_LOCKED = re.compile(
    r"user name is empty|permission denied|invalid auth token|authentication (?:failed|is not enabled)"
)
_SERVER_TIMEOUT = re.compile(r"The \S+ operation against \S+ could not be completed at this time")
_KEY = re.compile(r'(?:key|identifier:) "(?P<key>/[^"]*)"')
_NARROWER = (conflict_expired.check, request_too_large.check)


def check(facts: Facts) -> Finding | None:
    """etcd's own words, or the API server's for a storage that timed out."""
    text = answer.said(facts)
    found = _ETCD.search(text)
    damaged = answer.code(facts) == 500 and (
        answer.reason(facts) == "StorageReadError" or (facts.status is not None and bool(_DAMAGED.search(text)))
    )
    if answer.code(facts) < 429 or not (found or _SERVER_TIMEOUT.search(text) or damaged):
        return None
    if answer.from_policy(facts) or health_webhook.check(facts) or any(narrower(facts) for narrower in _NARROWER):
        return None
    said = (found["said"] or found["rpc"] or text) if found else "it did not answer in time"
    if damaged:
        return _unreadable(facts)
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
                _what_to_do(text),
                by="a cluster administrator",
                commands=(
                    "etcdctl endpoint status --cluster -w table",
                    "etcdctl alarm list" if full else "etcdctl endpoint health --cluster",
                ),
            ),
            *(() if full or _LOCKED.search(text) else (Fix("try again: a change of leader passes within seconds"),)),
        ),
    )


def _what_to_do(text: str) -> str:
    if "database space exceeded" in text:
        return "free space in etcd (compact, defragment, disarm the NOSPACE alarm)"
    if _LOCKED.search(text):
        return "give the API server a client certificate that etcd knows (--etcd-certfile); look at etcd's members:"
    return "look at etcd's members:"


def _unreadable(facts: Facts) -> Finding:
    """Nobody but an administrator can help, and a list fails because of a single object."""
    named = _KEY.search(answer.said(facts))
    causes = facts.status.causes if facts.status is not None else ()
    what = named["key"] if named else next((cause.field for cause in causes if cause.field.startswith("/")), "")
    key = shlex.quote(what or "/registry/TYPE/NAMESPACE/NAME")
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.ETCD,
        step=RULE.step,
        summary=f"An object in the API server's database, etcd, cannot be read{f': {what}' if what else ''}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "give the API servers back the key that it was encrypted with (--encryption-provider-config, the same "
                "for all of them), or restore it from a backup; its first bytes in etcd name the provider and the key:",
                by="a cluster administrator",
                commands=(f"etcdctl get {key} --print-value-only | head -c 80",),
            ),
            Fix(
                "if it cannot be saved, delete what cannot be read (Kubernetes 1.32 and later, with the feature gate "
                "AllowUnsafeMalformedObjectDeletion)",
                by="a cluster administrator",
            ),
        ),
    )


RULE = Rule(id="health-etcd", category=Category.HEALTH, step=Step.STORAGE, check=check)
