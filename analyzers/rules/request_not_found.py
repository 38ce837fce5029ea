"""The object is not there.

What you see
    Error from server (NotFound): pods "web" not found

Why it happens
    The name is misspelled, the object lives in another namespace or cluster, or it was deleted. Having got this answer
    proves that the user may ask for it.

What to do
    List what is there, also in other namespaces, and see which context and namespace are in effect.

References
    - https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.attributes import thing as named_thing
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.rules import request_container, request_exec_target, request_namespace_missing, request_no_such_type

if TYPE_CHECKING:
    from analyzers.facts import Facts

_NARROWER = (
    request_container.check,
    request_exec_target.check,
    request_namespace_missing.check,
    request_no_such_type.check,
)
_WITHOUT_NAMESPACE = frozenset({"namespaces", "nodes", "persistentvolumes", "clusterroles", "clusterrolebindings",
                                "storageclasses", "customresourcedefinitions", "ingressclasses"})  # fmt: skip


def check(facts: Facts) -> Finding | None:
    """A 404 with the Status of an object."""
    status, info = facts.status, facts.request_info
    if status is None or answer.code(facts) != 404 or answer.from_policy(facts):
        return None
    if any(narrower(facts) for narrower in _NARROWER):
        return None
    kind = status.details.kind or (info.resource if info else "")
    group = status.details.group or (info.api_group if info and kind == info.resource else "")
    if not kind and (about := answer.subject(facts)) is not None:
        kind, group = about.resource, about.group
    name = status.name or answer.name(facts)
    namespace = answer.namespace(facts) if kind != "namespaces" else ""
    what = named_thing(group, kind, name, namespace) if kind else answer.thing(facts)
    typed = f"{kind}.{group}" if group else kind
    fixes = []
    if typed:
        scope = ["-n", namespace] if namespace else []
        if info is None and not namespace and kind not in _WITHOUT_NAMESPACE:
            scope = ["-A"]
        fixes.append(Fix("see what is there:", commands=(shlex.join(["kubectl", "get", typed, *scope]),)))
    if namespace and name:
        everywhere = ["kubectl", "get", typed, "-A", "--field-selector", f"metadata.name={name}"]
        fixes.append(Fix("look for it in the other namespaces:", commands=(shlex.join(everywhere),)))
    fixes.append(Fix("see which cluster and namespace the context means:", commands=("kubectl config view --minify",)))
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"There is no {what}." if kind else f"{what[:1].upper()}{what[1:]} was not found.",
        evidence=evidence.refused(facts),
        fix=tuple(fixes),
    )


RULE = Rule(id="request-not-found", category=Category.REQUEST, step=Step.STORAGE, check=check)
