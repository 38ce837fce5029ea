"""kubectl -v logs of both generations, recorded from real ones (tests/cluster/record_kubectl_logs.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzers.exchange import Exchange
from analyzers.explain import NOTHING_FOUND

from .conftest import Explain

RECORDINGS = sorted((Path(__file__).parent / "kubectl_log").glob("*.txt"))
RULES = {
    "forbidden": "rbac-denied",
    "unauthorized": "auth-token-rejected",
    "refused": "network-refused",
    "invalid": "request-invalid",
}


def named(*names: str) -> list[Path]:
    found = [path for path in RECORDINGS if path.stem.split("_", 1)[1].startswith(names)]
    assert found
    return found


def cause(explained: Explain, path: Path) -> Exchange:
    (item,) = explained(path.read_bytes())
    assert item.kind == "kubectl-log"
    assert item.story.cause is not None
    return item.story.cause.exchange


@pytest.mark.parametrize("path", named(*RULES), ids=lambda path: path.stem)
def test_log_of_a_failing_command_is_one_item_with_its_cause(explained: Explain, path: Path) -> None:
    (item,) = explained(path.read_bytes())
    assert {finding.rule for finding in item.findings} == {RULES[path.stem.split("_")[1]]}
    assert item.story.info.words.startswith("kubectl ")


@pytest.mark.parametrize("path", named("fine"), ids=lambda path: path.stem)
def test_log_of_a_good_command_holds_no_failure(explained: Explain, path: Path) -> None:
    (item,) = explained(path.read_bytes())
    assert item.findings == ()
    assert item.notes == (NOTHING_FOUND,)


@pytest.mark.parametrize("path", named("forbidden"), ids=lambda path: path.stem)
def test_request_is_read_at_every_level(explained: Explain, path: Path) -> None:
    exchange = cause(explained, path)
    assert exchange.request.method == "GET"
    assert exchange.request.path.startswith("/api/v1/namespaces/kube-system/secrets")
    assert exchange.response is not None
    assert (exchange.response.status, exchange.response.reason) == (403, "Forbidden")


@pytest.mark.parametrize("path", named("forbidden_v8", "forbidden_v9", "forbidden_v10"), ids=lambda path: path.stem)
def test_headers_and_body_of_the_answer_are_read(explained: Explain, path: Path) -> None:
    exchange = cause(explained, path)
    assert exchange.request.headers.get("Accept").startswith("application/json;as=Table")
    assert exchange.response is not None
    assert len(exchange.response.headers.get("Audit-Id")) == 36
    assert exchange.response.headers.get("X-Kubernetes-Pf-Flowschema-Uid")
    assert exchange.response.body is not None
    assert exchange.response.body.startswith(b'{"kind":"Status"')


@pytest.mark.parametrize("path", named("unauthorized"), ids=lambda path: path.stem)
def test_masked_token_is_known_as_a_bearer_token_and_no_header(explained: Explain, path: Path) -> None:
    exchange = cause(explained, path)
    assert exchange.credential is not None
    assert (exchange.credential.kind, exchange.credential.scheme) == ("opaque-token", "Bearer")
    assert "Authorization" not in exchange.request.headers


@pytest.mark.parametrize("path", named("refused"), ids=lambda path: path.stem)
def test_transport_error_gets_the_words_that_stand_elsewhere(explained: Explain, path: Path) -> None:
    exchange = cause(explained, path)
    assert exchange.failure is not None
    assert "connection refused" in exchange.failure.message
    assert exchange.request.authority == "127.0.0.1:1"


@pytest.mark.parametrize("path", named("invalid"), ids=lambda path: path.stem)
def test_body_that_was_sent_belongs_to_its_request(explained: Explain, path: Path) -> None:
    exchange = cause(explained, path)
    assert exchange.request.method == "POST"
    assert exchange.request.body is not None
    assert b'"team":"-ops-"' in exchange.request.body


def test_body_that_was_cut_off_is_read_as_its_beginning(explained: Explain) -> None:
    (item,) = explained(
        'I1122 10:00:00.000001    1 round_trippers.go:632] "Response" verb="GET" url="https://h/api/v1/pods" '
        'status="500 Internal Server Error" milliseconds=3\n'
        'I1122 10:00:00.000002    1 helper.go:246] "Response Body" body="{\\"kind\\":\\"Stat [truncated 9 chars]"\n'
    )
    assert item.story.cause is not None
    response = item.story.cause.exchange.response
    assert response is not None
    assert response.body == b'{"kind":"Stat'
    assert not response.body_complete


def test_unmasked_token_of_an_old_kubectl_does_not_stay(explained: Explain) -> None:
    (item,) = explained(
        "I1122 10:00:00.000001    1 round_trippers.go:383] GET https://h/api/v1/pods\n"
        "I1122 10:00:00.000002    1 round_trippers.go:390] Request Headers:\n"
        "I1122 10:00:00.000003    1 round_trippers.go:393]     Authorization: Bearer plain-old-token-0123456789\n"
        "I1122 10:00:00.000004    1 round_trippers.go:408] Response Status: 401 Unauthorized in 1 milliseconds\n"
    )
    assert item.findings[0].category == "auth"
    assert "plain-old-token" not in repr(item)


# Answered in protobuf, which encoding/hex.Dump shows: runtime.Unknown with a v1 Status of a 404 in it.
_DUMP = """\
I1122 10:00:00.000001    1 round_trippers.go:553] GET https://h/api/v1/pods/web 404 Not Found in 3 milliseconds
I1122 10:00:00.000002    1 request.go:1351] Response Body:
"""


def test_dump_of_a_body_is_read_as_its_bytes(explained: Explain) -> None:
    status = b"\x0a\x04\x0a\x00\x12\x00\x12\x07Failure\x1a\x03gon\x22\x08NotFound\x30\x94\x03"
    body = b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Status\x12" + bytes([len(status)]) + status
    rows = (body[at : at + 16] for at in range(0, len(body), 16))
    dump = "".join(f"{16 * place:08x}  {row.hex(' '):<47}   |x|\n" for place, row in enumerate(rows))
    (item,) = explained(_DUMP + dump)
    assert item.story.cause is not None
    response = item.story.cause.exchange.response
    assert response is not None
    assert response.body == body
