"""The user may not act as the user, group or service account named by --as.

What you see
    Error from server (Forbidden): users "bob" is forbidden: User "jane" cannot impersonate resource "users" in API
    group "" at the cluster scope
    Error from server (Forbidden): pods is forbidden: User "jane" cannot impersonate-on:user-info:list resource "pods"
    in API group "" in the namespace "dev"        (Kubernetes 1.36 and later)

Why it happens
    kubectl --as, --as-group and --as-uid (or as: in the kubeconfig) ask the API server to take the request for
    somebody else's. That needs a permission of its own; the request itself was not looked at yet.

What to do
    Leave out --as, or have the impersonation granted.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from analyzers import answer, evidence, rbac_grant
from analyzers.attributes import Attributes
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_VERB = re.compile(r"^impersonate(?:-on)?(?::|$)")
_SERVICE_ACCOUNT = re.compile(r"^system:serviceaccount:([^:]+):([^:]+)$")
_KINDS = {"users": "user", "groups": "group", "serviceaccounts": "service account", "uids": "user id", "nodes": "node"}


def check(facts: Facts) -> Finding | None:
    """A refusal whose verb is impersonate, in the form of any server since 1.6."""
    name = facts.status.name if facts.status is not None else ""
    asked = Attributes.of_refusal(answer.said(facts), name) if answer.code(facts) == 403 else None
    if asked is None or not _VERB.match(asked.verb):
        return None
    target = _target(facts, asked)
    grant = _legacy_grant(asked, target)
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{asked.user} may not act as {_named(target)}.",
        evidence=(*evidence.refused(facts), *_headers(facts), *evidence.identity(facts)),
        fix=(
            Fix("leave out --as, --as-group and --as-uid, and as: in the kubeconfig, to act as yourself"),
            rbac_grant.fix(
                grant, f"allow this user to act as them, with everything they may do{_also(facts, target)}:"
            ),
            rbac_grant.check(grant),
        ),
    )


def _target(facts: Facts, asked: Attributes) -> Attributes:
    """Whom they meant to be: named by the refusal, and since 1.36 sometimes by the request alone."""
    if asked.verb.startswith("impersonate-on"):
        user = facts.impersonation.user if facts.impersonation is not None else ""
        if found := _SERVICE_ACCOUNT.match(user):
            return replace(
                asked, resource="serviceaccounts", namespace=found[1], name=found[2], group="", subresource="", path=""
            )
        return replace(asked, resource="users", namespace="", name=user, group="", subresource="", path="")
    return asked


def _legacy_grant(asked: Attributes, target: Attributes) -> Attributes:
    """The verb impersonate is understood by every server; the finer verbs of 1.36 only narrow it."""
    group = "authentication.k8s.io" if target.resource in ("uids", "userextras") else ""
    resource = "users" if target.resource == "nodes" else target.resource
    return replace(target, verb="impersonate", group=group, resource=resource, user=asked.user)


def _named(target: Attributes) -> str:
    kind = _KINDS.get(target.resource, "somebody else")
    if target.resource == "userextras":
        return f"a user with the extra field {target.subresource} set"
    where = f" of namespace {target.namespace}" if target.resource == "serviceaccounts" and target.namespace else ""
    return f"{kind} {target.name}{where}".rstrip() if target.name else f"another {kind}"


def _also(facts: Facts, target: Attributes) -> str:
    groups = facts.impersonation.groups if facts.impersonation is not None else ()
    return " (each --as-group needs the same for groups)" if groups and target.resource != "groups" else ""


def _headers(facts: Facts) -> tuple[Evidence, ...]:
    found = facts.impersonation
    if found is None:
        return ()
    return (Evidence(f"asked in the name of {found.user or 'nobody'}", "request header Impersonate-User"),)


RULE = Rule(id="rbac-impersonation", category=Category.RBAC, step=Step.AUTHORIZATION, check=check)
