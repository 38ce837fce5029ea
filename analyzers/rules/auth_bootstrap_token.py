"""The bootstrap token with which a node wants to join is not known to the cluster, or no longer.

What you see
    error execution phase preflight: couldn't validate the identity of the API Server: could not find a JWS signature in
    the cluster-info ConfigMap for token ID "abcdef"

Why it happens
    kubeadm join trusts the cluster-info ConfigMap only if it is signed with its token. The cluster signs with every
    bootstrap token that it has; tokens of kubeadm end after 24 hours.

What to do
    Make a new token on a control plane node, and join with that.

References
    - https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-join/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_UNSIGNED = re.compile(
    r"(?:could not find a JWS signature|there is no JWS signed token) in the cluster-info ConfigMap"
    r"|failed to verify JWS signature of received cluster info object"
)
_TOKEN_ID = re.compile(r"token (?:ID|id)[: ]+\"(?P<id>[a-z0-9]{6})\"")


def check(facts: Facts) -> Finding | None:
    """kubeadm's words for a token that signed nothing."""
    said = printed(facts)
    if not _UNSIGNED.search(said):
        return None
    token = _TOKEN_ID.search(said)
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The cluster does not know the bootstrap token{f' {token["id"]}' if token else ''}, or no longer.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "make a new token and join with the command that it prints:",
                by="a cluster administrator, on a control plane node",
                commands=("kubeadm token create --print-join-command",),
            ),
            Fix("see which tokens there are, and until when:", by="a cluster administrator",
                commands=("kubeadm token list",)),
        ),
    )  # fmt: skip


RULE = Rule(id="auth-bootstrap-token", category=Category.AUTH, step=Step.CREDENTIALS, check=check)
