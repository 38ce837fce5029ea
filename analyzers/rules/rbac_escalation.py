"""A role or binding would have given away more than its author has.

What you see
    Error from server (Forbidden): roles.rbac.authorization.k8s.io "secret-reader" is forbidden: user "jane"
    (groups=["dev"]) is attempting to grant RBAC permissions not currently held: …

Why it happens
    Whoever writes a Role or ClusterRole must hold every permission in it, or the verb escalate; whoever writes a
    binding must hold every permission of the role, or the verb bind on it. Being allowed to write such objects is not
    enough.

What to do
    Leave out what you do not hold, or have the object written by somebody who holds it.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_HELD = re.compile(
    r'user "(?P<user>(?:[^"\\]|\\.)*)".{0,2000}? is attempting to grant '
    r"RBAC permissions not currently held:?"
    r"(?P<rules>.*)",
    re.DOTALL,
)
_OTHER = re.compile(
    r"must have cluster-admin privileges to use the aggregationRule|(?:attempt to|cannot) grant extra privileges"
)
_MOST = 5
_RULE_LINE = re.compile(r"\{.*\}")

_AGGREGATION = (
    Fix("leave out aggregationRule and write the rules themselves"),
    Fix("write it in their place: it takes every verb on every resource", by="a cluster administrator"),
)


def check(facts: Facts) -> Finding | None:
    """The refusal of the rbac resources' own storage, after authorization and mutating admission."""
    text = answer.said(facts)
    found = _HELD.search(text)
    if answer.code(facts) != 403 or (found is None and not _OTHER.search(text)):
        return None
    info = facts.request_info
    what = answer.thing(facts)
    binding = answer.typed(facts).partition(".")[0].endswith(("bindings", "binding"))
    user = (found["user"] if found else "") or answer.who(facts)
    if found is None and "aggregationRule" in text:
        why = "only a cluster administrator may write an aggregationRule"
    elif binding:
        why = "the role bound there grants permissions that they do not hold themselves"
    else:
        why = "it grants permissions that they do not hold themselves"
    missing = tuple(
        Evidence(line, evidence.message_place(facts)) for line in _RULE_LINE.findall(found["rules"] if found else "")
    )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{user} may not {info.verb if info else 'write'} {what}: {why}.",
        evidence=(evidence.answer(facts), *(_few(missing) or (evidence.message(facts),))),
        fix=_AGGREGATION
        if found is None and "aggregationRule" in text
        else (
            Fix(
                "leave out the permissions listed above, or see what you hold:",
                commands=(shlex.join(["kubectl", "auth", "can-i", "--list", *answer.scope(facts).split()]),),
            ),
            Fix(
                "write the object in their place, or grant them the verb " + ("bind" if binding else "escalate"),
                by="somebody who holds them all",
            ),
        ),
    )


def _few(missing: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    if len(missing) <= _MOST:
        return missing
    return (*missing[:_MOST], Evidence(f"and {len(missing) - _MOST} more rules", "response body, message"))


RULE = Rule(id="rbac-escalation", category=Category.RBAC, step=Step.STORAGE, check=check)
