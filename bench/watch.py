"""A watch with many events a second: how much later an event comes than on a direct watch of the same process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from bench import targets, ways
from bench.client import client
from bench.figures import Figure, Section, column
from bench.paired import Round, Spread, difference, rounds, spread
from bench.setting import Setting, Size
from bench.throughput import PATH, arrange
from bench.usage import cpu_seconds, until_at_rest
from bench.ways import Way

EVENTS_PER_SECOND = 200
SIDES = (ways.DIRECT, ways.STREAMING, ways.MITMKUBE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One turn. ``p50`` and its kin are seconds that were added, ``cpu`` is seconds of the proxy for each event."""

    events: int
    rate: float
    p50: float
    p90: float
    p99: float
    longest: float
    cpu: float


def measure(setting: Setting, size: Size) -> Iterator[Section]:
    """Direct as well, which shows what the comparison cannot tell from nothing."""
    arrange(setting)
    with ways.opened(setting, SIDES) as sides:
        measured = rounds(
            size.watch_rounds, {name: _turn(setting, way, size.watch_seconds) for name, way in sides.items()}
        )
    yield Section(
        title=f"watch with {EVENTS_PER_SECOND} events/s: ms that an event comes later than on a direct watch beside it",
        figures=list(_figures(measured)),
        note="a mitmdump that does not stream passes on no event before its watch ends",
        rounds=[{name: asdict(turn) for name, turn in one.items()} for one in measured],
    )


def _turn(setting: Setting, way: Way, seconds: float) -> Callable[[], Watched]:
    order = {"seconds": seconds, "rate": EVENTS_PER_SECOND, "direct_ca": setting.cluster.ca_file.read_text()}

    def turn() -> Watched:
        with client(setting, way, "watch", PATH, **order) as connected:
            until_at_rest(way.pid)
            before = cpu_seconds(way.pid)
            result = connected.measure()
            until_at_rest(way.pid)
            return Watched(**result, cpu=(cpu_seconds(way.pid) - before) / result["events"])

    return turn


def _figures(measured: Sequence[Round[Watched]]) -> Iterator[Figure]:
    def p50(one: Watched) -> float:
        return one.p50 * 1000

    def p99(one: Watched) -> float:
        return one.p99 * 1000

    def over_streaming(value: Callable[[Watched], float]) -> Callable[[str], Spread]:
        return lambda name: difference(measured, name, ways.STREAMING, value)

    ours = (ways.MITMKUBE,)
    reach = {ways.MITMKUBE: targets.EVENT_DELAY_OVER_STREAMING}
    yield from column("p50", SIDES, lambda name: spread(measured, name, p50), digits=2)
    yield from column("p50 over streaming's", ours, over_streaming(p50), digits=2, targets=reach)
    yield from column("p99", SIDES, lambda name: spread(measured, name, p99), digits=2)
    yield from column("p99 over streaming's", ours, over_streaming(p99), digits=2, targets=reach)
    yield from column(
        "CPU ms/event", SIDES[1:], lambda name: spread(measured, name, lambda one: one.cpu * 1000), digits=2
    )
    yield from column("events/s", SIDES, lambda name: spread(measured, name, lambda one: one.rate))
