"""Time that a client spent on itself, in real traffic (sessions/*.http) and in the gaps that must not look like it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers import pacing
from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange, Request, Response, Timing
from analyzers.output import json as json_report
from analyzers.output import text
from analyzers.readers import wire_text

RECORDINGS = Path(__file__).parent / "sessions"
steady = settings(derandomize=True, deadline=None, max_examples=200)


def recorded(name: str) -> tuple[Exchange, ...]:
    return wire_text.read((RECORDINGS / f"{name}.http").read_text("utf-8"))


def series(count: int, interval: float, seconds: float = 0.01, path: str = "/api/v1/pods/p{}") -> list[Exchange]:
    return [
        Exchange(
            id=number + 1,
            request=Request(method="GET", path=path.format(number)),
            response=Response(status=200),
            timing=Timing(started=1000 + number * interval, wait=seconds),
        )
        for number in range(count)
    ]


def test_drain_is_seen_to_hold_its_evictions_back() -> None:
    found = pacing.held_back(recorded("drain_held_back"))
    assert found is not None
    assert found.interval == pytest.approx(0.2, abs=0.004)
    assert found.count >= 15
    assert found.waited > found.elapsed / 2
    assert "5 a second is client-go's limit" in found.note


def test_discovery_of_hundreds_of_groups_is_a_storm() -> None:
    found = pacing.discovery_storm(recorded("discovery_storm"))
    assert found is not None
    assert (found.count, found.of) == (354, 355)
    assert found.seconds > found.elapsed / 2


@pytest.mark.parametrize(
    "name", ["many_connections", "one_after_another", "without_headers", "side_by_side", "misspelt_name"]
)
def test_quick_commands_have_no_notes(name: str) -> None:
    assert pacing.notes(recorded(name)) == ()


def test_notes_are_in_both_reports() -> None:
    told = Story.of(recorded("drain_held_back"), CommandInfo(argv=("kubectl", "drain"), exit_status=0))
    assert "client held them back" in " ".join(text.render(told).split())
    (note,) = [note for note in json_report.document(told)["notes"] if note["request"] is None]
    assert "held them back" in note["text"]


def test_even_requests_are_held_back() -> None:
    found = pacing.held_back(series(20, 0.02, 0.002))
    assert found is not None
    assert (found.first, found.last, found.count) == (1, 20, 20)
    assert "50 a second is kubectl's limit for discovery" in found.note


def test_rate_that_is_no_known_limit_is_only_named() -> None:
    found = pacing.held_back(series(20, 0.1))
    assert found is not None
    assert found.note.endswith("; 10 a second")


@pytest.mark.parametrize(
    "exchanges",
    [
        series(7, 0.2),
        series(30, 0.2, 0.19),
        series(30, 0.2, path="/api/v1/pods/web"),
        series(30, 3.0),
        series(30, 0.001, 0.0001),
        [replace(one, timing=replace(one.timing, started=one.timing.started * 1.5**one.id)) for one in series(30, 0.2)],
        [replace(one, timing=Timing()) for one in series(30, 0.2)],
    ],
    ids=["few", "answers are awaited", "one object", "slow", "fast", "uneven", "no times"],
)
def test_gaps_that_prove_nothing_are_not_noted(exchanges: list[Exchange]) -> None:
    assert pacing.notes(exchanges) == ()


def test_watch_that_is_open_does_not_hide_the_gaps() -> None:
    watch = Exchange(
        id=99,
        request=Request(method="GET", path="/api/v1/pods?watch=1"),
        response=Response(status=200),
        timing=Timing(started=1000, wait=60),
    )
    assert pacing.held_back([watch, *series(20, 0.2)]) is not None


def test_requests_that_wait_for_another_one_are_not_held_back() -> None:
    slow = replace(series(1, 0, 10)[0], id=99)
    assert pacing.held_back([slow, *series(20, 0.2, path="/api/v1/services/p{}")]) is None


@steady
@given(
    st.lists(
        st.tuples(
            st.floats(0, 2e9),
            st.floats(0, 100),
            st.sampled_from(["/api", "/apis/a/v1", "/api/v1/pods/{}", "/x?watch=1"]),
        ),
        max_size=60,
    )
)
def test_notes_are_total(sent: list[tuple[float, float, str]]) -> None:
    exchanges = [
        replace(one, request=replace(one.request, path=path.format(one.id)), timing=Timing(started=at, wait=wait))
        for one, (at, wait, path) in zip(series(len(sent), 0), sent, strict=True)
    ]
    assert all("\n" not in note for note in pacing.notes(exchanges))
