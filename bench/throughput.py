"""GET and small writes over kept connections: requests per second, and what each costs the proxy in CPU time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from bench import targets, ways
from bench.client import client
from bench.figures import Figure, Section, column
from bench.paired import Round, Spread, ratio, rounds, spread
from bench.setting import Setting, Size
from bench.usage import cpu_seconds, until_at_rest
from bench.ways import Way

CONNECTIONS = (1, 8, 32)
WORKS = {"get": "GET of one object", "patch": "merge PATCH of one object"}
OBJECT_BYTES = 1024
NAMESPACE = "bench"
PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps"

_AGAINST = {ways.HTTP1: targets.RATE_AGAINST_HTTP1, ways.AS_IT_COMES: targets.RATE_AGAINST_HTTP2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One turn of one side. ``cpu`` is ms per request of the proxy, also what it did after the last answer.

    ``rest`` is how long that took, in seconds. Both are 0 without a proxy.
    """

    rate: float
    cpu: float
    rest: float


def measure(setting: Setting, size: Size) -> Iterator[Section]:
    """A section for each work and number of connections."""
    arrange(setting)
    done: dict[tuple[str, int], list[Round[Measured]]] = {(work, at): [] for work in WORKS for at in CONNECTIONS}
    for _ in range(size.blocks):
        with ways.opened(setting) as sides:
            for _ in range(size.rounds):
                for (work, connections), measured in done.items():
                    turns = {
                        name: lambda w=way, k=work, c=connections: _turn(setting, w, k, c, size.turn_seconds)
                        for name, way in sides.items()
                    }
                    measured += rounds(1, turns, backwards=len(measured) % 2 == 1)
    for (work, connections), measured in done.items():
        plural = "s" if connections > 1 else ""
        yield Section(
            title=f"{WORKS[work]}, {connections} connection{plural}",
            figures=list(_figures(measured)),
            rounds=[{name: asdict(turn) for name, turn in one.items()} for one in measured],
        )


def arrange(setting: Setting) -> None:
    """One object of about 1 KiB for each connection, so that no write is in another's way; once."""
    if setting.cluster.call("GET", f"/api/v1/namespaces/{NAMESPACE}").status == 200:
        return
    setting.cluster.add_namespace(NAMESPACE)
    for number in range(max(CONNECTIONS)):
        item = {"data": {"text": "x" * OBJECT_BYTES}, "metadata": {"name": f"bench-{number}"}}
        setting.cluster.arrange("POST", PATH, item)


def _turn(setting: Setting, way: Way, work: str, connections: int, seconds: float) -> Measured:
    with client(setting, way, work, PATH, connections=connections, seconds=seconds) as connected:
        until_at_rest(way.pid)
        before = cpu_seconds(way.pid)
        result = connected.measure()
        rest = until_at_rest(way.pid)
        cpu = cpu_seconds(way.pid) - before
    if way.pid and not cpu:
        raise RuntimeError(f"{way.name} did not do the work")
    return Measured(rate=result["requests"] / result["seconds"], cpu=cpu / result["all"] * 1000, rest=rest)


def _figures(measured: Sequence[Round[Measured]]) -> Iterator[Figure]:
    def rate(one: Measured) -> float:
        return one.rate

    def cpu(one: Measured) -> float:
        return one.cpu

    def to_it(value: Callable[[Measured], float]) -> Callable[[str], Spread]:
        return lambda name: ratio(measured, ways.MITMKUBE, name, value)

    others = ways.ALL[:-1]
    yield from column("requests/s", ways.ALL, lambda name: spread(measured, name, rate))
    yield from column("mitmkube's requests/s to its", others, to_it(rate), digits=2, targets=_AGAINST)
    yield from column("CPU ms/request", ways.ALL[1:], lambda name: spread(measured, name, cpu), digits=2)
    yield from column("mitmkube's CPU to its", ways.MITMDUMPS, to_it(cpu), digits=2)
