"""The API server knows the user, and the user lacks a permission.

What you see
    Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the
    namespace "prod"

Why it happens
    No Role or ClusterRole bound to the user, to one of the user's groups or to the service account allows this verb on
    this resource (or path) in this place. RBAC only ever allows; there is nothing to find that denies.

What to do
    An administrator grants it, or you ask for less: in one namespace instead of all, or as another user.
    A subresource (pods/log, pods/exec, deployments/scale) needs a grant of its own, and so does a path.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/rbac/
    - https://kubernetes.io/docs/reference/access-authn-authz/authorization/
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from analyzers import evidence, rbac_grant
from analyzers.attributes import Attributes
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.refusal import asked_of_authorizer
from analyzers.rules import auth_anonymous, rbac_dangling_role, rbac_impersonation, rbac_node_authorizer

if TYPE_CHECKING:
    from analyzers.facts import Facts

_CLOUD_PERMISSION = re.compile(
    r"requires one of \[(?P<permissions>[^\]]+)\] permission|Required (?P<permission>\"[^\"]+\") permission"
    r"|Azure|\bIAM\b"
)
_UPGRADES = frozenset({"exec", "attach", "portforward"})
_BOTH_VERBS = "grant exactly that (a WebSocket needs get, and create from Kubernetes 1.35 on; SPDY needs create):"
_NARROWER = (auth_anonymous.check, rbac_dangling_role.check, rbac_impersonation.check, rbac_node_authorizer.check)


def check(facts: Facts) -> Finding | None:
    """The authorizer's refusal of a user who is known, for want of a permission."""
    asked = asked_of_authorizer(facts)
    if asked is None or any(narrower(facts) for narrower in _NARROWER):
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{asked.user or 'The user'} may not {asked.phrase}.",
        evidence=(*evidence.refused(facts), *evidence.identity(facts)),
        fix=_fixes(facts, asked),
    )


def _fixes(facts: Facts, asked: Attributes) -> tuple[Fix, ...]:
    found: list[Fix] = []
    if cloud := _CLOUD_PERMISSION.search(asked.reason):
        permissions = (cloud["permissions"] or cloud["permission"] or "").replace('"', "")
        needed = f" ({permissions})" if permissions else ""
        found.append(
            Fix(f"grant the permission in the cloud's own access management{needed}", by="a cloud administrator")
        )
    upgrade = asked.subresource in _UPGRADES and asked.verb in ("get", "create")
    found.append(rbac_grant.fix(asked, _BOTH_VERBS if upgrade else ""))
    if not asked.namespace and asked.namespaced and asked.verb in ("list", "watch"):
        found.append(Fix("if one namespace is enough, ask for that one with -n NAMESPACE"))
    found.append(_check(facts, asked))
    return tuple(found)


def _check(facts: Facts, asked: Attributes) -> Fix:
    """The question again, as whom the request was made: it is not the one who runs kubectl that was refused."""
    check, acting = rbac_grant.check(asked), facts.impersonation
    if acting is None or not acting.user:
        return check
    whose = shlex.join([f"--as={acting.user}", *(f"--as-group={group}" for group in acting.groups)])
    return replace(check, commands=tuple(f"{command} {whose}" for command in check.commands))


RULE = Rule(id="rbac-denied", category=Category.RBAC, step=Step.AUTHORIZATION, check=check)
