"""How a credential is had anew, by plugin, token, server and certificate."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzers.decode.certificate import Certificate
from analyzers.decode.credential import Credential
from analyzers.kubeconfig import User
from analyzers.kubeconfig.credential_source import CredentialSource
from analyzers.login import AKS_SERVER_APPLICATION, Hints, again


def plugin(command: str, *arguments: str) -> CredentialSource:
    raw = {"exec": {"command": command, "args": list(arguments)}}
    return CredentialSource.of(User.of("jane", Path("config"), raw))


def token(issuer: str, *audiences: str) -> Credential:
    return Credential(kind="jwt", issuer=issuer, audiences=audiences)


EKS = "aws eks update-kubeconfig --name {} --region {}"
GKE = "gcloud container clusters get-credentials {} --location {} --project {}"
AKS = "az aks get-credentials --resource-group GROUP --name {} --overwrite-existing"
EKS_HOST = "0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com"


@pytest.mark.parametrize(
    ("hints", "command"),
    [
        (Hints(source=plugin("aws", "eks", "get-token", "--cluster-name", "a", "--region", "b")), EKS.format("a", "b")),
        (Hints(source=plugin("aws-iam-authenticator", "token", "-i", "a")), EKS.format("a", "REGION")),
        (Hints(credential=Credential(kind="eks-token", issuer="sts.us-east-2.amazonaws.com")),
         EKS.format("CLUSTER", "us-east-2")),
        (Hints(host=EKS_HOST), EKS.format("CLUSTER", "eu-west-1")),
        (Hints(host=EKS_HOST, context="arn:aws:eks:eu-west-1:123456789012:cluster/shop"),
         EKS.format("shop", "eu-west-1")),
        (Hints(source=plugin("gke-gcloud-auth-plugin"), context="gke_p_europe-west1_c"),
         GKE.format("c", "europe-west1", "p")),
        (Hints(credential=Credential(kind="opaque-token", issuer="Google")),
         GKE.format("CLUSTER", "LOCATION", "PROJECT")),
        (Hints(source=plugin("kubelogin", "get-token", "--login", "azurecli", "--server-id", AKS_SERVER_APPLICATION)),
         "az login"),
        (Hints(source=plugin("kubelogin", "get-token", "-l", "devicecode")), "kubelogin remove-cache-dir"),
        (Hints(credential=token("https://sts.windows.net/tenant/", AKS_SERVER_APPLICATION)), AKS.format("CLUSTER")),
        (Hints(host="shop-1.hcp.westeurope.azmk8s.io", context="shop"), AKS.format("shop")),
        (Hints(credential=Credential(kind="opaque-token", issuer="OpenShift"), host="api.example"),
         "oc login https://api.example:6443"),
        (Hints(source=plugin("/usr/bin/tsh", "kube", "credentials", "--kube-cluster=a", "--proxy=t.example:443")),
         "tsh kube login a"),
        (Hints(source=plugin("kubectl", "oidc-login", "get-token", "--oidc-issuer-url=https://dex.example")),
         "rm -r ~/.kube/cache/oidc-login"),
        (Hints(source=plugin("kubelogin", "get-token", "--oidc-issuer-url=https://dex.example")),
         "rm -r ~/.kube/cache/oidc-login"),
        (Hints(certificate=Certificate(issuer_cn="minikubeCA")), "minikube update-context"),
        (Hints(certificate=Certificate(issuer_cn="kubernetes"), context="kind-dev"),
         "kind export kubeconfig --name dev"),
        (Hints(certificate=Certificate(issuer_cn="k3s-client-ca@1700000000")), "systemctl restart k3s"),
    ],
)  # fmt: skip
def test_login_of_the_platform_is_named(hints: Hints, command: str) -> None:
    fix = again(hints)
    assert fix is not None
    assert command in fix.commands


@pytest.mark.parametrize(
    "hints",
    [
        Hints(),
        Hints(source=plugin("corp-login"), host="10.0.0.1"),
        Hints(credential=token("https://sts.windows.net/tenant/", "https://graph.microsoft.com"), host="10.0.0.1"),
        Hints(
            credential=Credential(kind="service-account-token", issuer="https://oidc.eks.eu-west-1.amazonaws.com/id/X")
        ),
    ],
    ids=["nothing known", "a plugin of one's own", "Azure, not for AKS", "a service account"],
)
def test_nothing_is_suggested_where_the_platform_is_not_sure(hints: Hints) -> None:
    assert again(hints) is None


def test_names_with_spaces_are_quoted() -> None:
    fix = again(Hints(source=plugin("aws", "eks", "get-token"), context="arn:aws:eks:eu-west-1:1:cluster/a b;rm"))
    assert fix is not None
    assert "'a b;rm'" in fix.commands[-1]
