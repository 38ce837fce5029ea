"""mitmkube cannot present the client's certificate, because it does not have the key to it.

What you see
    Error from server: mitmkube has no key for the client certificate …

Why it happens
    mitmkube uses, towards the API server, exactly the certificate that the client proved to hold. It finds the key in
    the kubeconfig's users. A credential plugin that hands out a certificate keeps the key inside kubectl, and nothing
    outside can present it, unless the plugin runs in mitmkube's shim, which hands the proxy the key. Category auth,
    because it is about proving who the user is; the API server is not at fault.

What to do
    If a credential plugin makes the certificate, run the command with --wrap-plugin. Otherwise use a user with a
    certificate file or a token, or run this command without mitmkube.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.rules import auth_ca_unusable

if TYPE_CHECKING:
    from analyzers.facts import Facts

_ABOUT_IDENTITY = re.compile(r"client certificate|\bkey\b|credential", re.IGNORECASE)


def check(facts: Facts) -> Finding | None:
    """A refusal of mitmkube's own that is about the client's certificate."""
    failure = facts.exchange.failure
    if (
        failure is None
        or failure.phase != "mitmkube"
        or auth_ca_unusable.check(facts)
        or not _ABOUT_IDENTITY.search(failure.message)
    ):
        return None
    certificate = facts.client_certificate
    of = f" of {certificate.subject_cn}" if certificate is not None and certificate.subject_cn else ""
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.MITMKUBE,
        step=RULE.step,
        summary=f"mitmkube has no key for the client certificate{of}, so it did not ask the API server.",
        evidence=(evidence.failure(facts), *evidence.identity(facts)),
        fix=(
            Fix("run the command with mitmkube run --wrap-plugin, if a credential plugin makes the certificate"),
            Fix("use a user whose certificate and key are files or data in the kubeconfig, or one with a token"),
        ),
    )


RULE = Rule(id="auth-key-not-available", category=Category.AUTH, step=Step.CREDENTIALS, check=check)
