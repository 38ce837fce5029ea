from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from analyzers.decode.credential import Credential, decode

RECORDINGS = Path(__file__).parent / "recordings"
SIGNATURE = "c2lnbmF0dXJl"


def b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def jwt(claims: object, header: object = None) -> str:
    return f"{b64(json.dumps(header or {'alg': 'RS256'}))}.{b64(json.dumps(claims))}.{SIGNATURE}"


def of(value: str) -> Credential:
    found = decode([("Accept", "*/*"), ("authorization", value)])
    assert found is not None
    return found


def test_bound_service_account_token_is_read() -> None:
    header, claims = json.loads((RECORDINGS / "service_account_token.json").read_text())
    found = of(f"Bearer {jwt(claims, header)}")
    assert found == Credential(
        kind="service-account-token",
        scheme="Bearer",
        subject="system:serviceaccount:decoding:default",
        issuer="https://kubernetes.default.svc.cluster.local",
        audiences=("https://kubernetes.default.svc.cluster.local",),
        not_before=claims["nbf"],
        expires=claims["exp"],
        namespace="decoding",
    )
    assert found.phrase == "bearer token of system:serviceaccount:decoding:default"


def test_token_bound_to_a_pod_names_it() -> None:
    bound = {"namespace": "ci", "pod": {"name": "runner-1", "uid": "1"}, "serviceaccount": {"name": "deployer"}}
    found = of("bearer " + jwt({"sub": "system:serviceaccount:ci:deployer", "kubernetes.io": bound}))
    assert (found.namespace, found.pod, found.scheme) == ("ci", "runner-1", "bearer")


def test_legacy_service_account_token_never_expires() -> None:
    claims = {
        "iss": "kubernetes/serviceaccount",
        "kubernetes.io/serviceaccount/namespace": "ci",
        "kubernetes.io/serviceaccount/secret.name": "deployer-token-x",
        "kubernetes.io/serviceaccount/service-account.name": "deployer",
        "sub": "system:serviceaccount:ci:deployer",
    }
    found = of(f"Bearer {jwt(claims)}")
    assert (found.kind, found.namespace, found.expires) == ("service-account-token", "ci", None)


def test_oidc_token_is_said_to_be_of_the_person() -> None:
    claims = {
        "iss": "https://idp",
        "sub": "u-1",
        "email": "jane@example.com",
        "groups": ["dev"],
        "aud": "k8s",
        "exp": 9,
    }
    found = of(f"Bearer {jwt(claims)}")
    assert (found.kind, found.subject, found.username) == ("jwt", "u-1", "jane@example.com")
    assert (found.groups, found.audiences, found.expires) == (("dev",), ("k8s",), 9)
    assert found.phrase == "bearer token of jane@example.com"


def test_azure_token_is_said_to_be_of_the_upn() -> None:
    claims = {"iss": "https://sts.windows.net/t/", "sub": "abc", "upn": "jane@corp.example", "exp": 9.5}
    found = of(f"Bearer {jwt(claims)}")
    assert (found.username, found.expires) == ("jane@corp.example", 9)


def test_eks_token_expires_15_minutes_after_its_date() -> None:
    url = (
        "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261122%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date=20261122T120000Z"
        "&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=0123456789abcdef"
    )
    found = of(f"Bearer k8s-aws-v1.{b64(url)}")
    assert found == Credential(
        kind="eks-token",
        scheme="Bearer",
        issuer="sts.eu-west-1.amazonaws.com",
        not_before=1795348800,
        expires=1795348800 + 900,
    )
    assert found.phrase == "EKS token"


def test_google_token_is_opaque() -> None:
    assert of("Bearer ya29.a0AfB_byC") == Credential(kind="opaque-token", scheme="Bearer", issuer="Google")


def test_bootstrap_token_shows_its_public_half_only() -> None:
    found = of("Bearer abcdef.0123456789abcdef")
    assert found.subject == "system:bootstrap:abcdef"
    assert "0123456789abcdef" not in repr(found)


@pytest.mark.parametrize(
    "token", ["s3cr3t", "a.b.c", f"{b64('{}')}.{b64('{}')}.x", f"{b64('[1]')}.{b64('1')}.x", "x" * 300_000]
)
def test_other_tokens_say_nothing(token: str) -> None:
    assert of(f"Bearer {token}") == Credential(kind="opaque-token", scheme="Bearer")


def test_basic_shows_the_user_name_and_is_ignored() -> None:
    found = of("Basic " + base64.b64encode(b"jane:hunter2").decode())
    assert found == Credential(kind="basic", scheme="Basic", subject="jane", ignored=True)
    assert found.phrase == "user name and password of jane"


def test_basic_without_a_colon_shows_nothing() -> None:
    assert of("Basic " + base64.b64encode(b"hunter2").decode()).subject == ""


def test_token_after_two_spaces_is_read_and_ignored() -> None:
    found = of(f"Bearer  {jwt({'sub': 'jane'})}")
    assert (found.subject, found.ignored) == ("jane", True)


def test_bearer_without_a_token_is_ignored() -> None:
    assert of("Bearer ") == Credential(kind="other", scheme="Bearer", ignored=True)


def test_another_scheme_is_named_and_ignored() -> None:
    found = of("Negotiate YIIabc")
    assert found == Credential(kind="other", scheme="Negotiate", ignored=True)
    assert found.phrase == "Negotiate credential"


@pytest.mark.parametrize("value", ["hunter2hunter2hunter2", "ha!:x y", "hunter2"])
def test_bare_secret_is_not_taken_for_a_scheme(value: str) -> None:
    assert "h" not in of(value).scheme


def test_websocket_sub_protocol_is_a_bearer_token() -> None:
    protocol = f"v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.{b64(jwt({'sub': 'jane'}))}"
    found = decode([("Sec-WebSocket-Protocol", protocol)])
    assert found is not None
    assert (found.kind, found.subject, found.ignored) == ("jwt", "jane", False)


def test_authorization_comes_before_the_sub_protocol() -> None:
    protocol = f"base64url.bearer.authorization.k8s.io.{b64(jwt({'sub': 'jane'}))}"
    found = decode([("Sec-WebSocket-Protocol", protocol), ("Authorization", f"Bearer {jwt({'sub': 'bob'})}")])
    assert found is not None
    assert found.subject == "bob"


def test_first_of_two_authorizations_counts() -> None:
    found = decode([("Authorization", f"Bearer {jwt({'sub': 'a'})}"), ("Authorization", f"Bearer {jwt({'sub': 'b'})}")])
    assert found is not None
    assert found.subject == "a"


@pytest.mark.parametrize("fields", [[], [("Authorization", "")], [("Sec-WebSocket-Protocol", "v5.channel.k8s.io")]])
def test_no_credential_is_none(fields: list[tuple[str, str]]) -> None:
    assert decode(fields) is None


def test_no_part_of_a_token_is_kept() -> None:
    token = jwt({"sub": "jane", "jti": "unique-id", "exp": 1})
    assert not any(part in repr(of(f"Bearer {token}")) for part in (*token.split("."), "unique-id"))


def test_claims_of_the_wrong_type_are_left_out() -> None:
    claims = {"sub": ["jane"], "exp": "soon", "nbf": True, "aud": [1, "k8s"], "groups": {"a": 1}, "kubernetes.io": 3}
    assert of(f"Bearer {jwt(claims)}") == Credential(kind="jwt", scheme="Bearer", audiences=("k8s",))


def test_subject_cannot_paint_the_terminal() -> None:
    assert "\x1b" not in of(f"Bearer {jwt({'sub': 'jane' + chr(27) + '[2J' + chr(10) + 'x'})}").subject
