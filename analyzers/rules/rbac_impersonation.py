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
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_VERB = re.compile(r"^impersonate(?:-on)?(?::|$)")
_SERVICE_ACCOUNT = re.compile(r"^system:serviceaccount:([^:]+):([^:]+)$")
_PLACEHOLDERS = {"users": "USER", "groups": "GROUP", "serviceaccounts": "SERVICEACCOUNT", "uids": "UID"}
_KINDS = {"users": "user", "groups": "group", "serviceaccounts": "service account", "uids": "user id", "nodes": "node"}


def check(facts: Facts) -> Finding | None:
    """A refusal whose verb is impersonate, in the form of any server since 1.6."""
    name = facts.status.name if facts.status is not None else ""
    if not name and not facts.exchange.request.known:
        name = answer.name(facts)
    asked = Attributes.of_refusal(answer.said(facts), name) if answer.code(facts) == 403 else None
    if asked is None or not _VERB.match(asked.verb):
        return None
    target = _target(facts, asked)
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{asked.user} may not act as {_named(target)}.",
        evidence=(*evidence.refused(facts), *evidence.identity(facts)),
        fix=(
            Fix("leave out --as, --as-group and --as-uid, and as: in the kubeconfig, to act as yourself"),
            *_grants(facts, asked, target),
        ),
    )


def _grants(facts: Facts, asked: Attributes, target: Attributes) -> tuple[Fix, ...]:
    if target.name == "system:masters":
        # Whoever may act as one of them is one of them; newer servers refuse it to everybody.
        return (Fix(f"bind {asked.user} to a role with what is needed: system:masters may do everything",
                    by="a cluster administrator"),)  # fmt: skip
    grant = _legacy_grant(asked, target)
    text = f"let {asked.user} do whatever {_whom(target)} may do{_also(facts, target)}:"
    return rbac_grant.fix(grant, text), rbac_grant.check(grant)


def _target(facts: Facts, asked: Attributes) -> Attributes:
    """Whom they meant to be: named by the refusal, and since 1.36 sometimes by the request alone."""
    if asked.verb.startswith("impersonate-on"):
        user = facts.impersonation.user if facts.impersonation is not None else ""
        if found := _SERVICE_ACCOUNT.match(user):
            return replace(
                asked, resource="serviceaccounts", namespace=found[1], name=found[2], group="", subresource="", path=""
            )
        kind = "users"
        if not user:  # the request is not known; the verb still says what kind of user it was
            kind = "serviceaccounts" if ":serviceaccount" in asked.verb else "nodes" if "-node" in asked.verb else kind
        return replace(asked, resource=kind, namespace="", name=user, group="", subresource="", path="")
    return asked


def _legacy_grant(asked: Attributes, target: Attributes) -> Attributes:
    """The verb impersonate is understood by every server; the finer verbs of 1.36 only narrow it."""
    group = "authentication.k8s.io" if target.resource in ("uids", "userextras") else ""
    resource = "users" if target.resource == "nodes" else target.resource
    # Without a name the grant would be for everybody at once.
    name = target.name or _PLACEHOLDERS.get(resource, "NAME")
    return replace(target, verb="impersonate", group=group, resource=resource, name=name, user=asked.user)


def _whom(target: Attributes) -> str:
    if target.resource == "serviceaccounts":
        return f"service account {target.name}" if target.name else "that service account"
    if target.resource == "userextras":
        return "users with that extra field"
    if target.resource == "groups":
        return f"members of {target.name}" if target.name else "members of that group"
    return target.name or "that user"


def _named(target: Attributes) -> str:
    kind = _KINDS.get(target.resource, "somebody else")
    if target.resource == "userextras":
        return f"a user with the extra field {target.subresource} set"
    where = f" of namespace {target.namespace}" if target.resource == "serviceaccounts" and target.namespace else ""
    if not target.name:
        return kind if kind == "somebody else" else f"another {kind}"
    return f"{kind} {target.name}{where}"


def _also(facts: Facts, target: Attributes) -> str:
    acting = facts.impersonation
    if acting is None or target.resource == "groups":
        return ""
    also = [f"--resource=groups --resource-name={group}" for group in acting.groups]
    also += [f"--resource=uids.authentication.k8s.io --resource-name={acting.uid}"] if acting.uid else []
    return f" (and the same with {' and '.join(also)})" if also else ""


RULE = Rule(id="rbac-impersonation", category=Category.RBAC, step=Step.AUTHORIZATION, check=check)
