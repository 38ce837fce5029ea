"""Commands told apart in recordings of several: sessions/*.http, made by sessions/record.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analyzers import grouping
from analyzers.exchange import Connection, Exchange, Failure, Headers, Request, Response, Timing
from analyzers.grouping import group
from analyzers.readers import wire_text

RECORDINGS = Path(__file__).parent / "sessions"


def recorded(name: str) -> tuple[Exchange, ...]:
    return wire_text.read((RECORDINGS / f"{name}.http").read_text("utf-8"))


def without_header(exchanges: tuple[Exchange, ...]) -> tuple[Exchange, ...]:
    def cleaned(request: Request) -> Request:
        return replace(request, headers=Headers([f for f in request.headers if f[0] != "Kubectl-Session"]))

    return tuple(replace(exchange, request=cleaned(exchange.request)) for exchange in exchanges)


def ids(exchanges: tuple[Exchange, ...]) -> list[list[int]]:
    return sorted([exchange.id for exchange in one] for one in group(exchanges))


def asked(
    number: int, at: float, seconds: float = 0.01, *, path: str = "/api/v1/pods", connection: str = "",
    session: str = "", agent: str = "helm", body: bytes | None = None, **rest: object,
) -> Exchange:  # fmt: skip
    headers = [("User-Agent", agent)] + ([("Kubectl-Session", session)] if session else [])
    found = Exchange(
        id=number,
        request=Request(method="GET", host="h", path=path, headers=Headers(headers)),
        response=Response(status=200, body=body),
        timing=Timing(started=1000.0 + at, wait=seconds),
        connection=Connection(id=connection) if connection else None,
    )
    return replace(found, **rest)  # type: ignore[arg-type]


def tunnel(number: int, at: float) -> Exchange:
    return Exchange(
        id=number,
        request=Request(method="CONNECT", host="h", path="h:443"),
        failure=Failure(phase="dial", message="connection refused"),
        timing=Timing(started=1000.0 + at),
    )


COUNTS = [
    ("one_after_another", [3, 1, 1]),
    ("without_headers", [25, 1, 1]),
    ("side_by_side", [4, 1, 1, 1]),
    ("side_by_side_without_headers", [26, 1, 1, 1]),
    ("misspelt_name", [3, 2]),
    ("many_connections", [33]),
    ("drain_held_back", [58]),
    ("discovery_storm", [355]),
]


@pytest.mark.parametrize(("name", "counts"), COUNTS)
def test_commands_of_a_script_are_told_apart(name: str, counts: list[int]) -> None:
    assert [len(one) for one in ids(recorded(name))] == counts


@pytest.mark.parametrize(("name", "counts"), COUNTS)
def test_they_are_told_apart_without_the_header_too(name: str, counts: list[int]) -> None:
    assert [len(one) for one in ids(without_header(recorded(name)))] == counts


@pytest.mark.parametrize("name", ["one_after_another", "side_by_side", "side_by_side_without_headers"])
def test_order_in_which_they_ended_gives_the_same_groups(name: str) -> None:
    exchanges = recorded(name)
    by_end = tuple(sorted(exchanges, key=lambda one: one.timing.started + one.timing.total))
    assert sorted(sorted(one) for one in ids(by_end)) == ids(exchanges)


def test_every_exchange_is_in_one_group() -> None:
    exchanges = recorded("side_by_side_without_headers")
    assert sorted(number for one in ids(exchanges) for number in one) == [exchange.id for exchange in exchanges]


# One rule each


def test_session_goes_on_after_minutes() -> None:
    assert ids((asked(1, 0, session="a"), asked(2, 600, session="a"))) == [[1, 2]]


def test_two_sessions_are_two_commands_on_whatever_connection() -> None:
    assert ids((asked(1, 0, session="a", connection="c"), asked(2, 0.02, session="b", connection="c"))) == [[1], [2]]


def test_connection_goes_on_until_it_was_idle_for_long() -> None:
    one, two, three = (asked(number, at, connection="c") for number, at in ((1, 0), (2, 60), (3, 200)))
    assert ids((one, two, three)) == [[1, 2], [3]]


def test_other_connection_a_moment_later_is_another_command() -> None:
    assert ids((asked(1, 0, connection="c"), asked(2, 0.2, connection="d"))) == [[1], [2]]


def test_other_connection_while_an_answer_is_awaited_is_the_same_command() -> None:
    assert ids((asked(1, 0, 0.5, connection="c"), asked(2, 0.2, connection="d"))) == [[1, 2]]


def test_other_connection_while_a_watch_is_open_is_another_command() -> None:
    watch = asked(1, 0, 60, connection="c", path="/api/v1/pods?watch=true")
    assert ids((watch, asked(2, 20, connection="d"))) == [[1], [2]]


def test_upgrade_goes_with_the_request_before_it() -> None:
    upgrade = asked(2, 0.2, connection="d")
    headers = Headers([*upgrade.request.headers, ("Upgrade", "websocket")])
    assert ids((asked(1, 0, connection="c"), replace(upgrade, request=replace(upgrade.request, headers=headers)))) == [
        [1, 2]
    ]


def test_first_request_after_discovery_goes_with_it() -> None:
    discovery = asked(1, 0, connection="c", path="/apis")
    assert ids((discovery, asked(2, 0.5, connection="d"))) == [[1, 2]]
    assert ids((discovery, asked(2, 0.5, connection="d", path="/api"))) == [[1], [2]]


def test_where_no_connection_is_known_a_second_parts_two_commands() -> None:
    assert ids((asked(1, 0), asked(2, 0.8), asked(3, 3))) == [[1, 2], [3]]


@pytest.mark.parametrize(
    "other", [asked(2, 0.02, agent="kubectl"), asked(2, 0.02, request=Request(method="GET", host="i"))]
)
def test_other_program_and_other_server_are_another_command(other: Exchange) -> None:
    assert ids((asked(1, 0), other)) == [[1], [2]]


def test_refused_connections_go_with_the_request_that_follows() -> None:
    assert ids((tunnel(1, 0), tunnel(2, 1), asked(3, 2, session="a"), asked(4, 2.1, session="b"))) == [[1, 2, 3], [4]]
    assert ids((tunnel(1, 0), asked(2, 60, session="a"))) == [[1], [2]]


def test_exchanges_without_times_are_kept_together_by_who_asked() -> None:
    exchanges = tuple(replace(asked(n, 0, agent=agent), timing=Timing()) for n, agent in ((1, "a"), (2, "b"), (3, "a")))
    assert ids(exchanges) == [[1, 3], [2]]


# Streaming


def test_command_that_is_over_is_given_out_before_the_next_but_one_is_read() -> None:
    read: list[int] = []

    def source() -> Iterator[Exchange]:
        for number in range(1, 6):
            read.append(number)
            yield asked(number, number * 1000.0, connection=f"c{number}")

    first = next(group(source()))
    assert [exchange.id for exchange in first] == [1]
    assert read == [1, 2]


def test_groups_that_are_held_are_bounded_in_number_length_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MOST_OPEN", 4)
    sessions = tuple(asked(number, number / 1000, session=str(number)) for number in range(1, 11))
    found = [[exchange.id for exchange in one] for one in group(sessions)]
    assert found == [[number] for number in range(1, 11)]
    monkeypatch.setattr(grouping, "MOST_EXCHANGES", 3)
    assert ids(tuple(asked(number, number / 1000, session="a") for number in range(1, 8))) == [
        [1, 2, 3],
        [4, 5, 6],
        [7],
    ]
    monkeypatch.setattr(grouping, "MOST_BYTES", 100)
    heavy = [asked(number, number / 1000, session=str(number), body=b"x" * 60) for number in range(1, 4)]
    held = group(iter(heavy))
    assert [exchange.id for exchange in next(held)] == [1]
