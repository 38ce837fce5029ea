"""The kubeconfig uses an auth-provider that this client does not have.

What you see
    error: The gcp auth plugin has been removed.
    error: no Auth Provider found for name "oidc"

Why it happens
    auth-provider is the older way to log in. Its gcp and azure kinds were taken out of kubectl 1.26 in favour of
    credential plugins; programs that were built without them never knew gcp, azure or oidc.

What to do
    Have the platform write the kubeconfig anew, with its credential plugin.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_REMOVED = re.compile(
    r"The (?P<removed>gcp|azure) auth plugin (?:has been removed|is not supported)"
    r"|no Auth Provider found for name \"(?P<unknown>[^\"]*)\"",
    re.IGNORECASE,
)
_ANEW = {
    "gcp": ("gcloud components install gke-gcloud-auth-plugin", "gcloud container clusters get-credentials CLUSTER"),
    "azure": ("az aks install-cli", "kubelogin convert-kubeconfig -l azurecli"),
    "oidc": ("kubectl krew install oidc-login",),
}


def check(facts: Facts) -> Finding | None:
    """client-go's words for an auth provider that it does not have, or no longer."""
    found = _REMOVED.search(printed(facts))
    if found is None:
        return None
    name = found["removed"] or found["unknown"]
    gone = "has been removed from Kubernetes" if name in ("gcp", "azure") else "is not built into this program"
    anew = _ANEW.get(name, ())
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The kubeconfig's user logs in with the auth-provider {name}, which {gone}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "install the credential plugin, and have the kubeconfig written anew:"
                if anew
                else "replace auth-provider by a credential plugin (exec) in the kubeconfig's user",
                commands=anew,
            ),
        ),
    )


RULE = Rule(id="auth-provider-removed", category=Category.AUTH, step=Step.CREDENTIALS, check=check)
