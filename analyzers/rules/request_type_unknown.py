"""The client asked the API server which types it has, and the one that was named is not among them.

What you see
    error: the server doesn't have a resource type "certificates"
    error: resource mapping not found for name: "web" namespace: "" from "web.yaml": no matches for kind "Certificate"
    in version "cert-manager.io/v1"
    ensure CRDs are installed first

Why it happens
    The CustomResourceDefinition or add-on is not installed (yet: a chart that brings type and object at once), the
    version was removed from Kubernetes, the name is misspelled, or the context means another cluster. Where discovery
    failed in part, for want of credentials or because an aggregated API is down, types are missing too.

What to do
    See which types and versions this server has, and install what is missing first.

References
    - https://kubernetes.io/docs/reference/using-api/deprecation-guide/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.rules import auth_nothing_discovered

if TYPE_CHECKING:
    from analyzers.facts import Facts

_RESOURCE = re.compile(
    r"the server doesn't have a resource type \\?\"(?P<resource>[^\"\\\n]*)\\?\""
    r"(?: in group \\?\"(?P<group>[^\"\\\n]*))?"
)
_KIND = re.compile(
    r"no (?:matches for )?kind \\?\"(?P<kind>[^\"\\\n]+)\\?\" (?:in|is registered for) (?:the )?"
    r"(?:version|group) \\?\"(?P<version>[^\"\\\n]*)"
)
_OTHER = re.compile(
    r"no matches for (?P<what>[a-z][\w.]*/[\w.]*, Resource=[\w-]+|[^\n]{1,120})|ensure CRDs are installed first"
)
_REMOVED = {
    "apps/v1beta1": "apps/v1", "apps/v1beta2": "apps/v1", "networking.k8s.io/v1beta1": "networking.k8s.io/v1",
    "policy/v1beta1": "policy/v1", "batch/v1beta1": "batch/v1", "autoscaling/v2beta1": "autoscaling/v2",
    "autoscaling/v2beta2": "autoscaling/v2", "rbac.authorization.k8s.io/v1beta1": "rbac.authorization.k8s.io/v1",
    "apiextensions.k8s.io/v1beta1": "apiextensions.k8s.io/v1", "storage.k8s.io/v1beta1": "storage.k8s.io/v1",
    "admissionregistration.k8s.io/v1beta1": "admissionregistration.k8s.io/v1",
    "certificates.k8s.io/v1beta1": "certificates.k8s.io/v1", "coordination.k8s.io/v1beta1": "coordination.k8s.io/v1",
    "discovery.k8s.io/v1beta1": "discovery.k8s.io/v1", "scheduling.k8s.io/v1beta1": "scheduling.k8s.io/v1",
}  # fmt: skip
_EXTENSIONS = {"Ingress": "networking.k8s.io/v1", "NetworkPolicy": "networking.k8s.io/v1"}


def check(facts: Facts) -> Finding | None:
    """client-go's words for a name that its discovery did not find."""
    text = printed(facts)
    resource, kind = _RESOURCE.search(text), _KIND.search(text)
    if auth_nothing_discovered.check(facts) is not None:
        return None
    if "ExecCredential" in text or "config file" in text or not (resource or kind or _OTHER.search(text)):
        return None
    if kind is not None:
        what, word = f"{kind['kind']} in {kind['version']}", kind["kind"]
    elif resource is not None:
        group = f" in group {resource['group']}" if resource["group"] else ""
        what, word = f"type {resource['resource']}{group}", resource["resource"].partition(".")[0]
    else:
        what, word = "such type", ""
    look = f"kubectl api-resources | grep -i {shlex.quote(word)}" if word else "kubectl api-resources"
    newer = _newer(kind["kind"], kind["version"]) if kind is not None else ""
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The client found no {what} among the types that this API server has.",
        evidence=evidence.refused(facts),
        fix=(
            *(
                (Fix(f"write {newer}: {kind['version']} was removed from Kubernetes"),)
                if kind is not None and newer
                else ()
            ),
            Fix("see what this server has:", commands=(look, "kubectl config view --minify")),
            Fix("install the CustomResourceDefinition or add-on first, and only then the objects of its types"),
        ),
    )


def _newer(kind: str, version: str) -> str:
    """The version that took the place of a removed one, "" where none is known."""
    if version == "extensions/v1beta1":
        return _EXTENSIONS.get(kind, "apps/v1")
    return _REMOVED.get(version, "")


RULE = Rule(id="request-type-unknown", category=Category.REQUEST, step=Step.REQUEST, check=check)
