"""Who hides behind the name of a field manager, and what that means for one who wants its field."""

from __future__ import annotations

import re

from analyzers.finding import Fix

# Names that the programs give themselves; kubectl's begin with its own (kubectl-edit, kubectl-client-side-apply).
_KUBECTL = re.compile(r"^(?:kubectl(?:[-.].*)?|before-first-apply|oc)$")
_FROM_SOURCE = {
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "helm": "Helm",
    "Helm": "Helm",
    "HashiCorp": "Terraform",
    "Terraform": "Terraform",
    "terraform-provider-kubernetes": "Terraform",
    "pulumi-kubernetes": "Pulumi",
    "rancher": "Rancher",
    "eks": "Amazon EKS",
    "addon-manager": "the platform's add-on manager",
}
_REPLICAS = ".spec.replicas"


def advice(manager: str, field: str = "", subresource: str = "") -> Fix | None:
    """What to do about a field of ``manager``, None for one that says nothing by its name."""
    if field == _REPLICAS and (subresource == "scale" or manager == "kube-controller-manager"):
        return Fix(f"leave {_REPLICAS} out of your manifest: an autoscaler, or kubectl scale, sets it")
    if (tool := _tool(manager)) is not None:
        return Fix(f"change it where {tool} takes it from: what you take over by force here, {tool} will put back")
    if _KUBECTL.match(manager):
        return Fix(
            f"take it over: {manager} is somebody's kubectl, perhaps your own, and nothing that will set it again"
        )
    return None


def _tool(manager: str) -> str | None:
    return _FROM_SOURCE.get(manager) or ("Pulumi" if manager.startswith("pulumi-kubernetes-") else None)
