"""The API server does not accept the bearer token.

What you see
    error: You must be logged in to the server (Unauthorized)

Why it happens
    No authenticator of the API server knows the token. It was mistyped or withdrawn, it was issued for another cluster
    or another audience, or the service account, pod or Secret behind it was deleted. The API server says why only in
    its own log.

What to do
    Compare issuer, audience and subject, as far as the token shows them, with the cluster you are talking to; log in
    again; for a service account see that it still exists.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/#putting-a-bearer-token-in-a-request
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.unauthorized import unauthorized

if TYPE_CHECKING:
    from analyzers.decode.credential import Credential
    from analyzers.facts import Facts


def check(facts: Facts) -> Finding | None:
    """A 401 to a bearer token that has not expired as far as it tells."""
    token, now = facts.credential, evidence.server_time(facts)
    if not unauthorized(facts) or token is None or token.ignored:
        return None
    if token.expires is not None and now is not None and now > token.expires:
        return None
    early = token.not_before is not None and now is not None and now < token.not_before
    owner = f" of {token.subject}" if token.subject else ""
    why = f": it is valid only from {evidence.moment(token.not_before)}" if early and token.not_before else ""
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The API server at {answer.server(facts)} does not accept the token{owner}{why}.",
        evidence=(evidence.answer(facts), *evidence.identity(facts)),
        fix=(
            *_fixes(token),
            Fix(
                "read the reason in the API server's log, at: Unable to authenticate the request",
                by="a cluster administrator",
            ),
        ),
    )


def _fixes(token: Credential) -> tuple[Fix, ...]:
    if token.kind == "service-account-token" and token.subject.count(":") == 3:
        namespace, name = token.subject.split(":")[2:]
        return (
            Fix(
                "see whether the service account still exists, and make a new token:",
                by=f"whoever may create tokens in namespace {namespace}",
                commands=(
                    shlex.join(["kubectl", "get", "serviceaccount", name, "-n", namespace]),
                    shlex.join(["kubectl", "create", "token", name, "-n", namespace]),
                ),
            ),
        )
    if token.issuer:
        return (Fix(f"log in again, and see that this cluster accepts tokens issued by {token.issuer}"),)
    return (
        Fix(
            "see whether the token is this cluster's and complete, or log in again:",
            commands=("kubectl config view --minify",),
        ),
    )


RULE = Rule(id="auth-token-rejected", category=Category.AUTH, step=Step.AUTHENTICATION, check=check)
