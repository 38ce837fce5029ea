from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from analyzers.decode import status
from analyzers.decode.status import Cause, Details, Status
from analyzers.exchange import Exchange, Response

Recorded = Callable[[str], tuple[Exchange, ...]]


def answer(exchange: Exchange) -> Response:
    assert exchange.response is not None
    return exchange.response


def read(exchange: Exchange) -> Status:
    response = answer(exchange)
    found = status.decode(response.body, response.headers.get("Content-Type"))
    assert found is not None
    return found


def test_refusal_is_read_in_full(recorded: Recorded) -> None:
    forbidden, *_ = recorded("status_json")
    assert read(forbidden) == Status(
        status="Failure",
        message='pods is forbidden: User "jane" cannot list resource "pods" in API group "" '
        'in the namespace "decoding"',
        reason="Forbidden",
        code=403,
        details=Details(kind="pods"),
    )


def test_causes_of_an_invalid_object_are_read(recorded: Recorded) -> None:
    invalid = read(recorded("status_json")[2])
    assert (invalid.name, invalid.details.kind) == ("Bad_Name", "Pod")
    assert invalid.causes[1] == Cause(reason="FieldValueRequired", message="Required value", field="spec.containers")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_protobuf_says_what_json_says(recorded: Recorded, place: int) -> None:
    assert read(recorded("status_protobuf")[place]) == read(recorded("status_json")[place])


def test_protobuf_401_is_read(recorded: Recorded) -> None:
    assert read(recorded("status_protobuf")[3]) == Status(
        status="Failure", message="Unauthorized", reason="Unauthorized", code=401
    )


@pytest.mark.parametrize("place", [0, 1, 2])
def test_cbor_says_what_json_says(recorded: Recorded, place: int) -> None:
    assert read(recorded("status_cbor")[place]) == read(recorded("status_json")[place])


def test_status_in_cbor_behind_a_long_message_is_read() -> None:
    message = b"\x47message\x5a\x00\x01\x00\x00" + b"x" * 65536
    long = b"\xd9\xd9\xf7\xa3" + message + b"\x44kind\x46Status\x44code\x19\x01\xf4"
    found = status.decode(long)
    assert found is not None
    assert (found.code, len(found.message)) == (500, 65536)


@pytest.mark.parametrize("name", ["status_yaml", "status_pretty"])
def test_yaml_and_indented_json_say_the_same(recorded: Recorded, name: str) -> None:
    assert read(recorded(name)[0]) == read(recorded("status_json")[0])


def test_time_out_filter_without_kind_labelled_as_text_is_a_status(recorded: Recorded) -> None:
    (exchange,) = recorded("timeout_504")
    assert answer(exchange).headers.get("Content-Type").startswith("text/plain")
    assert (read(exchange).reason, read(exchange).code) == ("Timeout", 504)


def test_retry_after_is_read(recorded: Recorded) -> None:
    assert read(recorded("list_future")[0]).details.retry_after_seconds == 1


def test_text_is_no_status(recorded: Recorded) -> None:
    response = answer(recorded("text_404")[0])
    assert status.decode(response.body, response.headers.get("Content-Type")) is None


def test_success_is_no_failure(recorded: Recorded) -> None:
    deleted = read(recorded("secret_change")[4])
    assert (deleted.status, deleted.failure, deleted.details.kind) == ("Success", False, "secrets")


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "Status", "apiVersion": "example.com/v1", "status": {"phase": "Ready"}},
        {"kind": "Status", "apiVersion": "v1", "status": {"phase": "Ready"}},
        {"kind": "Pod", "status": "Failure", "message": "x"},
        {"status": "Failure"},
        {"status": "error", "message": "something else altogether"},
        [],
        "Status",
    ],
)
def test_other_documents_are_no_status(document: object) -> None:
    assert status.decode(json.dumps(document).encode(), "application/json") is None


def test_nothing_is_no_status() -> None:
    assert status.decode(None) is None
    assert status.decode(b"") is None


def test_fields_of_the_wrong_type_are_left_out() -> None:
    details = {"name": {}, "causes": [1, {"field": 2}]}
    body = {"kind": "Status", "apiVersion": "v1", "message": 7, "reason": [], "code": "403", "details": details}
    assert status.decode(json.dumps(body).encode()) == Status(details=Details(causes=(Cause(),)))


def test_half_a_surrogate_pair_in_a_message_can_be_printed() -> None:
    found = status.decode(b'{"kind":"Status","message":"a\\ud800b\\u001b[2J"}')
    assert found is not None
    assert found.message.encode() == "a?b\ufffd[2J".encode()


def test_status_behind_a_long_list_is_not_looked_for() -> None:
    assert status.decode(b'{"items":["' + b"x" * 100_000 + b'"],"kind":"Status"}') is None


def test_long_status_is_read() -> None:
    body = json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "x" * 100_000}).encode()
    found = status.decode(body)
    assert found is not None
    assert len(found.message) == 100_000


def test_event_holds_a_status(recorded: Recorded) -> None:
    found = status.decode_event(answer(recorded("watch_expired")[0]).error_event)
    assert found is not None
    assert (found.code, found.reason) == (410, "Expired")


def test_document_of_a_status_is_read_back(recorded: Recorded) -> None:
    for exchange in recorded("status_json"):
        found = read(exchange)
        assert status.decode(json.dumps(status.document(found)).encode()) == found


def test_continue_token_is_not_printed() -> None:
    found = status.decode(b'{"kind":"Status","code":410,"metadata":{"continue":"abc"}}')
    assert found is not None
    assert found.continue_token == "abc"
    assert "abc" not in repr(found)
