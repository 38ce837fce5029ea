"""What the API server's authorizer was asked: who, which verb, on what. Read from the text of its refusal.

The refusal's text is the only place where a client can see who the server takes it for, so it is read with care: user
names may hold any character, the text before the authorizer's reason is HTML-escaped, and older servers leave out the
API group. Text: k8s.io/apiserver, endpoints/handlers/responsewriters/errors.go.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from typing import Self

from analyzers.decode import untrusted

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_REFUSAL = re.compile(
    rf"User (?P<user>{_QUOTED}|[^\s\"]+\"?) cannot \"?(?P<verb>[^\s\"]*)\"? "
    rf"(?:(?:path|on) (?P<path>{_QUOTED})"
    rf"|resource (?P<resource>{_QUOTED}) in API group (?P<group>{_QUOTED})"
    r'|"(?P<old>[a-z][\w.*/-]*)"(?: with name "[^"\n]*")?'  # OpenShift 3
    r"|(?:all )?(?P<bare>[a-z0-9*][\w.*/-]*)(?= in the namespace| in project| at the cluster scope| in the cluster))"
    rf"(?: in (?:the namespace|project) (?P<namespace>{_QUOTED})| at the cluster scope| in the cluster)?"
    r"(?:\.?: (?P<reason>.+)|\.?\s*$|[.,;]?\s)",
    re.DOTALL,
)
# Said without their API group, because nobody mistakes them.
_KNOWN_GROUPS = frozenset({"", "apps", "batch", "autoscaling", "policy", "networking.k8s.io", "storage.k8s.io",
                           "rbac.authorization.k8s.io", "coordination.k8s.io", "certificates.k8s.io"})  # fmt: skip
_CLUSTER_SCOPED = frozenset({"nodes", "namespaces", "persistentvolumes", "clusterroles", "clusterrolebindings",
                             "storageclasses", "customresourcedefinitions", "priorityclasses", "ingressclasses",
                             "certificatesigningrequests", "apiservices", "validatingwebhookconfigurations",
                             "mutatingwebhookconfigurations", "csidrivers", "csinodes", "volumeattachments",
                             "runtimeclasses", "componentstatuses", "flowschemas", "subjectaccessreviews",
                             "prioritylevelconfigurations", "selfsubjectaccessreviews", "selfsubjectrulesreviews",
                             "selfsubjectreviews", "tokenreviews", "validatingadmissionpolicies",
                             "validatingadmissionpolicybindings"})  # fmt: skip
_SAME_IN_SINGULAR = frozenset({"endpoints"})
_SUBRESOURCE_PHRASES = {
    ("log", "get"): "read the log of",
    ("exec", ""): "exec into",
    ("attach", ""): "attach to",
    ("portforward", ""): "forward ports to",
    ("eviction", "create"): "evict",
    ("binding", "create"): "bind to a node",
    ("token", "create"): "create a token for",
    ("scale", "get"): "read the scale of",
    ("scale", "update"): "scale",
    ("scale", "patch"): "scale",
    ("status", "get"): "read the status of",
    ("status", "update"): "change the status of",
    ("status", "patch"): "change the status of",
    ("finalize", "update"): "finalize",
    ("finalizers", "update"): "change the finalizers of",
    ("ephemeralcontainers", "patch"): "add ephemeral containers to",
    ("ephemeralcontainers", "update"): "add ephemeral containers to",
    ("approval", "update"): "approve",
    ("approval", "patch"): "approve",
    ("resize", "patch"): "resize",
    ("proxy", ""): "reach, through the API server's proxy,",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """One question to an authorizer, in RBAC's words; "" where a part does not apply.

    ``path`` is set for what is no resource, and then ``resource`` is "". ``name`` is not in the refusal's verb part and
    comes from the request or the Status. ``reason`` is what the authorizer added, such as ``RBAC: role … not found``.
    """

    user: str = ""
    verb: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    namespace: str = ""
    path: str = ""
    reason: str = ""

    @classmethod
    def of_refusal(cls, message: str, name: str = "") -> Self | None:
        """The question behind ``… is forbidden: User "jane" cannot list resource "pods" …``; None for another text."""
        found = _REFUSAL.search(message)
        if found is None:
            return None
        part = {key: unquote(html.unescape(value or "")) for key, value in found.groupdict().items() if key != "reason"}
        resource, _, subresource = part["resource"].partition("/")
        group = part["group"]
        if part["old"]:
            resource, _, subresource = part["old"].partition("/")
        if part["bare"]:  # before Kubernetes 1.12: deployments.extensions/scale, without quotes
            joined, _, subresource = part["bare"].partition("/")
            resource, _, group = joined.partition(".")
        return cls(
            user=part["user"] if found["user"] is None or found["user"].startswith('"') else part["user"].rstrip('"'),
            verb=part["verb"],
            group=group,
            resource=resource,
            subresource=subresource,
            name=name,
            namespace=part["namespace"],
            path=part["path"],
            reason=(found["reason"] or "").strip(),
        )

    @property
    def phrase(self) -> str:
        """What was to be done, after "may not": ``read the log of pod web in namespace prod``."""
        if self.path:
            return f"{self.verb} the path {self.path}"
        thing = self.thing
        if not self.subresource:
            verb = {"deletecollection": "delete all"}.get(self.verb, self.verb or "use")
            return f"{verb} {thing}"
        for verb in (self.verb, ""):
            if words := _SUBRESOURCE_PHRASES.get((self.subresource, verb)):
                return f"{words} {thing}"
        return f"{self.verb} the {self.subresource} of {thing}"

    @property
    def namespaced(self) -> bool:
        """Whether objects of this type live in namespaces, as far as the name of the type says it."""
        return not self.path and self.resource not in _CLUSTER_SCOPED

    @property
    def thing(self) -> str:
        """``pod web in namespace prod``, ``pods in namespace prod``, ``pods in all namespaces``, ``node n1``."""
        return thing(self.group, self.resource, self.name, self.namespace)


def thing(group: str, resource: str, name: str, namespace: str) -> str:
    """An object, or the objects of a type, as a person would say it; the API group only where it is not well known."""
    typed = resource if group in _KNOWN_GROUPS else f"{resource}.{group}"
    what = f"{singular(resource)}{typed[len(resource) :]} {name}" if name else typed
    if namespace and not (resource == "namespaces" and name):
        return f"{what} in namespace {namespace}"
    if name or resource in _CLUSTER_SCOPED:
        return what
    return f"{what} in all namespaces" if group in _KNOWN_GROUPS else f"{what} at the cluster scope"


def singular(resource: str) -> str:
    """``pod`` for ``pods``: the plural's ending undone, since no answer carries the singular."""
    if resource in _SAME_IN_SINGULAR or not resource.endswith("s") or resource.endswith("ss"):
        return resource
    if resource.endswith("ies"):
        return resource[:-3] + "y"
    if resource.endswith(("sses", "xes", "ches", "shes")):
        return resource[:-2]
    return resource[:-1]


def unquote(text: str) -> str:
    """A string as Go's %q printed it, without the quotes; text that is not quoted as it is."""
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    try:
        decoded = json.loads(text)
    except ValueError:
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return untrusted.text(decoded) if isinstance(decoded, str) else text[1:-1]
