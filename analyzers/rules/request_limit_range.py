"""The namespace's LimitRange does not allow this size.

What you see
    Error from server (Forbidden): pods "web" is forbidden: maximum cpu usage per Container is 1, but limit is 2

Why it happens
    A LimitRange sets the smallest and largest size of single pods, containers or volume claims of the namespace,
    and how far limits may exceed requests. It says Forbidden, and has nothing to do with permissions.

What to do
    Change requests and limits so that they fit.

References
    - https://kubernetes.io/docs/concepts/policy/limit-range/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_LIMIT = re.compile(
    r"(?:minimum|maximum) \S{1,253} usage per \S{1,63} is [^,\]]+(?:, but [^,\]]+| ?\.[^,\]]*)?"
    r"|(?<!\S)\S+ max limit to request ratio per \S{1,63} is [^,\]]+(?:, but [^,\]]+)?"
)


def check(facts: Facts) -> Finding | None:
    """The words of the LimitRanger plugin."""
    if answer.code(facts) != 403 or answer.from_policy(facts):
        return None
    limits = tuple(found[0].strip().rstrip(".") for found in _LIMIT.finditer(answer.said(facts)))
    if not limits:
        return None
    scope = answer.scope(facts).split()
    namespace = answer.namespace(facts)
    what = answer.thing(facts).partition(" in namespace")[0]
    whose = f"namespace {namespace}" if namespace else "the namespace"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"The LimitRange of {whose} does not allow {what}: {'; '.join(limits[:3])}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("see which sizes are allowed:", commands=(shlex.join(["kubectl", "describe", "limitrange", *scope]),)),
            Fix("change requests and limits so that they fit"),
        ),
    )


RULE = Rule(id="request-limit-range", category=Category.REQUEST, step=Step.ADMISSION, check=check)
