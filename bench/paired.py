"""Rounds in which every way has its turn, and what can be said of them on a machine that is never quiet.

Two ways are compared within a round only, where they met the same noise; of the rounds' ratios (or differences) the
median counts, and the least and the greatest show how far to trust it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of one number over all rounds, and its bounds."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Raises statistics.StatisticsError without values."""
        found = sorted(values)
        return cls(statistics.median(found), found[0], found[-1])

    def text(self, digits: int) -> str:
        """``0.97 (0.93 to 1.02)``, or ``0.97`` alone where there is but one value."""
        if self.least == self.greatest:
            return f"{self.median:.{digits}f}"
        return f"{self.median:.{digits}f} ({self.least:.{digits}f} to {self.greatest:.{digits}f})"


type Round[T] = Mapping[str, T]


def rounds[T](count: int, turns: Mapping[str, Callable[[], T]], *, backwards: bool = False) -> list[Round[T]]:
    """Call every turn once a round, every second round in the opposite order: the result of each, by name.

    ``backwards`` begins with the opposite order.
    """
    names = list(turns)
    done: list[Round[T]] = []
    for number in range(count):
        order = names if number % 2 == backwards else reversed(names)
        results = {name: turns[name]() for name in order}
        done.append({name: results[name] for name in names})
    return done


def spread[T](measured: Sequence[Round[T]], name: str, value: Callable[[T], float]) -> Spread:
    """One number of what ``name`` did in each round."""
    return Spread.of(value(one[name]) for one in measured)


def ratio[T](measured: Sequence[Round[T]], name: str, to: str, value: Callable[[T], float]) -> Spread:
    """The same number of two, divided within each round."""
    return Spread.of(value(one[name]) / value(one[to]) for one in measured)


def difference[T](measured: Sequence[Round[T]], name: str, to: str, value: Callable[[T], float]) -> Spread:
    """The same number of two, subtracted within each round."""
    return Spread.of(value(one[name]) - value(one[to]) for one in measured)
