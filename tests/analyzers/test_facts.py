from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from analyzers.decode.credential import Credential
from analyzers.exchange import Exchange, Headers, Request, Response
from analyzers.facts import Facts
from analyzers.readers import wire_text

RECORDINGS = Path(__file__).parent / "decode" / "recordings"


@pytest.fixture
def facts() -> Callable[..., Facts]:
    """The facts of one recorded exchange."""

    def read(name: str, place: int = 0) -> Facts:
        return Facts.of(wire_text.read((RECORDINGS / f"{name}.http").read_text("utf-8"))[place])

    return read


def refused(message: str, code: int = 403, headers: dict[str, str] | None = None) -> Facts:
    """Facts of a plain-text refusal."""
    response = Response(status=code, headers=Headers((headers or {}).items()), body=message.encode())
    return Facts.of(Exchange(id=1, request=Request(method="GET", path="/metrics"), response=response))


def test_nothing_is_decoded_until_it_is_asked_for(facts: Callable[..., Facts]) -> None:
    read = facts("status_json")
    assert set(vars(read)) == {"exchange"}
    assert read.request_info is read.request_info
    assert set(vars(read)) == {"exchange", "request_info"}


def test_facts_of_a_refusal_are_those_on_the_wire(facts: Callable[..., Facts]) -> None:
    read = facts("status_json")
    assert read.request_info is not None
    assert read.request_info.phrase == "list pods in namespace decoding"
    assert read.status is not None
    assert read.status.reason == "Forbidden"
    assert read.text == ""
    assert len(read.audit_id) == 36
    assert read.flow_control is not None
    assert read.server_certificate is not None
    assert read.server_certificate.subject_cn == "kube-apiserver"


def test_status_of_an_expired_watch_is_that_of_its_error_event(facts: Callable[..., Facts]) -> None:
    read = facts("watch_expired")
    assert read.exchange.response is not None
    assert read.exchange.response.status == 200
    assert read.status is not None
    assert read.status.code == 410


def test_text_is_kept_where_there_is_no_status(facts: Callable[..., Facts]) -> None:
    read = facts("text_404")
    assert read.status is None
    assert read.text == "404 page not found\n"


def test_text_is_at_most_2048_characters() -> None:
    assert refused("é" * 3000).text == "é" * 2048


def test_text_of_other_bytes_can_be_printed() -> None:
    response = Response(status=502, body=b"\xff\xfe\x1b[2J")
    facts = Facts.of(Exchange(id=1, request=Request(method="GET"), response=response))
    assert facts.text == "\ufffd\ufffd\ufffd[2J"


def test_retry_after_is_read_in_seconds(facts: Callable[..., Facts]) -> None:
    assert facts("list_future").retry_after == 1
    assert facts("status_json").retry_after is None


@pytest.mark.parametrize("value", ["Sun, 22 Nov 2026 16:54:18 GMT", "-1", "1.5", "9" * 30, "١"])
def test_retry_after_that_no_client_obeys_is_none(value: str) -> None:
    assert refused("x", 429, {"Retry-After": value}).retry_after is None


def test_retry_after_of_a_pasted_status_is_read() -> None:
    message = '{"kind":"Status","status":"Failure","code":429,"details":{"retryAfterSeconds":10}}'
    assert refused(message, 429).retry_after == 10
    assert refused(message, 429, {"Content-Type": "application/json"}).retry_after is None


def test_warnings_are_read(facts: Callable[..., Facts]) -> None:
    assert "extra space" in facts("extra_space").warnings[0]


def test_user_is_whom_the_refusal_names(facts: Callable[..., Facts]) -> None:
    assert facts("status_json").user == "jane"
    assert facts("status_protobuf").user == "jane"
    assert facts("extra_space").user == "system:anonymous"
    assert facts("text_403_path").user == "jane"


@pytest.mark.parametrize(
    ("quoted", "user"),
    [
        ("system:serviceaccount:ci:deployer", "system:serviceaccount:ci:deployer"),
        ("https://idp.example/#jane@example.com", "https://idp.example/#jane@example.com"),
        (r"DOMAIN\\jane", "DOMAIN\\jane"),
        (r"the \"boss\"", 'the "boss"'),
        ("o&#39;hara", "o'hara"),
        ("jane &amp; joe", "jane & joe"),
        ("J\u00fcrgen", "Jürgen"),
    ],
)
def test_user_name_may_hold_any_character(quoted: str, user: str) -> None:
    assert refused(f'forbidden: User "{quoted}" cannot get path "/metrics"').user == user


def test_user_is_not_taken_from_a_policys_words() -> None:
    assert refused('admission webhook "w" denied the request: User "x" cannot get path "/y"').user == ""


def test_user_is_not_taken_from_other_answers() -> None:
    assert refused('User "x" cannot get path "/y"', 500).user == ""


def test_user_is_else_whoever_is_impersonated(facts: Callable[..., Facts]) -> None:
    exchange = facts("impersonation").exchange
    assert Facts.of(Exchange(id=1, request=exchange.request)).user == "jane"


def test_user_is_else_the_certificates_common_name() -> None:
    story = wire_text.read((Path(__file__).parent / "stories" / "get_pods.http").read_text("utf-8"))[0]
    read = Facts.of(story)
    assert read.client_certificate is not None
    assert read.user == read.client_certificate.subject_cn != ""


@pytest.mark.parametrize(("username", "user"), [("jane@example.com", "jane@example.com"), ("", "u-1")])
def test_user_is_else_the_tokens_subject(username: str, user: str) -> None:
    credential = Credential(kind="jwt", subject="u-1", username=username)
    assert Facts.of(Exchange(id=1, request=Request(method="GET"), credential=credential)).user == user


def test_tunnel_has_no_request_info() -> None:
    assert Facts.of(Exchange(id=1, request=Request(method="CONNECT", path="h:443"))).request_info is None


def test_exchange_without_an_answer_has_no_facts_of_one() -> None:
    read = Facts.of(Exchange(id=1, request=Request(method="GET")))
    assert (read.status, read.text, read.audit_id, read.flow_control) == (None, "", "", None)
    assert (read.retry_after, read.warnings, read.client_certificate, read.user) == (None, (), None, "")
