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

import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.attributes import thing as named_thing
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts


def check(facts: Facts) -> Finding | None:
    """A 409 with reason AlreadyExists, generated names included."""
    status, info = facts.status, facts.request_info
    if answer.code(facts) != 409 or answer.reason(facts) != "AlreadyExists" or answer.from_policy(facts):
        return None
    if status is None or "StorageError" in status.message:
        return None
    kind = status.details.kind or (info.resource if info else "")
    what = named_thing(status.details.group, kind, status.name, info.namespace if info else "")
    typed = f"{kind}.{status.details.group}" if status.details.group else kind
    get = shlex.join(["kubectl", "get", typed, status.name, *answer.scope(facts).split()])
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
        summary = f"The API server made up a name that is taken ({status.name}), several times over."
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
