"""The check of archives is worth something: whatever is wrong in one way is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from analyzers.command import Story
from analyzers.output import har
from tests import har_schema
from tests.har_of_recordings import refused_connection, story, upgraded

GOOD: dict[str, Any] = json.loads(
    har.document(
        Story.of(
            [*story("get_pods_forbidden"), *story("apply_creates"), upgraded("1.36_exec"), refused_connection(99)]
        ),
        "1.0",
        bodies=True,
    )
)


def records(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every object stands that the specification describes."""
    found = [place] if isinstance(value, dict) else []
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        if not str(key).startswith("_"):
            found += records(part, (*place, key))
    return found


def at(document: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        document = document[key]
    return document


def changed(place: tuple[Any, ...], value: Any) -> list[str]:
    """What is said of the archive with ``value`` at ``place``."""
    document = copy.deepcopy(GOOD)
    at(document, place[:-1])[place[-1]] = value
    return har_schema.faults(document)


OBJECTS = records(GOOD)
FIELDS = [(*place, key) for place in OBJECTS for key in at(GOOD, place) if not key.startswith("_")]
FIRST = ("log", "entries", 0)
UPGRADED = ("log", "entries", next(at for at, one in enumerate(GOOD["log"]["entries"]) if "_webSocketMessages" in one))
OPTIONAL = {"pages", "postData", "compression", "text", "blocked", "dns", "connection", "serverIPAddress", "comment"}


def test_archive_of_real_recordings_is_accepted() -> None:
    assert har_schema.faults(GOOD) == []
    assert len(FIELDS) > 500


def test_null_is_refused_everywhere() -> None:
    assert [place for place in FIELDS if not changed(place, None)] == []


def test_value_of_another_type_is_refused_everywhere() -> None:
    assert [place for place in FIELDS if not changed(place, {"no": "such"})] == []
    assert [place for place in FIELDS if not changed(place, True)] == []


def test_field_that_the_specification_does_not_have_is_refused_everywhere() -> None:
    assert [place for place in OBJECTS if not changed((*place, "extra"), "")] == []
    assert changed(("log", "_extra"), "") == []


def test_field_that_is_required_may_not_be_missing() -> None:
    for place in FIELDS:
        if place[-1] in OPTIONAL | {"connect", "ssl", "encoding"}:
            continue
        document = copy.deepcopy(GOOD)
        del at(document, place[:-1])[place[-1]]
        assert har_schema.faults(document), place


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("log", "version"), "1.1"),
        ((*FIRST, "startedDateTime"), "2026-11-22T19:48:49.000"),
        ((*FIRST, "startedDateTime"), "22 Nov 2026"),
        ((*FIRST, "time"), -1),
        ((*FIRST, "time"), 1e6),
        ((*FIRST, "timings", "wait"), -1),
        ((*FIRST, "timings", "dns"), -2),
        ((*FIRST, "timings", "ssl"), 1e6),
        ((*FIRST, "connection"), ""),
        ((*FIRST, "serverIPAddress"), "localhost"),
        ((*FIRST, "request", "url"), "/api"),
        ((*FIRST, "request", "url"), "https://a/#b"),
        ((*FIRST, "request", "method"), ""),
        ((*FIRST, "request", "queryString"), []),
        ((*FIRST, "request", "bodySize"), 7),
        ((*FIRST, "request", "bodySize"), -2),
        ((*FIRST, "request", "postData"), {"mimeType": ""}),
        ((*FIRST, "request", "postData"), {"mimeType": "", "text": "", "params": []}),
        ((*FIRST, "response", "status"), 99),
        ((*FIRST, "response", "content", "size"), 1),
        ((*FIRST, "response", "content", "compression"), 1),
        ((*FIRST, "response", "content", "encoding"), "base64"),
        ((*FIRST, "response", "content", "encoding"), "gzip"),
        ((*UPGRADED, "_resourceType"), "fetch"),
        ((*UPGRADED, "request", "url"), "https://a/"),
        ((*UPGRADED, "_webSocketMessages", 0, "type"), "sent"),
        ((*UPGRADED, "_webSocketMessages", 0, "time"), None),
        ((*UPGRADED, "_webSocketMessages", 0, "opcode"), 2),
        ((*UPGRADED, "_webSocketMessages", 0, "more"), ""),
    ],
)
def test_value_that_the_specification_excludes_is_refused(place: tuple[Any, ...], value: Any) -> None:
    assert changed(place, value)


def test_number_that_json_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        har_schema.check(json.dumps(GOOD).replace('"headersSize": -1', '"headersSize": NaN', 1))
