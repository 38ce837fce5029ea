"""What the demo shows: a command that works, a failure of each of the five categories, and one that is none of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One command of the demo. ``who`` names its kubeconfig, ``rule`` the finding that has to come of it, if any."""

    title: str
    arguments: tuple[str, ...]
    who: str = "admin"
    rule: str = ""


MANIFEST = "web.yaml"
_GET_PODS = ("get", "pods", "-n", "prod")

SCENES = (
    Scene(title="a command that works", arguments=_GET_PODS),
    Scene(
        title="auth: a token that the API server does not know",
        arguments=_GET_PODS,
        who="stranger",
        rule="auth-token-rejected",
    ),
    Scene(title="rbac: jane has no role in namespace prod", arguments=_GET_PODS, who="jane", rule="rbac-denied"),
    Scene(
        title="network: nobody listens where the kubeconfig leads",
        arguments=_GET_PODS,
        who="moved",
        rule="network-refused",
    ),
    Scene(
        title="health: the webhook that has to agree has no pods",
        arguments=("create", "configmap", "settings", "--from-literal=color=red", "-n", "prod"),
        rule="health-webhook",
    ),
    Scene(
        title="conflict: somebody else was faster",
        arguments=("replace", "-f", MANIFEST, "--validate=false"),
        rule="conflict-stale",
    ),
    Scene(
        title="request: none of the five, the name is misspelt",
        arguments=("get", "deployment", "wbe", "-n", "prod"),
        rule="request-not-found",
    ),
)
