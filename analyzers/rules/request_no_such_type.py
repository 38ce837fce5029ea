"""The API server does not serve this type, this version of it, or this path.

What you see
    error: the server doesn't have a resource type "foos"
    Error from server (NotFound): the server could not find the requested resource
    error: resource mapping not found for name: "web" … no matches for kind "Ingress" in version "extensions/v1beta1"

Why it happens
    A CustomResourceDefinition or an add-on is not installed; the version was removed from Kubernetes or is not yet in
    it; the type is asked for in a namespace although it has none, or the other way round; or the path is misspelled.

What to do
    See which types and versions this server has.

References
    - https://kubernetes.io/docs/reference/using-api/deprecation-guide/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TEXT = re.compile(r"(?:^|: )(?:the server could not find the requested resource|404 page not found)")


def check(facts: Facts) -> Finding | None:
    """A 404 that names no object, from an API server."""
    text = answer.said(facts)
    if answer.code(facts) != 404 or answer.from_policy(facts) or answer.html(facts):
        return None
    named = facts.status is not None and bool(facts.status.name)
    if not _TEXT.search(text) and (facts.status is not None or answer.foreign(facts) or text):
        return None
    info = facts.request_info
    if named and info is not None and info.subresource in ("log", "exec", "attach", "portforward"):
        return None
    if info is not None and info.is_resource_request:
        group_version = f"{info.api_group}/{info.api_version}" if info.api_group else info.api_version
        sub = f"/{info.subresource}" if info.subresource else ""
        summary = f"This API server does not serve {info.resource}{sub} in {group_version}."
        group = ["--api-group", info.api_group] if info.api_group else []
        look = (
            "kubectl api-resources | grep -i " + shlex.quote(info.resource),
            shlex.join(["kubectl", "api-resources", *group]) if group else "kubectl api-versions",
        )
    elif facts.exchange.request.known:
        summary = f"This API server does not serve the path {answer.thing(facts)}."
        look = ("kubectl api-versions", "kubectl get --raw /")
    else:
        typed = answer.typed(facts)
        summary = f"This API server does not serve {typed or 'the type or path that was asked for'}."
        grep = f" | grep -i {shlex.quote(typed.partition('.')[0])}" if typed else ""
        look = (f"kubectl api-resources{grep}", "kubectl api-versions")
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=summary,
        evidence=tuple(found for found in evidence.refused(facts) if found.text),
        fix=(
            Fix("see which types and versions it serves:", commands=look),
            Fix("install the CustomResourceDefinition or add-on, or write the version that this server has"),
        ),
    )


RULE = Rule(id="request-no-such-type", category=Category.REQUEST, step=Step.REQUEST, check=check)
