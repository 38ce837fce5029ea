"""An object of this name is there already.

What you see
    Error from server (AlreadyExists): configmaps "settings" already exists

Why it happens
    kubectl create makes new objects only. The name is taken, perhaps by an object that is still being deleted, or by an
    earlier attempt that succeeded although its answer was lost.

What to do
    Use kubectl apply to change what is there, choose another name, or delete the old object first.

References
    - https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.attributes import thing as named_thing
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*" already exists')


def check(facts: Facts) -> Finding | None:
    """A 409 with reason AlreadyExists, generated names included."""
    status, info = facts.status, facts.request_info
    if answer.code(facts) != 409 or status is None or answer.from_policy(facts):
        return None
    if answer.reason(facts) != "AlreadyExists" and not (answer.reason(facts) == "" and _TEXT.search(status.message)):
        return None
    if "StorageError" in status.message:
        return None
    about = answer.subject(facts)
    kind = status.details.kind or (info.resource if info else "")
    group = status.details.group
    if not kind and about is not None:
        kind, group = about.resource or about.kind, about.group
    what = named_thing(group, kind, status.name or answer.name(facts), answer.namespace(facts))
    what = what.partition(" in all namespaces")[0] if kind else "an object of that name"
    typed = f"{kind}.{group}" if group else kind
    name = status.name or answer.name(facts)
    get = shlex.join(["kubectl", "get", typed or "TYPE", name or "NAME", *answer.scope(facts).split()])
    deleting = "object is being deleted" in status.message
    generated = "was not able to generate a unique name" in status.message
    summary = f"The name is taken: {what} exists already."
    fixes = [
        Fix("see what is there, and since when:", commands=(get,)),
        Fix("use kubectl apply to change it, or choose another name"),
    ]
    if deleting:
        summary = f"The name is taken: {what} is still being deleted."
        fixes = [
            Fix("wait until it is gone:", commands=(get.replace("kubectl get", "kubectl wait --for=delete", 1),)),
            Fix("see which finalizers hold it:", commands=(get + " -o jsonpath='{.metadata.finalizers}'",)),
        ]
    if generated:
        summary = f"The API server made up a name that is taken ({name}), several times over."
        fixes = [Fix("try again, or choose another generateName")]
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=summary,
        evidence=evidence.refused(facts),
        fix=tuple(fixes),
    )


RULE = Rule(id="conflict-exists", category=Category.CONFLICT, step=Step.STORAGE, check=check)
