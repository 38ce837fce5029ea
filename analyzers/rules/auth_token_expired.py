"""The bearer token has expired by its own words.

What you see
    error: You must be logged in to the server (Unauthorized)

Why it happens
    Service account tokens and OpenID Connect tokens carry their own end (the exp claim). The API server answers 401
    without saying why. Compared here: the token's exp claim, and the server's own clock (its Date header).

What to do
    Log in again, or ask for a new token. A program inside the cluster must read its token file again from time to
    time, because the kubelet renews the file.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens
    - https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from analyzers import clocks, evidence, login
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.unauthorized import unauthorized
from analyzers.units import duration

if TYPE_CHECKING:
    from analyzers.decode.credential import Credential
    from analyzers.facts import Facts


def check(facts: Facts) -> Finding | None:
    """A 401 to a token whose exp claim has passed."""
    token, now = facts.credential, evidence.server_time(facts)
    if not unauthorized(facts) or token is None or token.expires is None or now is None or now <= token.expires:
        return None
    if clocks.to_blame(facts):
        return None
    again = login.again(login.Hints.of(facts))
    owner = token.username or token.subject or "the user"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The token of {owner} expired on {evidence.moment(token.expires)}, "
        f"{duration(now - token.expires)} before it was used.",
        evidence=(
            evidence.answer(facts),
            *evidence.identity(facts),
            Evidence(f"the server's clock says {evidence.moment(now)}", "response header Date"),
        ),
        fix=(*((again,) if again else ()), *_fixes(token)),
    )


def _fixes(token: Credential) -> tuple[Fix, ...]:
    if token.kind == "service-account-token" and token.subject.count(":") == 3:
        namespace, name = token.subject.split(":")[2:]
        return (
            Fix(
                "make a new token and put it into the kubeconfig:",
                by=f"whoever may create tokens in namespace {namespace}",
                commands=(shlex.join(["kubectl", "create", "token", name, "-n", namespace]),),
            ),
        )
    if token.kind == "eks-token":
        return (Fix("let the credential plugin make a new one: such a token lives for 15 minutes"),)
    return (Fix("log in again with the tool that made this token"),)


RULE = Rule(id="auth-token-expired", category=Category.AUTH, step=Step.AUTHENTICATION, check=check)
