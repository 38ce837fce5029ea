"""A role is bound that does not exist, so its rules could not be read.

What you see
    Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the
    namespace "prod": RBAC: role.rbac.authorization.k8s.io "reader" not found

Why it happens
    A RoleBinding or ClusterRoleBinding for this user points at a Role or ClusterRole that was deleted, never made, or
    lies in another namespace. A RoleBinding finds a Role only in its own namespace.

What to do
    Create the role, or bind the one that exists. A binding's roleRef cannot be changed: delete the binding and make it
    again.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/rbac/#rolebinding-and-clusterrolebinding
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import evidence, rbac_grant
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.refusal import asked_of_authorizer

if TYPE_CHECKING:
    from analyzers.facts import Facts

_MISSING = re.compile(
    r'\b(?P<kind>clusterrole|role)(?:\.rbac\.authorization\.k8s\.io)? \\?"(?P<name>[^"\\]+)\\?" not found'
)


def check(facts: Facts) -> Finding | None:
    """A refusal whose reason names roles that were not found."""
    asked = asked_of_authorizer(facts)
    missing = tuple(_MISSING.finditer(asked.reason)) if asked is not None else ()
    if asked is None or not missing:
        return None
    within = f" in namespace {asked.namespace}" if asked.namespace else ""
    named = (f"{found['kind']} {found['name']}{within if found['kind'] == 'role' else ''}" for found in missing)
    roles = " and ".join(dict.fromkeys(named))
    first = missing[0]
    scope = ("-n", asked.namespace) if asked.namespace else ()
    bindings = "rolebindings,clusterrolebindings" if asked.namespace else "clusterrolebindings"
    create = rbac_grant.commands(asked)[0].split(" ")
    create[2:4] = [first["kind"], shlex.quote(first["name"])]
    if first["kind"] == "clusterrole" and asked.namespace:
        create = [word for word in create if word not in scope]
    exists = "does not exist" if roles.count(" and ") == 0 else "do not exist"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{asked.user} may not {asked.phrase}: {roles}, bound to them, {exists}.",
        evidence=(*evidence.refused(facts), *evidence.identity(facts)),
        fix=(
            Fix("create what the binding points at:", by=rbac_grant.administrator(asked), commands=(" ".join(create),)),
            Fix(
                "or find the binding and bind a role that exists:",
                by=rbac_grant.administrator(asked),
                commands=(shlex.join(["kubectl", "get", bindings, *scope, "-o", "wide"]),),
            ),
            rbac_grant.check(asked),
        ),
    )


RULE = Rule(id="rbac-dangling-role", category=Category.RBAC, step=Step.AUTHORIZATION, check=check)
