"""exec, attach or port-forward over WebSocket was refused, because the verb create is missing.

What you see
    error: unable to upgrade connection: pods "web" is forbidden:
    Error from server (Forbidden): pods "web" is forbidden:

Why it happens
    kubectl opens exec, attach and port-forward with a GET (WebSocket). From Kubernetes 1.35 on the API server
    asks, after the verb get, for the verb create as well, so that a user with nothing but read permissions cannot
    run commands. Its refusal names neither user nor verb.

What to do
    Grant the verb create on the subresource.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import answer, evidence, rbac_grant
from analyzers.attributes import Attributes
from analyzers.finding import Category, Evidence, Finding, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts


def check(facts: Facts) -> Finding | None:
    """A 403 to a GET of such a subresource that lacks the authorizer's usual words."""
    info, text = facts.request_info, answer.said(facts)
    if answer.code(facts) != 403 or info is None or facts.status is None or answer.from_policy(facts):
        return None
    if info.subresource not in ("exec", "attach", "portforward") or info.verb != "get":
        return None
    if Attributes.of_refusal(text) is not None or not text.startswith(f'pods "{info.name}" is forbidden:'):
        return None
    asked = Attributes(
        user=facts.user,
        verb="create",
        resource=info.resource,
        subresource=info.subresource,
        name=info.name,
        namespace=info.namespace,
    )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{answer.who(facts)} may not {asked.phrase}: the verb create on pods/{info.subresource} is missing.",
        evidence=(
            *evidence.refused(facts),
            Evidence(f"a GET of pods/{info.subresource}, which passed the check for get", "request"),
            *evidence.identity(facts),
        ),
        fix=(rbac_grant.fix(asked), rbac_grant.check(asked)),
    )


RULE = Rule(id="rbac-exec-create", category=Category.RBAC, step=Step.AUTHORIZATION, check=check)
