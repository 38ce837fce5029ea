"""A list of many objects in one answer: time to the first byte of its body and to the last, and memory of the proxy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from bench import targets, ways
from bench.client import Client, client
from bench.figures import Figure, Section, column
from bench.paired import Round, Spread, ratio, rounds, spread
from bench.setting import Setting, Size
from bench.usage import cpu_seconds, megabytes, until_at_rest
from bench.ways import Way

OBJECT_BYTES = 1500  # with its metadata about 1.9 KB of JSON in the list
NAMESPACE = "bench-list"
PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
FILL_CONNECTIONS, FILL_SECONDS = 16, 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One list: seconds, CPU seconds of the proxy, and bytes as they came and unpacked."""

    first: float
    total: float
    cpu: float
    wire: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A proxy's, in MB: before the first list, and the most until after the last."""

    before: float
    peak: float


def measure(setting: Setting, size: Size) -> Iterator[Section]:
    """All sides, each block of rounds with new proxies, of which each lists ``list_rounds`` times."""
    fill(setting, size.list_objects)
    measured: list[Round[Listed]] = []
    memory: list[Round[Memory]] = []
    for number in range(size.list_blocks):
        listed, block = _block(setting, size, backwards=number % 2 == 1)
        measured += listed
        memory.append(block)
    one = measured[0][ways.DIRECT]
    yield Section(
        title=f"list of {size.list_objects} objects, {one.bytes / 1e6:.1f} MB, gzip {one.wire / 1e6:.1f} MB",
        figures=[*_figures(measured), *_memory(memory)],
        note=f"the memory is that of a new proxy over {size.list_rounds} such lists",
        rounds=[
            [{name: asdict(turn) for name, turn in one.items()} for one in measured],
            [{name: asdict(turn) for name, turn in one.items()} for one in memory],
        ],
    )


def fill(setting: Setting, count: int) -> None:
    """Make the objects."""
    setting.cluster.add_namespace(NAMESPACE)
    order = {"connections": FILL_CONNECTIONS, "count": count, "bytes": OBJECT_BYTES}
    with client(setting, ways.direct(setting), "fill", PATH, **order) as filling:
        filling.measure(FILL_SECONDS)


def turn(way: Way, lists: Client) -> Callable[[], Listed]:
    """One list by a client for the work "list"."""

    def measured() -> Listed:
        before = cpu_seconds(way.pid)
        result = lists.measure()
        until_at_rest(way.pid)
        return Listed(**result, cpu=cpu_seconds(way.pid) - before)

    return measured


def _block(setting: Setting, size: Size, *, backwards: bool) -> tuple[list[Round[Listed]], Round[Memory]]:
    with ways.opened(setting) as sides, ExitStack() as stack:
        turns = {
            name: turn(way, stack.enter_context(client(setting, way, "list", PATH, count=size.list_objects)))
            for name, way in sides.items()
        }
        before = {name: megabytes(way.pid) for name, way in sides.items()}
        measured = rounds(size.list_rounds, turns, backwards=backwards)
        memory = {name: Memory(before=before[name], peak=megabytes(way.pid, peak=True)) for name, way in sides.items()}
    return measured, memory


def _figures(measured: Sequence[Round[Listed]]) -> Iterator[Figure]:
    def first(one: Listed) -> float:
        return one.first * 1000

    def total(one: Listed) -> float:
        return one.total * 1000

    def to_direct(value: Callable[[Listed], float]) -> Callable[[str], Spread]:
        return lambda name: ratio(measured, name, ways.DIRECT, value)

    reach = {ways.MITMKUBE: targets.FIRST_BYTE_AGAINST_DIRECT}
    yield from column("first byte ms", ways.ALL, lambda name: spread(measured, name, first), digits=1)
    yield from column("first byte to direct's", ways.ALL[1:], to_direct(first), digits=2, targets=reach)
    yield from column("total ms", ways.ALL, lambda name: spread(measured, name, total))
    yield from column("total to direct's", ways.ALL[1:], to_direct(total), digits=2)
    yield from column("CPU s", ways.ALL[1:], lambda name: spread(measured, name, lambda one: one.cpu), digits=2)


def _memory(measured: Sequence[Round[Memory]]) -> Iterator[Figure]:
    yield from column("peak MB", ways.ALL[1:], lambda name: spread(measured, name, lambda one: one.peak))
    yield from column(
        "more than before", ways.ALL[1:], lambda name: spread(measured, name, lambda one: one.peak - one.before)
    )
