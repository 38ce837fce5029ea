"""The credential plugin printed no credential that the client can use, or speaks another version than it.

What you see
    getting credentials: exec plugin didn't return a token or cert/key pair
    getting credentials: decoding stdout: couldn't get version/kind; json parse error: …
    error: exec plugin: invalid apiVersion "client.authentication.k8s.io/v1alpha1"

Why it happens
    A plugin prints an ExecCredential, of the very apiVersion that the kubeconfig says. It printed nothing, something
    else as well (a greeting, a warning), or another version; or the kubeconfig still says v1alpha1, which kubectl
    no longer takes since 1.24.

What to do
    Bring plugin and kubeconfig to the same version (v1 or v1beta1), and see what the plugin prints by hand.

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

_VERSION = re.compile(
    r"exec plugin: invalid apiVersion|no kind \"ExecCredential\" is registered for version"
    r"|exec plugin is configured to use API version (?P<wanted>\S+), plugin returned version (?P<given>\S+)"
)
_EMPTY = re.compile(r"exec plugin didn't return a")
_UNREADABLE = re.compile(r"decoding stdout: |failed parsing client (?:key/certificate|leaf certificate): ")
_HALF = "exec plugin returned only certificate or key"
_INTERNAL = "__internal"


def check(facts: Facts) -> Finding | None:
    """client-go's words for an answer of a plugin that is none."""
    text = printed(facts)
    version = _VERSION.search(text)
    nothing = version is not None and (version["given"] or "").endswith(_INTERNAL)
    if _HALF in text:
        what = "The credential plugin printed a certificate or a key, and not both."
    elif nothing or _EMPTY.search(text):
        what = "The credential plugin printed no credential."
    elif version is not None:
        what = "The credential plugin and the kubeconfig speak different versions of ExecCredential."
        if "v1alpha1" in text:
            what = "ExecCredential v1alpha1, which the kubeconfig or the plugin uses, is no longer in this client."
    elif _UNREADABLE.search(text):
        what = "What the credential plugin printed cannot be read as a credential."
    else:
        return None
    update = Fix(
        "update the plugin, and have it write the kubeconfig anew, for instance:",
        commands=(
            "aws eks update-kubeconfig --name CLUSTER --region REGION",
            "kubelogin convert-kubeconfig -l azurecli",
        ),
    )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=what,
        evidence=evidence.refused(facts),
        fix=(
            *((update,) if version is not None and not nothing else ()),
            Fix(
                "see which command the kubeconfig names, and what it prints by hand:",
                commands=("kubectl config view --minify",),
            ),
        ),
    )


RULE = Rule(id="auth-plugin-answer", category=Category.AUTH, step=Step.CREDENTIALS, check=check)
