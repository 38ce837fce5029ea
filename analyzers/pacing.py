"""Time that a command spent on itself, seen from the gaps between its requests.

A client of client-go lets only so many requests a second through (QPS, after a burst). It says nothing of that to the
server, but it shows: request after request, each to another object, leaves at the same interval while no answer is
awaited. And discovery of hundreds of types, one request each, can take longer than what was asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from operator import itemgetter
from statistics import median

from analyzers.decode import request_info
from analyzers.exchange import Exchange
from analyzers.grouping import streams
from analyzers.phrase import is_discovery, path_of
from analyzers.units import duration

_FEWEST = 8
"""Requests in a row: fewer may lie evenly by chance."""
_SHORTEST, _LONGEST = 0.005, 2.0
"""Seconds between two requests: less cannot be told from a busy client, and more is no client-go limiter in use."""
_SLACK = 0.1
_SLACK_SECONDS = 0.004
"""How far a gap may be from the others: clocks, and scheduling."""
_IDLE_SHARE = 0.5
_WORTH_SECONDS = 1.0
_WORTH_SHARE = 0.2
_STORM_REQUESTS = 50
_STORM_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """A series of requests that the client sent at an interval of its own. Seconds; ``waited`` is the time in which
    nothing was under way, ``elapsed`` that of the whole command."""

    first: int
    last: int
    count: int
    interval: float
    waited: float
    elapsed: float

    @property
    def note(self) -> str:
        """``requests 28 to 56: 15 of them left 200 ms apart while no answer was awaited, …``"""
        per_second = 1 / self.interval
        known = {5: "client-go's limit unless told otherwise (QPS 5, burst 10)", 50: "kubectl's limit for discovery"}
        limit = next((said for rate, said in known.items() if abs(per_second - rate) <= rate * _SLACK), "")
        rate = f"{per_second:.2g} a second" + (f" is {limit}" if limit else "")
        return (
            f"requests {self.first} to {self.last}: {self.count} of them left {duration(self.interval)} apart while no"
            f" answer was awaited, so the client held them back itself, for about {duration(self.waited)} of"
            f" {duration(self.elapsed)}; {rate}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryStorm:
    """How many of a command's requests only asked which types there are, and the seconds from the first to the last."""

    count: int
    of: int
    seconds: float
    elapsed: float

    @property
    def note(self) -> str:
        """``351 of 353 requests were discovery and took 2.4 s of 2.6 s …``"""
        return (
            f"{self.count} of {self.of} requests were discovery and took {duration(self.seconds)} of"
            f" {duration(self.elapsed)}; a kubectl as new as the server asks for all types in two requests, and keeps"
            " the answer for hours where its cache folder can be written"
        )


def notes(exchanges: Iterable[Exchange]) -> tuple[str, ...]:
    """What is worth a word about how one command spent its time."""
    sent = tuple(exchange for exchange in exchanges if exchange.timing.started and not exchange.tunnel)
    found = (held_back(sent), discovery_storm(sent))
    return tuple(one.note for one in found if one is not None)


def held_back(exchanges: Sequence[Exchange]) -> HeldBack | None:
    """The longest series that the client held back, None where the gaps prove none, or too little to matter.

    A limiter belongs to one client inside the program, which may have several, so requests of one kind are also looked
    at by themselves.
    """
    ordered = sorted((one for one in exchanges if not streams(one)), key=lambda one: one.timing.started)
    if len(ordered) < _FEWEST:
        return None
    elapsed = _elapsed(ordered)
    busy = _busy(ordered)
    kinds: dict[tuple[str, str, str, str], list[Exchange]] = {}
    for one in ordered:
        kinds.setdefault(_kind(one), []).append(one)
    found = [run for series in (ordered, *kinds.values()) for run in _even_runs(series)]
    told = [_told(run, busy, elapsed) for run in found]
    worth = [one for one in told if one.waited >= min(_WORTH_SECONDS, _WORTH_SHARE * elapsed)]
    return max(worth, key=lambda one: one.waited, default=None)


def discovery_storm(exchanges: Sequence[Exchange]) -> DiscoveryStorm | None:
    """Discovery that was most of a command's requests or of its time; None where it was little of both."""
    asked = [one for one in exchanges if is_discovery(one)]
    if len(asked) < _STORM_REQUESTS:
        return None
    storm = DiscoveryStorm(
        count=len(asked), of=len(exchanges), seconds=_elapsed(asked), elapsed=_elapsed(list(exchanges))
    )
    return storm if storm.seconds >= min(_WORTH_SECONDS, _STORM_SHARE * storm.elapsed) else None


def _even_runs(series: Sequence[Exchange]) -> Iterable[list[Exchange]]:
    """Stretches of ``series`` with one interval between all neighbours."""
    if len(series) < _FEWEST:
        return
    gaps = [after.timing.started - before.timing.started for before, after in pairwise(series)]
    begin = 0
    while begin + _FEWEST <= len(series):
        usual = median(gaps[begin : begin + _FEWEST - 1])
        end = begin
        while end < len(gaps) and abs(gaps[end] - usual) <= max(_SLACK * usual, _SLACK_SECONDS):
            end += 1
        run = list(series[begin : end + 1])
        # The same object again and again is somebody who waits for it to change.
        if (
            len(run) >= _FEWEST
            and _SHORTEST <= usual <= _LONGEST
            and len({path_of(one) for one in run}) > len(run) // 2
        ):
            yield run
        begin = max(end, begin + 1)


def _told(run: Sequence[Exchange], busy: Sequence[tuple[float, float]], elapsed: float) -> HeldBack:
    gaps = [(before.timing.started, after.timing.started) for before, after in pairwise(run)]
    idle = [_idle(begin, end, busy) for begin, end in gaps]
    length = [end - begin for begin, end in gaps]
    # An answer that is awaited for most of a gap explains the gap.
    even = sum(1 for free, whole in zip(idle, length, strict=True) if free >= _IDLE_SHARE * whole)
    return HeldBack(
        first=run[0].id,
        last=run[-1].id,
        count=len(run),
        interval=median(length),
        waited=sum(idle) if even >= 0.8 * len(gaps) else 0.0,
        elapsed=elapsed,
    )


def _busy(ordered: Sequence[Exchange]) -> list[tuple[float, float]]:
    """From when to when an answer was awaited, in order and without overlaps."""
    found: list[tuple[float, float]] = []
    for one in ordered:
        begin, end = one.timing.started, one.timing.started + one.timing.total
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def _idle(begin: float, end: float, busy: Sequence[tuple[float, float]]) -> float:
    taken = 0.0
    for since, until in islice(busy, bisect_right(busy, begin, key=itemgetter(1)), None):
        if since >= end:
            break
        taken += max(0.0, min(end, until) - max(begin, since))
    return max(0.0, end - begin - taken)


def _elapsed(exchanges: Sequence[Exchange]) -> float:
    begin = min(one.timing.started for one in exchanges)
    return max(one.timing.started + one.timing.total for one in exchanges) - begin


def _kind(exchange: Exchange) -> tuple[str, str, str, str]:
    info = request_info.decode(exchange.request.method, exchange.api_path)
    return info.verb, info.api_group, info.resource, info.subresource
