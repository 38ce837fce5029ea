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
    namespace = answer.namespace(facts)
    where = f" of namespace {namespace}" if namespace else ""
    what = answer.thing(facts)
    quota = found["exceeded"] or found["failed"] or found["unknown"] or ""
    if found["exceeded"]:
        summary = _exceeded(f"Quota {quota}{where}", found)
    elif found["failed"]:
        summary = (
            f"Quota {quota}{where} wants {what.partition(' in namespace')[0]} to state {_missing(found['missing'])}."
        )
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
            _way_out(found),
            Fix(
                "raise the quota" if not found["consume"] else "make a quota that allows it",
                by="a cluster administrator",
            ),
        ),
    )


def _exceeded(quota: str, found: re.Match[str]) -> str:
    """Only what does not fit is worth a word; the message lists it with what is used and allowed."""
    asked, used, limit = (_amounts(found[part]) for part in ("requested", "used", "limited"))
    if not asked or set(asked) - set(used) or set(asked) - set(limit):
        return (
            f"{quota} is used up: {found['requested']} was asked for, {found['used']} of {found['limited']} is in use."
        )
    if all(limit[what] == "0" for what in asked):
        return f"{quota} allows no {' and no '.join(asked)} at all."
    parts = (f"{used[what]} of {limit[what]} {what} are in use, and {asked[what]} more was asked for" for what in asked)
    return f"{quota} is used up: {'; '.join(parts)}."


def _amounts(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.strip().rstrip(".").split(","))
    return {what.strip(): amount.strip() for what, mark, amount in pairs if mark}


def _missing(text: str) -> str:
    """``limits.cpu for: c`` as ``limits.cpu for container c``."""
    return re.sub(r"\s+for: (\S+)", lambda found: f" for container {found[1]}", text.rstrip("."))


def _way_out(found: re.Match[str]) -> Fix:
    if found["failed"]:
        return Fix("state requests and limits for every container")
    if found["unknown"]:
        return Fix("try again in a few seconds; if it lasts, the controller manager does not run")
    if found["consume"]:
        return Fix("ask for another class of storage, priority or device, which needs no quota")
    return Fix("use less, or delete what is not needed")


RULE = Rule(id="request-quota", category=Category.REQUEST, step=Step.ADMISSION, check=check)
