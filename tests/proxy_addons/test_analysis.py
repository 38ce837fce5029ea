"""Analysis stands beside the traffic: slow or broken, it disturbs nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from analyzers import classify
from analyzers.exchange import Exchange, Request, Response
from analyzers.finding import Category, Finding, Rule, Step
from proxy_addons.analysis import MOST_STUCK, Analysis

EXCHANGE = Exchange(id=1, request=Request(method="GET", path="/api"), response=Response(status=200))


def broken(facts: object) -> Finding | None:
    raise RuntimeError("a rule that raises")


def refuse(peer) -> None:
    while peer.request():
        peer.answer(b"{}", "403 Forbidden")


@pytest.fixture
def broken_rule(monkeypatch) -> None:
    rule = Rule(id="rbac-broken", category=Category.RBAC, step=Step.AUTHORIZATION, check=broken)
    monkeypatch.setattr(classify, "rules", lambda: (rule,))
    monkeypatch.setattr(classify, "_reported", set())


def test_rule_that_raises_disturbs_nothing_and_is_logged_once(bench, broken_rule, errors, caplog) -> None:
    seen: list[int] = []
    analysis = Analysis(lambda exchange, findings, flow: seen.append(exchange.id))
    with caplog.at_level(logging.WARNING, "mitmkube"):
        bench.start(refuse, sink=analysis)
        with bench.client().open() as client:
            for _ in range(3):
                assert client.request() == (403, b"{}")
        bench.proxy.take(3)
        analysis.finish()
    assert seen == [1, 2, 3]
    said = [record for record in caplog.records if "rbac-broken" in record.getMessage()]
    assert len(said) == 1
    errors.take()


def test_listener_that_raises_does_not_end_the_analysis(errors) -> None:
    seen: list[int] = []

    def listener(exchange, findings, flow) -> None:
        seen.append(exchange.id)
        if exchange.id == 1:
            raise OSError("disk full")

    analysis = Analysis(listener)
    for number in (1, 2):
        analysis(Exchange(id=number, request=EXCHANGE.request, response=EXCHANGE.response), None)  # type: ignore[arg-type]
    analysis.finish()
    assert seen == [1, 2]
    assert len(errors.take()) == 1


def test_slow_analysis_does_not_hold_up_traffic(bench) -> None:
    go_on = threading.Event()
    seen: list[int] = []

    def slow(exchange, findings, flow) -> None:
        assert go_on.wait(20)
        seen.append(exchange.id)

    analysis = Analysis(slow)
    bench.start(sink=analysis)
    with bench.client().open() as client:
        for _ in range(5):
            assert client.request()[0] == 200
    assert seen == []
    go_on.set()
    bench.proxy.take(5)
    analysis.finish()
    assert seen == [1, 2, 3, 4, 5]


def test_everything_queued_is_worked_off_before_finish_returns() -> None:
    seen: list[int] = []
    analysis = Analysis(lambda exchange, findings, flow: seen.append(exchange.id))
    for _ in range(200):
        analysis(EXCHANGE, None)  # type: ignore[arg-type]
    analysis.finish()
    assert len(seen) == 200


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """Set when the test is over, so that threads that were left behind end."""
    event = threading.Event()
    yield event
    event.set()


def numbered(number: int) -> Exchange:
    return Exchange(id=number, request=EXCHANGE.request, response=EXCHANGE.response)


def test_analysis_that_does_not_end_is_given_up_and_said_and_the_next_goes_on(end) -> None:
    seen: list[int] = []
    said: list[tuple[int, str]] = []

    def listener(exchange, findings, flow) -> None:
        if exchange.id == 2:
            end.wait()
        seen.append(exchange.id)

    analysis = Analysis(listener, given_up=lambda exchange, flow, why: said.append((exchange.id, why)), patience=0.2)
    for number in range(1, 5):
        analysis(numbered(number), None)  # type: ignore[arg-type]
    analysis.finish()
    assert seen == [1, 3, 4]
    assert said == [(2, "its analysis took longer than 0.2 s")]


def test_analysis_that_never_ends_is_given_up_for_good_and_leaves_few_threads(end) -> None:
    said: list[str] = []
    before = threading.active_count()
    analysis = Analysis(
        lambda exchange, findings, flow: end.wait() and None,
        given_up=lambda exchange, flow, why: said.append(why),
        patience=0.2,
    )
    for number in range(1, 1001):
        analysis(numbered(number), None)  # type: ignore[arg-type]
    analysis.finish()
    assert len(said) == 1000
    assert set(said[MOST_STUCK:]) == {"the analysis of others did not end"}
    assert threading.active_count() - before <= MOST_STUCK + 2


def test_finish_returns_where_not_even_saying_so_ends(end) -> None:
    def never(*_: object) -> None:
        end.wait()

    analysis = Analysis(never, given_up=never, patience=0.1)
    for number in range(1, 20):
        analysis(numbered(number), None)  # type: ignore[arg-type]
    analysis.finish()
    assert not end.is_set()


def test_listener_that_raises_is_said(errors) -> None:
    said: list[tuple[int, str]] = []

    def listener(exchange, findings, flow) -> None:
        raise KeyError("of a decoder")

    analysis = Analysis(listener, given_up=lambda exchange, flow, why: said.append((exchange.id, why)))
    analysis(EXCHANGE, None)  # type: ignore[arg-type]
    analysis.finish()
    assert said == [(1, "its analysis failed (KeyError)")]
    errors.take()


def test_what_goes_on_is_not_said_to_be_given_up(errors) -> None:
    said: list[int] = []

    def listener(exchange, findings, flow) -> None:
        raise KeyError("of a decoder")

    analysis = Analysis(still_open=(listener,), given_up=lambda exchange, flow, why: said.append(exchange.id))
    analysis.look(EXCHANGE, None)  # type: ignore[arg-type]
    analysis.finish()
    assert said == []
    errors.take()
