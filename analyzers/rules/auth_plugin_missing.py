"""The credential plugin that the kubeconfig names cannot be started.

What you see
    Unable to connect to the server: getting credentials: exec: executable gke-gcloud-auth-plugin not found
    getting credentials: exec: fork/exec /usr/local/bin/kubelogin: exec format error

Why it happens
    The kubeconfig's user gets its credential from a program, and that program is not installed, is not on the PATH of
    whoever runs the command (an IDE, a service, sudo), may not be executed, or is built for another machine.

What to do
    Install the plugin, or give its whole path in the kubeconfig.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import plugin, printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_CREDENTIALS = re.compile(
    r"getting credentials: |exec plugin|exec: executable \S+ not found|credential plugin|kube_config\.py"
    r"|getting token: |access token command|converting kubeconfig: "
)
_MISSING = re.compile(
    r"exec: executable \S+ not found|executable file not found|fork/exec \S+: |exec: \"[^\"\n]+\": stat "
    r"|access token command [^\n]*no such file or directory"
    r"|file does not exist|kube_config\.py\S* [^\n]*\[Errno \d+\] (?:Permission denied|No such file or directory): '"
)
_WHY = (("permission denied", "may not be executed"), ("exec format error", "is built for another kind of machine"))
_INSTALL = {
    "gke-gcloud-auth-plugin": ("gcloud components install gke-gcloud-auth-plugin",),
    "kubelogin": ("az aks install-cli",),
    "kubectl": ("kubectl krew install oidc-login",),
    "aws-iam-authenticator": (),
    "aws": ("aws --version",),
}


def check(facts: Facts) -> Finding | None:
    """client-go's words for a plugin that could not be run."""
    text = printed(facts)
    if not _CREDENTIALS.search(text) or not _MISSING.search(text):
        return None
    name = plugin(text)
    why = next((said for words, said in _WHY if words in text), "is not there")
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The credential plugin{f' {name}' if name else ''} that the kubeconfig names {why}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("install the plugin:" if _INSTALL.get(name) else "install the plugin", commands=_INSTALL.get(name, ())),
            Fix(
                "see where it is, and write its whole path into the kubeconfig where the PATH is another one:",
                commands=(f"command -v {shlex.quote(name or 'PLUGIN')}", "kubectl config view --minify"),
            ),
        ),
    )


RULE = Rule(id="auth-plugin-missing", category=Category.AUTH, step=Step.CREDENTIALS, check=check)
