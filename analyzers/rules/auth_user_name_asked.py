"""The kubeconfig's user has no credential, so the client asks for a name and a password.

What you see
    Please enter Username:
    error: EOF

Why it happens
    The context names a user that has no token, certificate or plugin, or that does not exist. kubectl then asks for a
    user name and a password, which no API server has taken since Kubernetes 1.19; in a script the question ends in EOF.

What to do
    Give the user a credential, or choose a context that has one.

References
    - https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_ASKED = re.compile(
    r"Please enter (?:Username|Password):|^\s*error: EOF\s*$|error reading input for (?:Username|Password)"
)


def check(facts: Facts) -> Finding | None:
    """kubectl's question, and what it leaves where nobody answers."""
    if not _ASKED.search(printed(facts)):
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary="The kubeconfig's user has no credential, so kubectl asked for a user name and a password.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "see which user the context names, and whether it has a token, a certificate or a plugin:",
                commands=("kubectl config get-contexts", "kubectl config view --minify"),
            ),
            Fix("log in at the platform anew, so that it writes the credential into the kubeconfig"),
        ),
    )


RULE = Rule(id="auth-user-name-asked", category=Category.AUTH, step=Step.CREDENTIALS, check=check)
