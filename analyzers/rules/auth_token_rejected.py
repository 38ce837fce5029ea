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

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, clocks, evidence, login
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.unauthorized import unauthorized

if TYPE_CHECKING:
    from analyzers.decode.credential import Credential
    from analyzers.facts import Facts


_API_AUDIENCE = re.compile(r"kubernetes|^api$|^k3s$|^konnectivity|eks\.amazonaws|container\.googleapis|azmk8s|prod-aks")
_AZURE = ("https://sts.windows.net/", "https://login.microsoftonline.com/")
# What az hands out by default; AKS takes tokens for its own server application alone.
_AZURE_AUDIENCES = {
    "https://management.core.windows.net/": "Azure's management API",
    "https://management.azure.com/": "Azure's management API",
    "https://management.azure.com": "Azure's management API",
    "00000003-0000-0000-c000-000000000000": "Microsoft Graph",
    "https://graph.microsoft.com": "Microsoft Graph",
}


def check(facts: Facts) -> Finding | None:
    """A 401 to a bearer token that has not expired as far as it tells."""
    token, now = facts.credential, evidence.server_time(facts)
    if not unauthorized(facts) or token is None or token.ignored:
        return None
    if token.expires is not None and now is not None and now > token.expires:
        return None
    if clocks.to_blame(facts):
        return None
    owner = f" of {token.username or token.subject}" if token.username or token.subject else ""
    why = ""
    if token.not_before is not None and now is not None and now < token.not_before:
        why = f": it is valid only from {evidence.moment(token.not_before)}"
    elif meant_for := _other_audience(token):
        why = f": it was made for {meant_for}"
    again = login.again(login.Hints.of(facts))
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"T{answer.api_server(facts)[1:]} does not accept the token{owner}{why}.",
        evidence=(evidence.answer(facts), *evidence.identity(facts)),
        fix=(
            *((again,) if again else ()),
            *_fixes(token),
            Fix(
                "read the reason in the API server's log, at: Unable to authenticate the request",
                by="a cluster administrator",
            ),
        ),
    )


def _other_audience(token: Credential) -> str:
    """What a token is for, where that is hardly an API server; "" where it may be one."""
    if token.kind == "service-account-token":
        # --api-audiences is the issuer unless it is set, and is set to names like these.
        if token.issuer in token.audiences or any(_API_AUDIENCE.search(audience) for audience in token.audiences):
            return ""
        return " and ".join(token.audiences[:2])
    if token.issuer.startswith(_AZURE) and login.AKS_SERVER_APPLICATION not in token.audiences:
        return " and ".join(_AZURE_AUDIENCES.get(audience, "") for audience in token.audiences[:1])
    return ""


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
