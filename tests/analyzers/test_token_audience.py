"""What a rejected token was made for, where it tells that it was not for this API server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analyzers.classify import classify
from analyzers.decode.credential import Credential
from analyzers.login import AKS_SERVER_APPLICATION
from analyzers.readers import wire_text

REJECTED = Path(__file__).parent / "rules" / "auth_token_rejected" / "hit.http"
AZURE = "https://sts.windows.net/11111111-2222-3333-4444-555555555555/"
ACCOUNT = "system:serviceaccount:ci:deployer"


def summary(credential: Credential) -> str:
    (exchange,) = wire_text.read(REJECTED.read_text())
    (finding,) = classify(replace(exchange, credential=credential))
    assert finding.rule == "auth-token-rejected"
    return finding.summary


def of_account(issuer: str, *audiences: str) -> Credential:
    return Credential(kind="service-account-token", subject=ACCOUNT, issuer=issuer, audiences=audiences)


def test_azure_token_for_the_management_api_is_told_from_one_for_the_cluster() -> None:
    # What "az account get-access-token" gives without --resource.
    token = Credential(kind="jwt", issuer=AZURE, audiences=("https://management.core.windows.net/",))
    assert summary(token).endswith("does not accept the token: it was made for Azure's management API.")
    for_cluster = Credential(kind="jwt", issuer=AZURE, audiences=(AKS_SERVER_APPLICATION,))
    assert summary(for_cluster).endswith("does not accept the token.")


def test_service_account_token_for_another_service_names_that() -> None:
    assert summary(of_account("https://issuer.example", "vault")).endswith(f" of {ACCOUNT}: it was made for vault.")


@pytest.mark.parametrize(
    ("issuer", "audience"),
    [
        ("https://issuer.example", "https://issuer.example"),
        ("https://issuer.example", "https://kubernetes.default.svc"),
        ("https://oidc.eks.eu-west-1.amazonaws.com/id/X", "https://kubernetes.default.svc"),
        ("https://issuer.example", "k3s"),
    ],
)
def test_audience_that_an_api_server_may_well_have_is_not_blamed(issuer: str, audience: str) -> None:
    assert "made for" not in summary(of_account(issuer, audience))


def test_legacy_token_without_an_audience_is_not_blamed_for_it() -> None:
    assert "made for" not in summary(of_account("kubernetes/serviceaccount"))
