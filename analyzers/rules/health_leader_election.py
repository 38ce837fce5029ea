"""A controller lost its leadership, because it could not renew its lease in time.

What you see
    failed to renew lease kube-system/my-controller: timed out waiting for the condition
    "Failed to renew lease" lock="kube-system/kube-scheduler" err="timed out waiting for the condition"
    problem running manager: leader election lost

Why it happens
    A leader writes its lease every few seconds and ends itself when it cannot for some ten seconds. If no other reason
    is logged before, the API server or etcd was too slow or away for that long; restarts of the control plane, slow
    disks of etcd and starved control plane nodes do that. A refusal or a broken connection would stand in the lines
    before as "error retrieving resource lock", and is the cause then.

What to do
    Look at the lines before this one, then at the API server's and etcd's latency at that time.

References
    - https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import own_words
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_LOST = re.compile(
    r"failed (?:election )?to renew (?:lease|leadership on lease) \"?(?P<lease>[\w.-]+(?:/[\w.-]+)?)"
    r"|failed to renew lease"
    r"|leader ?election lost(?!/stopped)|lost (?:master|leader) ?(?:lease|election)|failed to renew lock",
    re.IGNORECASE,
)
_KEY = re.compile(r"\block=\"?(?P<lock>[\w./-]+)|\blease=\"?(?P<lease>[\w./-]+)")
_CAUSE = re.compile(
    r"error (?:retrieving|initially creating|updating) (?:resource lock|leader election)|Failed to update lock"
)


def check(facts: Facts) -> Finding | None:
    """client-go's leader election and controller-runtime's manager, where they show no other cause than time."""
    text = own_words(facts)
    found = _LOST.search(text)
    if found is None or _CAUSE.search(text):
        return None
    key = _KEY.search(text)
    lease = found["lease"] or (next(filter(None, key.groups()), "") if key is not None else "")
    namespace, slash, name = lease.rpartition("/")
    get = ["kubectl", "get", "lease", name or "NAME", "-n", namespace if slash else "NAMESPACE", "-o", "yaml"]
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"The controller could not renew its lease{f' {lease}' if lease else ''} in time and gave up its "
        "leadership; the API server or etcd was slow or away.",
        evidence=evidence.own_words(facts),
        fix=(
            Fix("look for a refusal or a lost connection in the lines before this one"),
            Fix("see who holds the lease now, and since when:", commands=(shlex.join(get),)),
            Fix(
                "look at the API server's and etcd's latency at that time:",
                by="a cluster administrator",
                commands=("kubectl get --raw '/readyz?verbose'",),
            ),
        ),
    )


RULE = Rule(id="health-leader-election", category=Category.HEALTH, step=Step.STORAGE, check=check)
