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
# Without its request: kubectl and client-go name the group and mostly the version.
_NAMED = re.compile(
    r"(?:server APIs|GroupVersion discovery): (?P<group>[a-z][\w.-]*\.[\w.-]+)/(?P<version>v\w+)"
    r"|resource list for (?P<group2>[a-z][\w.-]*\.[\w.-]+)/(?P<version2>v\w+)"
    r"|\bhttps?://\S{1,300}?/apis/(?P<group3>[a-z][\w.-]*\.[\w.-]+)/(?P<version3>v\w+)"
    r"|(?<![\w.-])(?P<group4>[a-z][\w-]*(?:\.[\w-]+)+)/(?P<version4>v\w+): "
    r"(?:the server is currently unable|stale GroupVersion)"
    r"|(?P<metrics>Metrics API not available|[Mm]etrics not available)"
)
_METRICS = ("metrics.k8s.io", "v1beta1")
_TEXTS = re.compile(r"service unavailable|currently unable to handle the request|error trying to reach service|dial tcp"
                    r"|x509: |i/o timeout|deadline exceeded|no endpoints|EOF|connection re", re.IGNORECASE)  # fmt: skip

_METRICS_SERVER = Fix(
    "for metrics.k8s.io it is metrics-server: see that it is installed, and what it says:",
    by="a cluster administrator",
    commands=("kubectl logs -n kube-system deployment/metrics-server --since=15m",),
)


def check(facts: Facts) -> Finding | None:
    """503 for a group that the API server does not serve itself, or discovery that says of one that it is stale."""
    if stale := _stale(facts):
        return _finding(facts, stale, "", (evidence.answer(facts), Evidence('"freshness":"Stale"', "response body")))
    if not facts.exchange.request.known:
        return _without_request(facts)
    found = _GROUP_VERSION.search(facts.exchange.request.path)
    if answer.code(facts) not in (502, 503, 504) or found is None or _BUILT_IN.match(found["group"]):
        return None
    text = answer.said(facts)
    if answer.foreign(facts) or (text and not _TEXTS.search(text)) or answer.from_policy(facts):
        return None
    because = "" if "unavailable" in text or "unable to handle" in text else f": the server behind it {why(text)}"
    return _finding(facts, (found["group"], found["version"]), because, evidence.refused(facts))


def _without_request(facts: Facts) -> Finding | None:
    """The message alone: it has to name a group that the API server does not serve itself."""
    text = answer.told(facts)
    if not answer.failed(facts) or 0 < answer.code(facts) < 500 or answer.from_policy(facts) or "webhook" in text:
        return None
    found = _NAMED.search(text)
    if found is None:
        about = answer.subject(facts)
        if about is None or "." not in about.group or _BUILT_IN.match(about.group) or not _TEXTS.search(text):
            return None
        return _finding(facts, (about.group, dict([_METRICS]).get(about.group, "")), "", evidence.refused(facts))
    if found["metrics"]:
        return _finding(facts, _METRICS, "", evidence.refused(facts))
    if not _TEXTS.search(text) and "stale GroupVersion" not in text:
        return None
    group, version = next(
        (found[f"group{n}"], found[f"version{n}"]) for n in ("", "2", "3", "4") if found[f"group{n}"] is not None
    )
    if _BUILT_IN.match(group):
        return None
    quiet = "unavailable" in text or "unable to handle" in text or "stale GroupVersion" in text
    because = "" if quiet else f": the server behind it {why(text)}"
    return _finding(facts, (group, version), because, evidence.refused(facts))


def _finding(facts: Facts, api: tuple[str, str], because: str, shown: tuple[Evidence, ...]) -> Finding:
    group, version = api
    look = shlex.join(["kubectl", "get", "apiservice", f"{version}.{group}", "-o", "yaml"])
    if not version:
        look = f"kubectl get apiservices | grep {shlex.quote(group)}"
    called = f"{group}/{version}" if version else group
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.AGGREGATED_SERVER,
        step=RULE.step,
        summary=f"The API {called}, served by another program in the cluster, is not available{because}.",
        evidence=shown,
        fix=(
            Fix(
                "the condition Available says why, and spec.service which program it is:",
                commands=(look,),
            ),
            *((_METRICS_SERVER,) if group == _METRICS[0] else ()),
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
