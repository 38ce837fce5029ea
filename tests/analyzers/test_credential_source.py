"""Where a credential comes from, as the kubeconfig's user says it, and never the credential."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.kubeconfig import User
from analyzers.kubeconfig.credential_source import CredentialSource

FILE = Path("/home/jane/.kube/config")
SECRET = "hunter2-hunter2"


def source(**raw: Any) -> CredentialSource:
    return CredentialSource.of(User.of("jane", FILE, raw))


@pytest.mark.parametrize(
    "raw",
    [
        {"token": SECRET},
        {"username": "jane", "password": SECRET},
        {"client-certificate-data": SECRET, "client-key-data": SECRET},
        {"exec": {"command": "login", "args": ["get-token", "--oidc-client-secret", SECRET, f"--token={SECRET}"]}},
        {"exec": {"command": "login", "env": [{"name": "AWS_SESSION_TOKEN", "value": SECRET}]}},
        {"auth-provider": {"name": "oidc", "config": {"id-token": SECRET, "refresh-token": SECRET}}},
    ],
    ids=["token", "basic", "certificate", "plugin's arguments", "plugin's variables", "auth provider"],
)
def test_nothing_that_grants_access_is_kept(raw: dict[str, Any]) -> None:
    found = source(**raw)
    assert SECRET not in repr(found)
    assert SECRET not in found.phrase


def test_plugin_is_named_with_its_subcommand_and_what_only_names_something() -> None:
    found = source(exec={"command": "C:\\bin\\aws.exe", "args": ["eks", "get-token", "--cluster-name=prod", "--debug"]})
    assert found.program == "aws"
    assert found.plugin[1:] == ("eks", "get-token")
    assert found.option("-i", "--cluster-name") == "prod"


def test_kinds_are_told_in_the_order_in_which_the_client_looks() -> None:
    found = source(token="x", **{"client-certificate": "jane.crt", "client-key": "jane.key"})
    assert found.kinds == ("token", "client-certificate")
    assert found.paths == ("jane.crt",)


def test_field_without_a_value_is_told_as_empty() -> None:
    assert source(token="").holds == "a token that is empty"
    assert source().holds == "no credential"


FIELDS = (
    "exec",
    "command",
    "args",
    "env",
    "name",
    "value",
    "token",
    "tokenFile",
    "auth-provider",
    "client-certificate",
)
stanzas = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(FIELDS), stanzas))
def test_any_stanza_is_read(raw: dict[str, Any]) -> None:
    found = source(**raw)
    assert found.phrase.startswith("user jane of ")
    assert isinstance(found.option("-i"), str)
