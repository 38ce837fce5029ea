"""The user's own settings do not allow this credential plugin to run.

What you see
    getting credentials: plugin "aws" not allowed: policy set to "DenyAll"
    plugin path "/home/jane/bin/aws" is not permitted by the credential plugin allowlist

Why it happens
    kuberc has a credentialPluginPolicy, with which programs out of foreign kubeconfigs are kept from being run.

What to do
    If you trust the plugin, add it to the allowlist in kuberc.

References
    - https://kubernetes.io/docs/reference/kubectl/kuberc/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import plugin, printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_POLICY = re.compile(
    r"plugin \"[^\"]*\" not allowed: |by the credential plugin allowlist|for credential plugin allowlist check"
    r"|unknown plugin policy|allowlist misconfiguration: "
)


def check(facts: Facts) -> Finding | None:
    """client-go's words for a plugin that a policy forbids."""
    text = printed(facts)
    if not _POLICY.search(text):
        return None
    name = plugin(text)
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"Your own kuberc does not allow the credential plugin{f' {name}' if name else ''} to run.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "if you trust the plugin, set credentialPluginPolicy to Allowlist in kuberc and add its path to "
                "credentialPluginAllowlist:",
                commands=("cat ~/.kube/kuberc",),
            ),
        ),
    )


RULE = Rule(id="auth-plugin-policy", category=Category.AUTH, step=Step.CREDENTIALS, check=check)
