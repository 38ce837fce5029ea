"""The credential plugin ran and failed.

What you see
    Unable to connect to the server: getting credentials: exec: executable aws failed with exit code 255

Why it happens
    The program that makes the credential ended with an error: its login has ended, its profile or region is wrong, it
    cannot reach its own service, or an old version does not know the options. What it had to say it printed above.

What to do
    Run the plugin by hand and read what it says; then log in again.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import plugin, printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.rules import (
    auth_plugin_answer,
    auth_plugin_login,
    auth_plugin_missing,
    auth_plugin_policy,
    auth_plugin_terminal,
)

if TYPE_CHECKING:
    from analyzers.facts import Facts

_FAILED = re.compile(
    r"getting credentials: |refreshing credentials: |could not get token: |exec: executable \S+ failed"
)
_CODE = re.compile(r"failed with exit code (?P<code>-?\d+)|exit status (?P<status>\d+)")
_NARROWER = (
    auth_plugin_answer.check,
    auth_plugin_login.check,
    auth_plugin_missing.check,
    auth_plugin_policy.check,
    auth_plugin_terminal.check,
)
_LOGIN = {
    "aws": ("aws sts get-caller-identity", "aws sso login"),
    "aws-iam-authenticator": ("aws sts get-caller-identity",),
    "gke-gcloud-auth-plugin": ("gcloud auth login",),
    "gcloud": ("gcloud auth login",),
    "kubelogin": ("az login",),
    "tsh": ("tsh login",),
    "doctl": ("doctl auth init",),
}


def check(facts: Facts) -> Finding | None:
    """Any failure to get a credential that no narrower rule knows."""
    text = printed(facts)
    if not _FAILED.search(text) or any(narrower(facts) for narrower in _NARROWER):
        return None
    name = plugin(text)
    code = _CODE.search(text)
    ended = f"failed with exit code {code['code'] or code['status']}" if code is not None else "failed"
    login = _LOGIN.get(name, ())
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The credential plugin{f' {name}' if name else ''} {ended}, so nothing was sent to the API server.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "see the command that the kubeconfig names, and run it by hand:",
                commands=("kubectl config view --minify",),
            ),
            Fix("log in again:" if login else "log in again at the plugin's identity provider", commands=login),
        ),
    )


RULE = Rule(id="auth-plugin-failed", category=Category.AUTH, step=Step.CREDENTIALS, check=check)
