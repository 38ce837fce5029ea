from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers.streams.watch import KEPT, TYPES, UNKNOWN, Watch, WatchEvent

ERROR = (
    b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}}'
)
NAMESPACE = WatchEvent(type="ADDED", at=100.0, kind="Namespace", name="prod", resource_version="7", content_bytes=312)
POD = WatchEvent(
    type="MODIFIED", at=100.012, kind="Pod", namespace="prod", name="web", resource_version="48211", content_bytes=7324
)
BOOKMARK = WatchEvent(
    type="BOOKMARK", at=130.5, kind="Pod", resource_version="48300", initial_events_end=True, content_bytes=140
)
FAILED = WatchEvent(type="ERROR", at=140.0, kind="Status", content_bytes=185)
WATCH = Watch(
    first=(NAMESPACE, POD, BOOKMARK, FAILED),
    counts=(("ADDED", 1), ("MODIFIED", 1), ("BOOKMARK", 1), ("ERROR", 1)),
    content_bytes=7965,
    resource_version="48300",
    initial_events_end=130.5,
    error_event=ERROR,
)
steady = settings(derandomize=True, deadline=None, max_examples=200)


def test_phrase_says_how_many_of_what_in_which_time() -> None:
    assert WATCH.phrase == "4 events in 40 s: 1 ADDED, 1 MODIFIED, 1 BOOKMARK, 1 ERROR; resourceVersion 48300"


def test_phrase_of_little_says_little() -> None:
    assert Watch().phrase == "no events"
    one = Watch(first=(FAILED,), counts=(("ERROR", 1),))
    assert one.phrase == "1 event: 1 ERROR"


def test_lines_tell_an_event_each_in_columns() -> None:
    assert WATCH.lines() == (
        "        ADDED     Namespace  prod      7       312 B",
        "+12 ms  MODIFIED  Pod        prod/web  48211  7.3 KB",
        " +30 s  BOOKMARK  Pod                  48300   140 B  end of the initial events",
        "+9.5 s  ERROR     Status                       185 B  410 Expired",
    )


def test_watch_without_events_has_no_lines() -> None:
    assert Watch().lines() == ()


def long(events: int) -> Watch:
    kept = [replace(POD, name=f"n{number}", at=float(number)) for number in range(events)]
    return Watch(first=tuple(kept[:KEPT]), last=tuple(kept[KEPT:][-KEPT:]), counts=(("MODIFIED", events),))


def test_line_stands_for_the_events_left_out() -> None:
    lines = long(1404).lines()
    assert len(lines) == 2 * KEPT + 1
    assert lines[KEPT] == "… 1,204 events left out …"
    assert "prod/n99 " in lines[KEPT - 1]
    assert "prod/n1304 " in lines[KEPT + 1]
    assert not lines[KEPT + 1].lstrip().startswith("+")  # nobody knows when the one before came
    assert lines[KEPT + 2].lstrip().startswith("+1.0 s")
    assert long(1404).phrase.startswith("1,404 events in 23 min: 1,404 MODIFIED")


@pytest.mark.parametrize("events", [KEPT, KEPT + 1, 2 * KEPT])
def test_no_line_is_between_events_of_which_none_was_left_out(events: int) -> None:
    lines = long(events).lines()
    assert len(lines) == events
    assert all(line.lstrip().startswith("+1.0 s") for line in lines[1:])


def test_one_event_left_out_is_said_in_the_singular() -> None:
    assert long(2 * KEPT + 1).lines()[KEPT] == "… 1 event left out …"


def test_lines_do_nothing_to_a_terminal() -> None:
    hostile = "a\x1b[2J\u202e\u2060\n\r"
    event = WatchEvent(type="ADDED", at=1.0, kind=hostile, namespace=hostile, name=hostile, resource_version=hostile)
    watch = Watch(first=(event,), counts=(("ADDED", 1),), resource_version=hostile)
    read = Watch.read(watch.document())
    assert read is not None
    for text in (*read.lines(), read.phrase):
        assert text.isprintable()
    for text in (*watch.lines(), watch.phrase):
        assert not {"\x1b", "\r", "\u202e", "\u2060"} & set(text)


