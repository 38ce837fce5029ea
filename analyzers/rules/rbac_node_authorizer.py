"""A node asked for something that is not its business.

What you see
    Error from server (Forbidden): secrets "db" is forbidden: User "system:node:n1" cannot get resource "secrets" in API
    group "" in the namespace "prod": no relationship found between node 'n1' and this object

Why it happens
    Node identities (system:node:NAME) are authorized by the Node authorizer: a node may read only what the pods
    scheduled to it use. Such credentials are the kubelet's, and a person rarely means to use them.

What to do
    Use another identity. If it is a kubelet: see that the pod is bound to this node and refers to the object.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/node/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.refusal import asked_of_authorizer

if TYPE_CHECKING:
    from analyzers.facts import Facts

_NODE = re.compile(r"^system:node(?::|$)")


def check(facts: Facts) -> Finding | None:
    """A refusal of a node's identity, with or without the Node authorizer's reason."""
    asked = asked_of_authorizer(facts)
    if asked is None or not (_NODE.match(asked.user) or "unknown node for user" in asked.reason):
        return None
    node = asked.user.removeprefix("system:node:")
    why = f": {asked.reason}" if asked.reason else ""
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"Node {node} may not {asked.phrase}{why}.",
        evidence=(*evidence.refused(facts), *evidence.identity(facts)),
        fix=(
            Fix("use your own identity instead of a node's", commands=("kubectl config get-contexts",)),
            Fix(
                "if a kubelet asked: see which pods are bound to this node:",
                by="a cluster administrator",
                commands=(f"kubectl get pods -A --field-selector spec.nodeName={node}",),
            ),
        ),
    )


RULE = Rule(id="rbac-node-authorizer", category=Category.RBAC, step=Step.AUTHORIZATION, check=check)
