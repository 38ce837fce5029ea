"""The client could not renew its OpenID Connect token.

What you see
    Unable to connect to the server: No valid id-token, and cannot refresh without refresh-token
    Unable to connect to the server: failed to refresh token: oauth2: cannot fetch token: 400 Bad Request
    oauth2: "invalid_grant" "Token is not active"

Why it happens
    The id token has expired, and the refresh token has too, was revoked, belongs to another client id or is not in
    the kubeconfig; or the identity provider refused or did not give an id token for it.

What to do
    Log in at the identity provider anew, and see that issuer, client id and secret are right.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/#openid-connect-tokens
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.rules import auth_plugin_login

if TYPE_CHECKING:
    from analyzers.facts import Facts

_OIDC = re.compile(
    r"No valid id-token|failed to refresh token: |oauth2: |token response did not contain an id_token"
    r"|oidc: (?:failed to (?:query|decode)|discovery object|authenticator|provider|could not)"
    r"|ID Token is not a valid JWT|could not persist new tokens|Must provide (?:idp-issuer-url|client-id)"
    r"|[Uu]nable to refresh (?:the )?(?:id.?)?token"
    r"|get-token: (?:authentication error|could not)|error: get-token: |could not refresh the token"
)
_WHY = (
    (re.compile(r"cannot refresh without refresh-token"), "and the kubeconfig has no refresh token"),
    (re.compile(r"invalid_grant"), "because the identity provider no longer takes the refresh token"),
    (
        re.compile(r"invalid_client|unauthorized_client"),
        "because the identity provider refuses the client",
    ),
    (re.compile(r"Must provide"), "because the kubeconfig does not say all that is needed for it"),
    (
        re.compile(r"no such host|connection refused|timeout|deadline|x509: "),
        "because its server was not reached",
    ),
)


def check(facts: Facts) -> Finding | None:
    """The words of client-go's oidc provider, of Go's oauth2 and of kubelogin."""
    text = printed(facts)
    if not _OIDC.search(text) or auth_plugin_login.check(facts) is not None:
        return None
    why = next((f", {said}" for words, said in _WHY if words.search(text)), "")
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The client could not get a new OpenID Connect token{why}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("log in at the identity provider anew, and put the new tokens into the kubeconfig's user"),
            Fix(
                "with kubelogin, forget what it keeps:",
                commands=("rm -r ~/.kube/cache/oidc-login", "kubectl get --raw /version"),
            ),
            Fix("see issuer and client id that the kubeconfig names:", commands=("kubectl config view --minify",)),
        ),
    )


RULE = Rule(id="auth-oidc-refresh", category=Category.AUTH, step=Step.CREDENTIALS, check=check)
