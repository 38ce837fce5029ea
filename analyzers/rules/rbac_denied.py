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
from typing import TYPE_CHECKING

from analyzers import evidence, rbac_grant
from analyzers.attributes import Attributes
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.refusal import asked_of_authorizer
from analyzers.rules import auth_anonymous, rbac_dangling_role, rbac_impersonation, rbac_node_authorizer

if TYPE_CHECKING:
    from analyzers.facts import Facts

_CLOUD_PERMISSION = re.compile(r"requires one of \[(?P<permissions>[^\]]+)\] permission|Azure|\bIAM\b")
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
        evidence=(*evidence.refused(facts), *_known_by(facts, asked)),
        fix=_fixes(asked),
    )


def _known_by(facts: Facts, asked: Attributes) -> tuple[Evidence, ...]:
    impersonation = facts.impersonation
    if impersonation is not None:
        return (Evidence(f"asked in the name of {asked.user}", "request header Impersonate-User"),)
    return evidence.identity(facts)


def _fixes(asked: Attributes) -> tuple[Fix, ...]:
    found: list[Fix] = []
    if cloud := _CLOUD_PERMISSION.search(asked.reason):
        needed = f" ({cloud['permissions']})" if cloud["permissions"] else ""
        found.append(
            Fix(f"grant the permission in the cloud's own access management{needed}, or", by="a cloud administrator")
        )
    found.append(rbac_grant.fix(asked))
    if not asked.namespace and asked.namespaced and asked.verb in ("list", "watch"):
        found.append(Fix("if one namespace is enough, ask for that one with -n NAMESPACE"))
    found.append(rbac_grant.check(asked))
    return tuple(found)


RULE = Rule(id="rbac-denied", category=Category.RBAC, step=Step.AUTHORIZATION, check=check)
