"""The namespace's quota is used up, or asks for what the object does not say.

What you see
    Error from server (Forbidden): pods "web" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=10,
    limited: pods=10
    Error from server (Forbidden): pods "web" is forbidden: failed quota: compute: must specify limits.cpu

Why it happens
    A ResourceQuota limits what all objects of the namespace may use together. It says Forbidden, and has nothing to do
    with permissions. A quota on cpu or memory also demands that every container states its requests or limits.

What to do
    Use less, remove what is no longer needed, state the requests and limits, or have the quota raised.

References
    - https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_QUOTA = re.compile(
    r"exceeded quota: (?P<exceeded>[^,\n]+), requested: (?P<requested>.*?), "
    r"used: (?P<used>.*?), limited: (?P<limited>.*)"
    r"|failed quota: (?P<failed>[^:\n]+): must specify (?P<missing>.*)"
    r"|status unknown for quota: (?P<unknown>[^,\n]+)|insufficient quota to consume: (?P<consume>.*)"
    r"|quota usage is negative"
)


def check(facts: Facts) -> Finding | None:
    """The words of the quota plugin."""
    found = _QUOTA.search(answer.said(facts)) if answer.code(facts) == 403 and not answer.from_policy(facts) else None
    if found is None:
        return None
    info = facts.request_info
    namespace = info.namespace if info is not None else ""
    where = f" of namespace {namespace}" if namespace else ""
    what = answer.thing(facts)
    quota = found["exceeded"] or found["failed"] or found["unknown"] or ""
    if found["exceeded"]:
        summary = (
            f"Quota {quota}{where} is used up: {found['requested']} was asked for, "
            f"{found['used']} is in use, {found['limited']} is the limit."
        )
    elif found["failed"]:
        summary = f"Quota {quota}{where} wants {what} to state {found['missing'].rstrip('.')}."
    elif found["unknown"]:
        summary = f"Quota {quota}{where} has not been counted yet, so nothing can be made that it limits."
    elif found["consume"]:
        summary = f"No quota{where} allows {found['consume']}, which {what} asks for."
    else:
        summary = f"{what} asks for a negative amount of what a quota{where} limits."
    describe = ["kubectl", "describe", "resourcequota", *([quota] if quota else []), *answer.scope(facts).split()]
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=summary,
        evidence=evidence.refused(facts),
        fix=(
            Fix("see what is used and what is allowed:", commands=(shlex.join(describe),)),
            Fix(
                "state requests and limits for every container"
                if found["failed"]
                else "use less, or delete what is not needed"
            ),
            Fix("raise the quota", by="an administrator of the cluster's quotas"),
        ),
    )


RULE = Rule(id="request-quota", category=Category.REQUEST, step=Step.ADMISSION, check=check)
