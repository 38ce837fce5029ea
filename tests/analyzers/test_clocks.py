"""The client's clock against the server's, on answers of a real API server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analyzers import clocks
from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange, Headers
from analyzers.output.text import render
from analyzers.readers import wire_text

HERE = Path(__file__).parent


def pods(ahead: float = 0) -> Exchange:
    """A list that was answered, by a client whose clock is ``ahead`` of the server's by so many seconds."""
    *_, listed = wire_text.read((HERE / "stories" / "get_pods.http").read_text())
    return replace(listed, timing=replace(listed.timing, started=listed.timing.started + ahead))


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(-600, "10 min behind"), (3600, "60 min ahead of"), (2 * 86400, "2 days ahead of")],
)
def test_clocks_that_differ_are_a_note_where_nothing_failed(ahead: float, words: str) -> None:
    report = render(Story.of([pods(ahead)], CommandInfo(exit_status=0)))
    assert f"This machine's clock is {words} the API server's." in " ".join(report.split())
    assert report.splitlines()[1].startswith("ok: ")


@pytest.mark.parametrize("ahead", [0, 30, -30])
def test_clocks_that_nearly_agree_are_not_worth_a_word(ahead: float) -> None:
    assert Story.of([pods(ahead)], CommandInfo(exit_status=0)).notices == ()


def test_finding_that_names_the_clocks_is_not_followed_by_the_note() -> None:
    (skewed,) = wire_text.read((HERE / "rules" / "auth_clock_skew" / "hit.http").read_text())
    told = Story.of([skewed], CommandInfo(exit_status=1))
    assert told.finding is not None
    assert told.finding.rule == "auth-clock-skew"
    assert told.notices == ()


def test_answer_of_a_cache_does_not_show_the_servers_clock() -> None:
    listed = pods(3600)
    assert listed.response is not None
    aged = replace(listed.response, headers=Headers((*listed.response.headers, ("Age", "3600"))))
    assert clocks.of(replace(listed, response=aged)) is None


def test_request_without_a_time_has_no_clock() -> None:
    listed = pods()
    assert clocks.of(replace(listed, timing=replace(listed.timing, started=0.0))) is None
