"""The credential plugin wants to ask the user something, and there is no terminal.

What you see
    getting credentials: exec plugin cannot support interactive mode: standard input is not a terminal

Why it happens
    The kubeconfig says interactiveMode: Always for its plugin, and the command runs in a script, a CI job or a
    program, or reads a manifest from its standard input.

What to do
    Run it in a terminal once so that the login is kept, or use a way to log in that asks nothing.

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

_TERMINAL = re.compile(
    r"exec plugin cannot support interactive mode|standard input is (?:not a terminal|unavailable)"
    r"|used by another application|getting credentials: .*(?:inappropriate ioctl for device|not a tty)"
)


def check(facts: Facts) -> Finding | None:
    """client-go's refusal to run a plugin that always asks."""
    if not _TERMINAL.search(printed(facts)):
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary="The credential plugin wants to ask something, and the command has no terminal to ask on.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "run one command in a terminal first, so that the plugin can log in and keep its token:",
                commands=("kubectl get --raw /version",),
            ),
            Fix("for programs, use a service account's token or the plugin's own way without questions"),
        ),
    )


RULE = Rule(id="auth-plugin-terminal", category=Category.AUTH, step=Step.CREDENTIALS, check=check)
