"""Rounds give every side its turn, and sides are compared within a round only."""

from __future__ import annotations

from bench.paired import Spread, difference, ratio, rounds, spread


def test_every_second_round_has_the_opposite_order() -> None:
    called: list[str] = []
    turns = {name: lambda name=name: called.append(name) for name in ("direct", "proxy")}
    rounds(3, turns)
    assert called == ["direct", "proxy", "proxy", "direct", "direct", "proxy"]


def test_rounds_can_begin_with_the_opposite_order_and_keep_the_sides_as_they_were() -> None:
    called: list[str] = []
    turns = {name: lambda name=name: called.append(name) for name in ("direct", "proxy")}
    (one,) = rounds(1, turns, backwards=True)
    assert called == ["proxy", "direct"]
    assert list(one) == ["direct", "proxy"]


def test_ratio_is_the_median_of_the_rounds_ratios_and_not_of_the_sides_medians() -> None:
    measured = [{"direct": 1.0, "proxy": 2.0}, {"direct": 10.0, "proxy": 15.0}, {"direct": 4.0, "proxy": 4.0}]
    assert ratio(measured, "proxy", "direct", float) == Spread(1.5, 1.0, 2.0)
    assert difference(measured, "proxy", "direct", float) == Spread(1.0, 0.0, 5.0)
    assert spread(measured, "proxy", float) == Spread(4.0, 2.0, 15.0)