def test_document_tells_everything_but_the_error_event() -> None:
    document = WATCH.document()
    assert document == {
        "eventCounts": {"ADDED": 1, "MODIFIED": 1, "BOOKMARK": 1, "ERROR": 1},
        "contentBytes": 7965,
        "resourceVersion": "48300",
        "initialEventsEnd": 130.5,
        "first": [
            {"type": "ADDED", "at": 100.0, "kind": "Namespace", "name": "prod", "resourceVersion": "7",
             "contentBytes": 312},
            {"type": "MODIFIED", "at": 100.012, "kind": "Pod", "namespace": "prod", "name": "web",
             "resourceVersion": "48211", "contentBytes": 7324},
            {"type": "BOOKMARK", "at": 130.5, "kind": "Pod", "resourceVersion": "48300", "initialEventsEnd": True,
             "contentBytes": 140},
            {"type": "ERROR", "at": 140.0, "kind": "Status", "contentBytes": 185},
        ],
        "leftOut": 0,
        "last": [],
    }  # fmt: skip
    assert long(1404).document()["leftOut"] == 1204


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf"]), max_size=20)
counts = st.integers(0, 1 << 50)
moments = st.integers(0, 1 << 42).map(lambda milliseconds: round(milliseconds / 1000, 3))
events = st.builds(
    WatchEvent,
    type=st.sampled_from([*TYPES, UNKNOWN]),
    at=moments,
    kind=names,
    namespace=names,
    name=names,
    resource_version=names,
    initial_events_end=st.booleans(),
    content_bytes=counts,
)
watches = st.builds(
    Watch,
    first=st.lists(events, max_size=5).map(tuple),
    last=st.lists(events, max_size=5).map(tuple),
    counts=st.lists(st.integers(1, 1 << 40), min_size=len(TYPES) + 1, max_size=len(TYPES) + 1).map(
        lambda found: tuple(zip((*TYPES, UNKNOWN), found, strict=True))
    ),
    content_bytes=counts,
    resource_version=names,
    initial_events_end=st.none() | moments,
    error_event=st.none() | st.binary(max_size=5),
)


@steady
@given(watch=watches)
def test_document_is_read_without_loss(watch: Watch) -> None:
    assert Watch.read(json.loads(json.dumps(watch.document())), watch.error_event) == watch


@pytest.mark.parametrize("document", [None, 1, "", [], {}, {"eventCounts": None}, {"eventCounts": []}, {"items": 3}])
def test_what_is_no_watch_is_read_as_none(document: object) -> None:
    assert Watch.read(document) is None


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(TYPES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
fields = ("type", "at", "kind", "namespace", "name", "resourceVersion", "initialEventsEnd", "contentBytes")


@steady
@given(
    document=st.fixed_dictionaries(
        {"eventCounts": st.dictionaries(st.sampled_from([*TYPES, "other"]), anything)},
        optional={
            "contentBytes": anything,
            "resourceVersion": anything,
            "initialEventsEnd": anything,
            "leftOut": anything,
            "first": anything
            | st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(fields, anything)), max_size=4),
            "last": anything,
        },
    )
)
def test_any_document_is_read_and_shown(document: dict[str, Any]) -> None:
    found = Watch.read(document)
    assert found is not None
    for text in (found.phrase, *found.lines()):
        text.encode()
    assert Watch.read(json.loads(json.dumps(found.document(), allow_nan=False))) == found


def test_no_more_events_are_read_than_are_kept() -> None:
    event = POD.document()
    found = Watch.read({"eventCounts": {}, "first": [event] * 5000, "last": [event] * 5000})
    assert found is not None
    assert len(found.first) == len(found.last) == KEPT
