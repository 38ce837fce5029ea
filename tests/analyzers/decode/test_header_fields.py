"""Impersonation, flow control and warnings: what stands in single header fields."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from analyzers.decode import flow_control, impersonation, warning
from analyzers.decode.flow_control import FlowControl
from analyzers.decode.impersonation import Impersonation
from analyzers.exchange import Exchange

Recorded = Callable[[str], tuple[Exchange, ...]]


def test_impersonation_is_read_with_its_escaped_extra_keys(recorded: Recorded) -> None:
    assert impersonation.decode(recorded("impersonation")[0].request.headers) == Impersonation(
        user="jane", groups=("ops",), extra=(("team/name", "blue"),)
    )


def test_groups_and_extra_values_may_repeat() -> None:
    fields = [
        ("impersonate-user", "jane"),
        ("Impersonate-Uid", "u-1"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-Scopes", "x"),
        ("Impersonate-Extra-Scopes", "y"),
    ]
    assert impersonation.decode(fields) == Impersonation(
        user="jane", uid="u-1", groups=("a", "b"), extra=(("scopes", "x"), ("scopes", "y"))
    )


def test_request_without_impersonation_is_none(recorded: Recorded) -> None:
    assert impersonation.decode(recorded("status_json")[0].request.headers) is None


def test_flow_control_is_read_from_a_refusal_too(recorded: Recorded) -> None:
    response = recorded("status_json")[0].response
    assert response is not None
    found = flow_control.decode(response.headers)
    assert found is not None
    assert len(found.flow_schema_uid) == len(found.priority_level_uid) == 36


def test_flow_control_is_none_before_it_was_reached(recorded: Recorded) -> None:
    response = recorded("status_protobuf")[3].response
    assert response is not None
    assert flow_control.decode(response.headers) is None


def test_half_of_flow_control_is_read() -> None:
    assert flow_control.decode([("X-Kubernetes-Pf-Flowschema-Uid", "a")]) == FlowControl(flow_schema_uid="a")


def test_warning_of_the_api_server_is_read(recorded: Recorded) -> None:
    response = recorded("extra_space")[0].response
    assert response is not None
    assert warning.decode(response.headers) == (
        "the provided Authorization header contains extra space before the bearer token, and is ignored",
    )


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ('299 - "a"', ("a",)),
        ('299 - "a", 299 agent "b"', ("a", "b")),
        (r'299 - "say \"hi\" \\ there" "Sun, 22 Nov 2026 16:54:18 GMT"', ('say "hi" \\ there',)),
        ('199 - "other code"', ()),
        ('299 - "gr\xc3\xbc\xc3\x9fe"', ("grüße",)),
        ('299 - "=?utf-8?q?gr=C3=BC=C3=9Fe?="', ("grüße",)),
        ('299 - "=?nonsense?q?=ZZ?="', ("=?nonsense?q?=ZZ?=",)),
        ("299 - unquoted", ()),
        ("", ()),
    ],
)
def test_warning_field_is_read(value: str, texts: tuple[str, ...]) -> None:
    assert warning.decode([("Warning", value)]) == texts


def test_several_warning_fields_are_read_in_order() -> None:
    assert warning.decode([("Warning", '299 - "a"'), ("warning", '299 - "b"')]) == ("a", "b")
