"""The API server could not find out whether the user may: its authorizer failed.

What you see
    Error from server (InternalError): an error on the server ("Internal Server Error: \\"/api/v1/pods\\": Post
    \\"https://authorizer.example.com/authorize\\": dial tcp: connect: connection refused") has prevented the request
    from succeeding

Why it happens
    Beside RBAC the API server asks another program (a webhook authorizer: a cloud's, or the company's), and that did
    not answer, or RBAC could not read its rules. A request that no other authorizer allows ends in this error, so it
    says nothing about the user's permissions. Users whom RBAC allows are not affected.

What to do
    Try again once; then an administrator looks at the authorizer.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/webhook/
    - https://kubernetes.io/docs/reference/access-authn-authz/authorization/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.webhook import why

if TYPE_CHECKING:
    from analyzers.facts import Facts

# What the filters before the API handlers write; other filters that use it have words of their own behind the colon.
_FILTER = re.compile(r'^Internal Server Error: "(?P<uri>(?:[^"\\]|\\.)*)": (?P<reason>.*)', re.DOTALL)
_OTHERS = re.compile(
    r"failed to create RequestInfo|no RequestInfo|without impersonating|unable to determine kind|impersonat|audit"
)
_CALL = re.compile(r'(?:Post|Get) \\?"?https?://|authoriz|dial tcp|deadline exceeded|x509: |RBAC', re.IGNORECASE)


def check(facts: Facts) -> Finding | None:
    """A plain-text 500 of a filter whose error came from a call to somewhere else."""
    found = _FILTER.match(answer.said(facts))
    if answer.code(facts) != 500 or found is None or answer.foreign(facts):
        return None
    reason = found["reason"].strip()
    if _OTHERS.search(reason) or not _CALL.search(reason):
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary="The API server could not find out whether the request is allowed: "
        f"the authorizer that it asks {why(reason)}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("try again once; no role or binding is missing as far as this answer says"),
            Fix(
                "look at the program behind --authorization-webhook-config-file or --authorization-config, and whether "
                "the control plane reaches it",
                by="a cluster administrator",
            ),
        ),
    )


RULE = Rule(id="health-authorizer", category=Category.HEALTH, step=Step.AUTHORIZATION, check=check)
