"""The client was shown no types, not even those that every API server has.

What you see
    error: the server doesn't have a resource type "pods"

Why it happens
    kubectl asks the server which types there are before it asks for objects. pods, services, nodes and the like exist
    everywhere; where even they are missing, that question was refused or lost. Mostly nobody was logged in: an expired
    login, a context without a user, another cluster's credentials. Or something else than an API server answers.

What to do
    See as whom the server knows you and what it answers to the first question; log in again.

References
    - https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_EVERYWHERE = re.compile(
    r"the server doesn't have a resource type \\?\"(?P<type>po|pods?|svc|services?|no|nodes?|ns|namespaces?|secrets?|cm"
    r"|configmaps?|ev|events?|sa|serviceaccounts?|pvc|persistentvolumeclaims?|pv|persistentvolumes?|rc|endpoints"
    r"|deploy|deployments?|rs|replicasets?|ds|daemonsets?|sts|statefulsets?|jobs?|all)\\?\""
)


def check(facts: Facts) -> Finding | None:
    """client-go's words for a type that it did not find, of a type that is everywhere."""
    found = _EVERYWHERE.search(printed(facts))
    if found is None:
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The client was shown no types, not even {found['type']}: most likely nobody was logged in.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("see as whom the server knows you, and what it answers when asked for its types:",
                commands=("kubectl auth whoami", "kubectl get --raw /api/v1 -v=6")),
            Fix("log in again, or take the context of the cluster that you mean:",
                commands=("kubectl config get-contexts",)),
        ),
    )  # fmt: skip


RULE = Rule(id="auth-nothing-discovered", category=Category.AUTH, step=Step.CREDENTIALS, check=check)
