"""Where a refused credential came from and why none was sent, on refusals of a real API server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange
from analyzers.finding import Finding
from analyzers.kubeconfig import User
from analyzers.kubeconfig.credential_source import CredentialSource
from analyzers.readers import wire_text

RULES = Path(__file__).parents[1] / "rules"
FILE = Path("/home/jane/.kube/config")
EKS = {
    "command": "/usr/local/bin/aws",
    "args": ["eks", "get-token", "--region", "eu-west-1", "--cluster-name", "prod", "--secret-key", "hunter2"],
    "env": [{"name": "AWS_PROFILE", "value": "ops"}, {"name": "AWS_SECRET_ACCESS_KEY", "value": "hunter3"}],
}


def recorded(rule: str, name: str = "hit") -> Exchange:
    (exchange,) = wire_text.read((RULES / rule / f"{name}.http").read_text())
    return exchange


def source(raw: Mapping[str, object]) -> CredentialSource:
    return CredentialSource.of(User.of("jane", FILE, raw))


def told(exchange: Exchange, credential: CredentialSource | None, context: str = "dev") -> Finding:
    user = credential.user if credential is not None else ""
    info = CommandInfo(exit_status=1, context=context, cluster="dev", user=user, credential=credential)
    finding = Story.of([exchange], info).finding
    assert finding is not None
    return finding


def evidence(finding: Finding) -> dict[str, str]:
    return {one.where: one.text for one in finding.evidence}


# A credential that was refused


def test_rejected_token_names_the_plugin_it_came_from_and_nothing_secret() -> None:
    finding = told(recorded("auth_token_rejected"), source({"exec": EKS}))
    assert evidence(finding)["kubeconfig"] == (
        "user jane of /home/jane/.kube/config: the credential plugin /usr/local/bin/aws eks get-token "
        "--region eu-west-1 --cluster-name prod AWS_PROFILE=ops"
    )
    assert "hunter" not in repr(finding)


def test_plugin_that_is_known_gives_the_login_as_first_fix() -> None:
    finding = told(recorded("auth_token_rejected"), source({"exec": EKS}))
    assert finding.fix[0].commands == (
        "aws sts get-caller-identity --profile ops",
        "aws eks update-kubeconfig --name prod --region eu-west-1 --profile ops",
    )


def test_plugin_that_is_not_known_is_named_in_the_fix() -> None:
    finding = told(recorded("auth_token_rejected"), source({"exec": {"command": "/opt/corp-login", "args": ["token"]}}))
    assert finding.fix[0].text == "log in again with corp-login, which the kubeconfig takes the credential from"


def test_static_token_is_said_to_be_renewed_by_nobody() -> None:
    finding = told(recorded("auth_token_expired"), source({"token": "secret"}))
    assert evidence(finding)["kubeconfig"].endswith("a token that stands in the file, so nothing renews it")


def test_token_file_is_named() -> None:
    finding = told(recorded("auth_token_expired"), source({"tokenFile": "/var/run/token"}))
    assert "the file /var/run/token" in evidence(finding)["kubeconfig"]
    assert finding.fix[0].text.startswith("see that /var/run/token is renewed")


def test_client_certificate_file_is_named() -> None:
    finding = told(recorded("auth_certificate_expired"), source({"client-certificate": "jane.crt", "client-key": "k"}))
    assert evidence(finding)["kubeconfig"].endswith("a client certificate, the file jane.crt")


def test_credential_on_the_command_line_is_said_to_stand_there() -> None:
    finding = told(recorded("auth_token_rejected"), CredentialSource(user="jane", kinds=("flag",)))
    assert evidence(finding)["command line"] == "the credential stands on the command line"


def test_token_is_not_laid_at_the_door_of_a_user_who_has_none() -> None:
    finding = told(recorded("auth_token_rejected"), source({"client-certificate": "jane.crt"}))
    assert "kubeconfig" not in evidence(finding)


def test_finding_stays_as_it_is_where_nothing_is_known_of_the_command() -> None:
    assert told(recorded("auth_token_rejected"), None) == told(recorded("auth_token_rejected"), None, context="")
    assert "kubeconfig" not in evidence(told(recorded("auth_token_rejected"), None))


# None was sent


@pytest.mark.parametrize(
    ("credential", "context", "why"),
    [
        (CredentialSource(), "dev", "context dev names no user"),
        (CredentialSource(), "", "no context of the kubeconfig is in effect, so there is no user either"),
        (CredentialSource(user="jane"), "dev", "the kubeconfig has no user jane"),
        (source({}), "dev", "user jane of /home/jane/.kube/config has no credential"),
        (source({"token": ""}), "dev", "user jane of /home/jane/.kube/config has a token that is empty"),
    ],
    ids=["no user", "no context", "missing user", "no credential", "empty token"],
)
def test_nobody_logged_in_says_why(credential: CredentialSource, context: str, why: str) -> None:
    finding = told(recorded("auth_anonymous"), credential, context)
    assert finding.summary.endswith(f" saw nobody logged in: {why}.")
    assert evidence(finding)["kubeconfig"] == why


def test_credential_that_plain_http_kept_back_is_the_reason() -> None:
    sent = recorded("auth_anonymous")
    over_http = replace(sent, request=replace(sent.request, scheme="http"))
    finding = told(over_http, source({"token": "secret"}))
    assert finding.summary.endswith(": user jane has a credential, but to a server at http:// no client sends it.")
    assert finding.fix[0].commands == ("kubectl config set-cluster dev --server=https://HOST:PORT",)


def test_ignored_credential_stays_the_reason_whatever_the_kubeconfig_has() -> None:
    finding = told(recorded("auth_anonymous", "hit_basic"), source({"username": "jane", "password": "secret"}))
    assert "a user name and password were sent" in finding.summary
    assert evidence(finding)["kubeconfig"].endswith("a user name and a password")
