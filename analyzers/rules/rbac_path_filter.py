"""A filter in front of the API server refuses the path, whoever asks.

What you see
    Error from server (Forbidden): Forbidden

Why it happens
    kubectl proxy refuses some paths by itself (by default exec and attach of pods), and a service mesh can be told to.
    The API server never saw the request.

What to do
    Talk to the API server directly, or change the filter (kubectl proxy --reject-paths, --accept-paths).

References
    - https://kubernetes.io/docs/reference/kubectl/generated/kubectl_proxy/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

# client-go puts what was asked for behind a text that is no Status.
_FILTER = re.compile(
    r"^\s*(?:Forbidden|<h3>Unauthorized</h3>|RBAC: access denied)\s*(?:\((?:get|post|put|patch|delete)\b[^)]*\)\s*)?$"
)


def check(facts: Facts) -> Finding | None:
    """The words of kubectl proxy's and Envoy's filters, from a server that is no API server."""
    response = facts.exchange.response
    text = answer.said(facts)
    if response is None or answer.code(facts) != 403 or facts.audit_id:
        return None
    if facts.status is not None and facts.exchange.request.known:
        return None
    if facts.status is not None and text == "Forbidden":  # the reason of a Status, whose message was not shown
        return None
    if facts.exchange.tunnel or not _FILTER.match(text):
        return None
    mesh = "RBAC: access denied" in text
    filtered = "A service mesh" if mesh else "kubectl proxy, or a filter like it,"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.MIDDLEBOX,
        step=RULE.step,
        summary=f"{filtered}{f' at {at}' if (at := answer.server(facts)) else ''} does not let this path through.",
        evidence=(*evidence.refused(facts), *evidence.no_audit_id(facts)),
        fix=(
            Fix("ask the API server itself, with a context whose server is the cluster's own address"),
            Fix(
                "change the mesh's authorization policy"
                if mesh
                else "start kubectl proxy with --reject-paths that allow it",
                by="whoever runs the filter",
            ),
        ),
    )


RULE = Rule(id="rbac-path-filter", category=Category.RBAC, step=Step.AUTHORIZATION, check=check)
