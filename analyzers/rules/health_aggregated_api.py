"""An API that another server provides is not available.

What you see
    Error from server (ServiceUnavailable): the server is currently unable to handle the request (get
    pods.metrics.k8s.io)
    error: Metrics API not available

Why it happens
    Some API groups (metrics.k8s.io, custom.metrics.k8s.io, …) are served by programs in the cluster, and the API server
    only passes the requests on. That program, its Service or its certificate is at fault; the API server is well.

What to do
    Look at the APIService of the group: its condition Available says why.

References
    - https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.webhook import why

if TYPE_CHECKING:
    from analyzers.facts import Facts

_GROUP_VERSION = re.compile(r"/apis/(?P<group>[^/?]+)/(?P<version>[^/?]+)")
# Served by the API server itself, so a 503 there is its own.
_BUILT_IN = re.compile(r"^(?:apps|batch|autoscaling|policy|extensions|(?:networking|storage|rbac\.authorization"
                       r"|authorization|authentication|certificates|coordination|discovery|events|node|scheduling"
                       r"|admissionregistration|apiextensions|apiregistration|flowcontrol\.apiserver|resource"
                       r"|storagemigration|internal\.apiserver)\.k8s\.io)$")  # fmt: skip
_TEXTS = re.compile(r"service unavailable|currently unable to handle the request|error trying to reach service|dial tcp"
                    r"|x509: |i/o timeout|deadline exceeded|no endpoints|EOF|connection re", re.IGNORECASE)  # fmt: skip


def check(facts: Facts) -> Finding | None:
    """503 for a group that the API server does not serve itself, or discovery that says of one that it is stale."""
    if stale := _stale(facts):
        return _finding(facts, stale, "", (evidence.answer(facts), Evidence('"freshness":"Stale"', "response body")))
    found = _GROUP_VERSION.search(facts.exchange.request.path)
    if answer.code(facts) not in (502, 503, 504) or found is None or _BUILT_IN.match(found["group"]):
        return None
    text = answer.said(facts)
    if answer.foreign(facts) or (text and not _TEXTS.search(text)) or answer.from_policy(facts):
        return None
    because = "" if "unavailable" in text or "unable to handle" in text else f": the server behind it {why(text)}"
    return _finding(facts, (found["group"], found["version"]), because, evidence.refused(facts))


def _finding(facts: Facts, api: tuple[str, str], because: str, shown: tuple[Evidence, ...]) -> Finding:
    name = f"{api[1]}.{api[0]}"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.AGGREGATED_SERVER,
        step=RULE.step,
        summary=f"The API {api[0]}/{api[1]}, served by another program in the cluster, is not available{because}.",
        evidence=shown,
        fix=(
            Fix(
                "the condition Available says why, and spec.service which program it is:",
                commands=(shlex.join(["kubectl", "get", "apiservice", name, "-o", "yaml"]),),
            ),
            Fix(
                "bring that program back, or delete the APIService if it is gone for good",
                by="a cluster administrator",
            ),
        ),
    )


def _stale(facts: Facts) -> tuple[str, str] | None:
    """Group and version that aggregated discovery, a 200, calls stale: nobody behind it answers."""
    response = facts.exchange.response
    if response is None or response.status != 200 or b'"Stale"' not in (response.body or b""):
        return None
    if "APIGroupDiscoveryList" not in response.headers.get("Content-Type"):
        return None
    try:
        for group in json.loads(response.body or b"")["items"]:
            for version in group["versions"]:
                if version.get("freshness") == "Stale":
                    return str(group["metadata"]["name"]), str(version["version"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return None


RULE = Rule(id="health-aggregated-api", category=Category.HEALTH, step=Step.PROCESSING, check=check)
