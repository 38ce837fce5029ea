"""Admission refused the request, and it was no missing permission.

What you see
    Error from server (Forbidden): pods "web" is forbidden: error looking up service account prod/runner: serviceaccount
    "runner" not found
    Error from server (Forbidden): namespaces "kube-system" is forbidden: this namespace may not be deleted

Why it happens
    403 is also what admission plugins answer: a service account or priority class that does not exist, a namespace that
    may not be deleted, what a node may not change, a volume that cannot grow. The authorizer had allowed the request;
    its refusals read: User … cannot ….

What to do
    The message says what is wrong with the object.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.refusal import asked_of_authorizer
from analyzers.rules import (
    conflict_namespace_terminating,
    health_starting,
    network_foreign_answer,
    rbac_escalation,
    rbac_exec_create,
    rbac_forbidden,
    rbac_kubelet_forbidden,
    rbac_path_filter,
    request_disruption_budget,
    request_limit_range,
    request_permission_check,
    request_pod_security,
    request_policy_denied,
    request_quota,
    request_webhook_denied,
)

if TYPE_CHECKING:
    from analyzers.facts import Facts

_NARROWER = (
    conflict_namespace_terminating.check,
    health_starting.check,
    network_foreign_answer.check,
    request_permission_check.check,
    rbac_escalation.check,
    rbac_exec_create.check,
    rbac_forbidden.check,
    rbac_kubelet_forbidden.check,
    rbac_path_filter.check,
    request_disruption_budget.check,
    request_limit_range.check,
    request_pod_security.check,
    request_policy_denied.check,
    request_quota.check,
    request_webhook_denied.check,
)
_WHY = re.compile(r"(?:^|: )(?:[^:\s]+(?: \"(?:[^\"\\]|\\.)*\")? is forbidden|forbidden): (?P<why>.*)", re.DOTALL)
_VERBS = {"create": "create", "update": "change", "patch": "change", "delete": "delete", "deletecollection": "delete"}
_ADMINISTRATOR = "a cluster administrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A refusal that has its own way out. ``commands`` may use the groups of ``text`` and {name} and {scope}."""

    text: str
    fix: str
    by: str = "you"
    commands: tuple[str, ...] = ()


_KNOWN = (
    _Known(
        text=r"error looking up service account (?P<namespace>[^/\s]+)/(?P<account>[^:\s]+)",
        fix="make the service account, or name another one in spec.serviceAccountName:",
        commands=("kubectl create serviceaccount {account} -n {namespace}",),
    ),
    _Known(
        text=r"no PriorityClass with name (?P<priority>\S+) was found",
        fix="name a priority class that exists, or have this one made:",
        commands=("kubectl get priorityclasses",),
    ),
    _Known(
        text=r"the (?:integer value of priority|string value of PreemptionPolicy) \S+ must not be provided",
        fix="leave out spec.priority and spec.preemptionPolicy, and name a priorityClassName instead",
    ),
    _Known(
        text=r'RuntimeClass "(?P<runtime>[^"]*)" not found',
        fix="name a runtime class that exists, or have this one made:",
        commands=("kubectl get runtimeclasses",),
    ),
    _Known(
        text=r'node "[^"]*" is not allowed to|can only (?:create|access|delete|update) (?:pods|mirror pods|node|CSINode'
        r"|ResourceSlice|tokens|a node CSR)|spec\.nodeName set to itself",
        fix="use your own identity; this one is a node's, and a node may only change what is its own",
    ),
    _Known(
        text=r"only dynamically provisioned pvc can be resized",
        fix="make a new claim that is large enough and copy the data; or see which storage classes let claims grow:",
        commands=("kubectl get storageclasses -o custom-columns=NAME:.metadata.name,GROW:.allowVolumeExpansion",),
    ),
    _Known(
        text=r"Only bound persistent volume claims can be expanded",
        fix="wait until the claim is bound, then make it larger:",
        commands=("kubectl get persistentvolumeclaim {name}{scope}",),
    ),
    _Known(
        text=r"signer with system:masters group is not allowed",
        fix="ask for a certificate of another group, and bind that group to cluster-admin",
    ),
    _Known(
        text=r"this namespace may not be deleted",
        fix="leave it: default, kube-system and kube-public always stay. Delete what is in it instead",
    ),
    _Known(
        text=r"while custom resource definition is terminating",
        fix="wait until the type is gone, then install it again; what is left of it may wait for a finalizer:",
        commands=("kubectl get {typed}{everywhere}",),
    ),
    _Known(
        text=r"unable to validate against any security context constraint",
        fix="ask for less in the securityContext of pod and containers, or have a security context constraint granted "
        "to the pod's service account:",
        by=_ADMINISTRATOR,
        commands=("oc adm policy add-scc-to-user SCC -z SERVICEACCOUNT{scope}",),
    ),
    _Known(
        text=r"PodSecurityPolicy: unable to admit pod|no providers available to validate pod",
        fix="see which policies there are, and have one granted (verb use) to the pod's service account:",
        by=_ADMINISTRATOR,
        commands=("kubectl get podsecuritypolicies",),
    ),
    _Known(
        text=r"system priority class|can only be used by system pods|with \S+ priorityClass is not permitted",
        fix="name another priority class: this one is kept for the system's own pods",
    ),
    _Known(
        text=r"node label selector conflicts with its (?:namespace|project) node label selector",
        fix="leave out the labels of spec.nodeSelector that the namespace sets otherwise:",
        commands=("kubectl get namespace {namespaced} -o jsonpath='{{.metadata.annotations}}'",),
    ),
    _Known(
        text=r"image policy webhook|rejected by webhook backend",
        fix="use images that the image policy allows",
    ),
)


def check(facts: Facts) -> Finding | None:
    """Every other 403 with a Status that does not say User … cannot …"""
    if answer.code(facts) != 403 or facts.status is None or facts.exchange.tunnel:
        return None
    if asked_of_authorizer(facts) is not None or any(narrower(facts) for narrower in _NARROWER):
        return None
    text = " ".join(facts.status.message.split())
    found = _WHY.search(text)
    why = (found["why"] if found else text).rstrip(". ")
    info = facts.request_info
    verb = _VERBS.get(info.verb, "") if info is not None else ""
    what = f"to {verb} {answer.thing(facts)}" if verb else answer.thing(facts)
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"Admission refused {what}{f': {why}' if 0 < len(why) <= 200 else ''}.",
        evidence=evidence.refused(facts),
        fix=(_way_out(facts, text),),
    )


def _way_out(facts: Facts, text: str) -> Fix:
    for known in _KNOWN:
        if found := re.search(known.text, text):
            parts = {
                "name": shlex.quote(answer.name(facts) or "NAME"),
                "scope": answer.scope(facts),
                "typed": answer.typed(facts) or "TYPE",
                "everywhere": " -A" if answer.namespace(facts) or facts.request_info is None else "",
                "namespaced": answer.namespace(facts) or "NAMESPACE",
                **{key: shlex.quote(value or "") for key, value in found.groupdict().items()},
            }
            return Fix(known.fix, by=known.by, commands=tuple(line.format(**parts) for line in known.commands))
    return Fix("change what the message names; no role or binding would help")


RULE = Rule(id="request-admission-denied", category=Category.REQUEST, step=Step.ADMISSION, check=check)
