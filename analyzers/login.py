"""How a credential of this make is had anew: the login commands of the platforms, as far as they are known for sure.

Told by the credential plugin that the kubeconfig names, by who issued the token, by the server's name, and by the
certificate's issuer, in this order. Names of clusters and the like are filled in where one of these gives them; what is
not known stands in capitals.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzers.finding import Fix

if TYPE_CHECKING:
    from collections.abc import Callable

    from analyzers.decode.certificate import Certificate
    from analyzers.decode.credential import Credential
    from analyzers.facts import Facts
    from analyzers.kubeconfig.credential_source import CredentialSource

AKS_SERVER_APPLICATION = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The audience of every token for AKS (kubelogin, docs/book/src/concepts/aks.md)."""

_EKS_HOST = re.compile(r"\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\.eks\.amazonaws\.com(?:\.cn)?$")
_EKS_ISSUER = re.compile(r"^https://oidc\.eks\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")
_STS = re.compile(r"^sts\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\.")
_GKE_ISSUER = re.compile(
    r"^https://container\.googleapis\.com/v1/projects/(?P<project>[^/]+)/(?:locations|zones)/(?P<location>[^/]+)"
    r"/clusters/(?P<cluster>[^/]+)$"
)
_GKE_CONTEXT = re.compile(r"^gke_(?P<project>[^_]+)_(?P<location>[^_]+)_(?P<cluster>.+)$")
_EKS_CONTEXT = re.compile(r"^arn:aws[a-z-]*:eks:(?P<region>[^:]+):\d+:cluster/(?P<cluster>.+)$")
_AKS_HOST = re.compile(r"\.azmk8s\.io$")
_AZURE_ISSUER = re.compile(r"^https://(?:sts\.windows\.net|login\.microsoftonline\.(?:com|us)|login\.partner)")
_RANCHER_PATH = re.compile(r"^/k8s/clusters/[^/]+")
_K3S_ISSUER = re.compile(r"^(?:k3s|rke2)-client-ca@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What tells the platform; empty where nothing does. ``context`` is the kubeconfig's, which platforms name."""

    source: CredentialSource | None = None
    credential: Credential | None = None
    certificate: Certificate | None = None
    host: str = ""
    path_prefix: str = ""
    context: str = ""

    @classmethod
    def of(cls, facts: Facts, source: CredentialSource | None = None, context: str = "") -> Hints:
        """What an exchange shows, with what is known of the command."""
        exchange = facts.exchange
        host = exchange.request.path.rpartition(":")[0] if exchange.tunnel else exchange.request.host
        return cls(
            source=source,
            credential=facts.credential,
            certificate=facts.client_certificate,
            host=host,
            path_prefix=exchange.path_prefix,
            context=context,
        )

    def option(self, *names: str) -> str:
        """The value of an option of the credential plugin, "" where it is not known."""
        return self.source.option(*names) if self.source is not None else ""

    @property
    def words(self) -> tuple[str, ...]:
        """The plugin's subcommand."""
        return self.source.plugin[1:] if self.source is not None else ()

    @property
    def issuer(self) -> str:
        """Who issued the token, "" where it does not say."""
        return self.credential.issuer if self.credential is not None else ""

    @property
    def is_workload(self) -> bool:
        """Whether a service account asks: nobody logs in for it."""
        return self.credential is not None and self.credential.kind == "service-account-token"


def again(hints: Hints) -> Fix | None:
    """What to run for a new credential, None where the platform is not known."""
    if hints.is_workload:
        return None
    for recognise in (_by_plugin, _by_token, _by_server, _by_certificate):
        if (found := recognise(hints)) is not None:
            return found
    return None


def _by_plugin(hints: Hints) -> Fix | None:
    source = hints.source
    if source is None:
        return None
    if source.auth_provider in _AUTH_PROVIDERS:
        return _AUTH_PROVIDERS[source.auth_provider](hints)
    # Two programs are called kubelogin: Azure's, and the one that kubectl calls oidc-login.
    if source.option("--oidc-issuer-url") or "oidc-login" in hints.words or source.program == "kubectl-oidc_login":
        return _oidc_login(hints)
    make = _PLUGINS.get(source.program)
    return make(hints) if make is not None else None


def _by_token(hints: Hints) -> Fix | None:
    credential = hints.credential
    if credential is None:
        return None
    if credential.kind == "eks-token" or _EKS_ISSUER.match(credential.issuer):
        return _eks(hints)
    if credential.issuer == "Google" or _GKE_ISSUER.match(credential.issuer):
        return _gke(hints)
    if credential.issuer == "OpenShift":
        return _openshift(hints)
    if _AZURE_ISSUER.match(credential.issuer) and (
        AKS_SERVER_APPLICATION in credential.audiences or _AKS_HOST.search(hints.host)
    ):
        return _aks(hints)
    return None


def _by_server(hints: Hints) -> Fix | None:
    if _EKS_HOST.search(hints.host):
        return _eks(hints)
    if _AKS_HOST.search(hints.host):
        return _aks(hints)
    if _GKE_CONTEXT.match(hints.context):
        return _gke(hints)
    if _RANCHER_PATH.match(hints.path_prefix):
        return Fix("download the kubeconfig again from Rancher, or log in there anew: rancher login URL")
    return None


def _by_certificate(hints: Hints) -> Fix | None:
    certificate = hints.certificate
    if certificate is None:
        return None
    if _K3S_ISSUER.match(certificate.issuer_cn):
        product = certificate.issuer_cn.partition("-")[0]
        return Fix(
            f"take the kubeconfig again from the server; {product} renews its certificates when it restarts:",
            by="an administrator of the server",
            commands=(f"systemctl restart {product}{'-server' if product == 'rke2' else ''}",
                      f"cat /etc/rancher/{product}/{product}.yaml"),
        )  # fmt: skip
    if certificate.issuer_cn == "minikubeCA":
        return Fix("let minikube write the kubeconfig anew:", commands=("minikube update-context",))
    if hints.context.startswith("kind-"):
        name = shlex.quote(hints.context.removeprefix("kind-"))
        return Fix("let kind write the kubeconfig anew:", commands=(f"kind export kubeconfig --name {name}",))
    return None


# The platforms


def _eks(hints: Hints) -> Fix:
    context = _EKS_CONTEXT.match(hints.context)
    host, sts = _EKS_HOST.search(hints.host), _STS.match(hints.issuer)
    cluster = hints.option("--cluster-name", "-i", "--cluster-id") or (context["cluster"] if context else "CLUSTER")
    region = hints.option("--region", "AWS_REGION", "AWS_DEFAULT_REGION")
    region = region or next((found["region"] for found in (context, host, sts) if found), "REGION")
    profile = hints.option("--profile", "AWS_PROFILE")
    more = ["--profile", profile] if profile else []
    return Fix(
        "see whom AWS takes you for, and have the kubeconfig written anew:",
        commands=(
            shlex.join(["aws", "sts", "get-caller-identity", *more]),
            shlex.join(["aws", "eks", "update-kubeconfig", "--name", cluster, "--region", region, *more]),
        ),
    )


def _gke(hints: Hints) -> Fix:
    found = _GKE_CONTEXT.match(hints.context) or _GKE_ISSUER.match(hints.issuer)
    part = found.groupdict() if found else {"cluster": "CLUSTER", "location": "LOCATION", "project": "PROJECT"}
    get = ["gcloud", "container", "clusters", "get-credentials", part["cluster"]]
    return Fix(
        "log in to Google Cloud and have the kubeconfig written anew:",
        commands=(
            "gcloud auth login",
            shlex.join([*get, "--location", part["location"], "--project", part["project"]]),
        ),
    )


def _aks(hints: Hints) -> Fix:
    # az names the context as the cluster, with this ending for the administrator's.
    named = hints.context.removesuffix("-admin") if _AKS_HOST.search(hints.host) else ""
    cluster = shlex.quote(named) if named else "CLUSTER"
    return Fix(
        "log in to Azure and have the kubeconfig written anew:",
        commands=(
            "az login",
            f"az aks get-credentials --resource-group GROUP --name {cluster} --overwrite-existing",
            "kubelogin convert-kubeconfig -l azurecli",
        ),
    )


def _azure_kubelogin(hints: Hints) -> Fix:
    way = hints.option("--login", "-l")
    first = "az login" if way in ("", "azurecli") else "kubelogin remove-cache-dir"
    return Fix(
        "log in to Azure again; kubelogin then gets a new token, unless its settings are wrong:",
        commands=(first, f"kubelogin convert-kubeconfig -l {way or 'azurecli'}"),
    )


def _openshift(hints: Hints) -> Fix:
    server = f"https://{hints.host}:6443" if hints.host else "https://SERVER:6443"
    return Fix("log in to OpenShift again:", commands=(shlex.join(["oc", "login", server]),))


def _teleport(hints: Hints) -> Fix:
    proxy, cluster = hints.option("--proxy"), hints.option("--kube-cluster") or "CLUSTER"
    return Fix(
        "log in to Teleport again:",
        commands=(
            shlex.join(["tsh", "login", *([f"--proxy={proxy}"] if proxy else [])]),
            shlex.join(["tsh", "kube", "login", cluster]),
        ),
    )


def _oidc_login(_: Hints) -> Fix:
    return Fix(
        "forget the tokens that kubelogin keeps, and log in again:",
        commands=("rm -r ~/.kube/cache/oidc-login", "kubectl get --raw /version"),
    )


def _doctl(_: Hints) -> Fix:
    return Fix(
        "log in to DigitalOcean and have the kubeconfig written anew:",
        commands=("doctl auth init", "doctl kubernetes cluster kubeconfig save CLUSTER"),
    )


_PLUGINS: dict[str, Callable[[Hints], Fix]] = {
    "aws": _eks,
    "aws-iam-authenticator": _eks,
    "gke-gcloud-auth-plugin": _gke,
    "gcloud": _gke,
    "kubelogin": _azure_kubelogin,
    "tsh": _teleport,
    "doctl": _doctl,
}
_AUTH_PROVIDERS: dict[str, Callable[[Hints], Fix]] = {"gcp": _gke, "azure": _aks}
