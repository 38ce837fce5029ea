"""The namespace's Pod Security level does not allow this pod.

What you see
    Error from server (Forbidden): pods "web" is forbidden: violates PodSecurity "restricted:latest":
    allowPrivilegeEscalation != false (container "web" must set securityContext.allowPrivilegeEscalation=false), …

Why it happens
    The label pod-security.kubernetes.io/enforce of the namespace names a level (baseline or restricted) that pods must
    keep to. It says Forbidden, and has nothing to do with permissions.

What to do
    Set what the message asks for in the pod's securityContext, or run the pod in a namespace with a lower level.

References
    - https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_VIOLATES = re.compile(r'\bviolates PodSecurity "(?P<level>[^":]*):(?P<version>[^"]*)": (?P<checks>.*)', re.DOTALL)
_CHECK = re.compile(r"(?P<check>[^(,]{1,200}?) \((?P<detail>(?:[^()]|\([^()]*\))*)\)")


def check(facts: Facts) -> Finding | None:
    """The words of the PodSecurity plugin, where it enforces."""
    found = (
        _VIOLATES.search(answer.said(facts)) if answer.code(facts) == 403 and not answer.from_policy(facts) else None
    )
    if found is None:
        return None
    namespace = answer.namespace(facts)
    whose = f"Namespace {namespace}" if namespace else "The namespace"
    checks = tuple(_CHECK.finditer(found["checks"]))
    names = ", ".join(part["check"].strip() for part in checks) or found["checks"]
    label = f"kubectl get namespace {namespace or 'NAMESPACE'} -o jsonpath='{{.metadata.labels}}'"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{whose} enforces Pod Security level {found['level']}, and "
        f"{answer.thing(facts).partition(' in namespace')[0]} breaks it: {names}.",
        evidence=(
            evidence.answer(facts),
            *(
                Evidence(f"{part['check'].strip()} ({part['detail']})", evidence.message_place(facts))
                for part in checks
            ),
            *(() if checks else (evidence.message(facts),)),
        ),
        fix=(
            Fix("set what is asked for in the securityContext of pod and containers"),
            Fix("see which level the namespace enforces:", commands=(label,)),
            Fix("lower the level of the namespace, if the pod must be as it is", by="a cluster administrator"),
        ),
    )


RULE = Rule(id="request-pod-security", category=Category.REQUEST, step=Step.ADMISSION, check=check)
