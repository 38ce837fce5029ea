"""Whether the client asked again, told from the rest of the session."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange
from analyzers.finding import Finding
from analyzers.readers import wire_text

TESTS = Path(__file__).parents[1]
PLACES = ("the command's requests", "requests after this one")
ENDED = CommandInfo(argv=("/usr/bin/kubectl", "get", "pods"), exit_status=1)


def throttled(count: int, seconds: float = 1.0) -> list[Exchange]:
    (one,) = wire_text.read((TESTS / "rules/health_throttled/hit.http").read_text("utf-8"))
    timing = replace(one.timing, started=1000.0, connect=None, tls=None, wait=0.5, receive=None)
    return [
        replace(one, id=number + 1, timing=replace(timing, started=1000.0 + number * seconds))
        for number in range(count)
    ]


def evidence(exchanges: list[Exchange], info: CommandInfo = ENDED) -> list[str]:
    found: Finding | None = Story.of(exchanges, info).finding
    assert found is not None
    assert found.rule == "health-throttled"
    return [one.text for one in found.evidence if one.where in PLACES]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (2, "kubectl sent the same request 2 times within 1.0 s (requests 1 and 2), and then gave up"),
        (4, "kubectl sent the same request 4 times within 3.0 s (requests 1, 2, 3 and 4), and then gave up"),
        (11, "kubectl sent the same request 11 times within 10 s (requests 1 to 11), and then gave up"),
    ],
)
def test_attempts_are_counted(count: int, said: str) -> None:
    assert evidence(throttled(count)) == [said]


def test_client_that_does_not_ask_again_is_said_to_be_so() -> None:
    assert evidence(throttled(1)) == ["kubectl did not ask again, although the server said when to (Retry-After: 1)"]


def test_where_the_end_is_not_known_nothing_is_said_of_it() -> None:
    assert evidence(throttled(1), CommandInfo()) == [
        "no further attempt was seen; clients of client-go make one after 1 s"
    ]
    assert evidence(throttled(2), CommandInfo()) == [
        "the client sent the same request 2 times within 1.0 s (requests 1 and 2)"
    ]


def test_other_requests_are_no_attempts() -> None:
    first, second = throttled(2)
    other = replace(first, request=replace(first.request, path="/api/v1/nodes"))
    assert evidence([other, second]) == ["kubectl did not ask again, although the server said when to (Retry-After: 1)"]
