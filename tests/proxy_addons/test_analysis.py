"""Analysis stands beside the traffic: slow or broken, it disturbs nothing."""

from __future__ import annotations

import logging
import threading

import pytest

from analyzers import classify
from analyzers.exchange import Exchange, Request, Response
from analyzers.finding import Category, Finding, Rule, Step
from proxy_addons.analysis import Analysis

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
