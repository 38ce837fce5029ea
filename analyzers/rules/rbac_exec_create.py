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

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence, rbac_grant
from analyzers.attributes import Attributes, unquote
from analyzers.finding import Category, Evidence, Finding, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_UPGRADES = frozenset({"exec", "attach", "portforward"})
_TEXT = re.compile(r'(?:^|: )pods (?P<name>"(?:[^"\\]|\\.)*") is forbidden:\s*(?P<reason>.*)$', re.DOTALL)


def check(facts: Facts) -> Finding | None:
    """A 403 to a GET of such a subresource that lacks the authorizer's usual words."""
    info, text = facts.request_info, answer.told(facts)
    found = _TEXT.search(text)
    if found is None or answer.code(facts) not in (0, 403) or not answer.failed(facts) or answer.from_policy(facts):
        return None
    if info is None and found["reason"]:  # nothing then tells it from an admission plugin's refusal
        return None
    if info is not None and (info.subresource not in _UPGRADES or info.verb != "get"):
        return None
    if Attributes.of_refusal(text) is not None:
        return None
    asked = Attributes(
        user=facts.user or "USER",
        verb="create",
        resource="pods",
        subresource=info.subresource if info is not None else "exec",
        name=unquote(found["name"]),
        namespace=answer.namespace(facts),
    )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{answer.who(facts)} may not {asked.phrase} over a WebSocket: that needs the verb create on "
        f"pods/{asked.subresource} beside get.",
        evidence=(
            *evidence.refused(facts),
            *(
                (Evidence(f"a GET of pods/{asked.subresource}, which passed the check for get", "request"),)
                if info
                else ()
            ),
            *evidence.identity(facts),
        ),
        fix=(
            rbac_grant.fix(asked, "grant exactly that (a WebSocket needs get and create, SPDY needs create):"),
            rbac_grant.check(asked),
        ),
    )


RULE = Rule(id="rbac-exec-create", category=Category.RBAC, step=Step.AUTHORIZATION, check=check)
