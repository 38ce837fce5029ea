"""What much of the same does to mitmkube's memory, beside the same work done directly: ``make bench-long``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from bench import lists, targets, throughput, ways
from bench.client import client
from bench.figures import Figure, Section, Target
from bench.forward import receive
from bench.paired import Spread
from bench.sampled import POINTS, Samples, sampled
from bench.setting import Setting, Size
from bench.usage import cpu_seconds, until_at_rest
from bench.ways import Way

LISTS = 3
CONNECTIONS = 8
LONGEST_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Seconds until the work was done, CPU seconds of the proxy until it was at rest, seconds until it had ended.

    ``entries`` is how many its HAR then had.
    """

    took: float
    cpu: float
    ended_after: float
    entries: int


type Work = Callable[[Way], None]


def long_list(setting: Setting, size: Size) -> Iterator[Section]:
    """A list of very many objects, a few times."""
    lists.fill(setting, size.long_objects)

    def work(way: Way) -> None:
        with client(setting, way, "list", lists.PATH, count=size.long_objects) as listing:
            for _ in range(LISTS):
                listing.measure(LONGEST_SECONDS)

    yield _section(setting, f"list of {size.long_objects} objects, {LISTS} times", work, LISTS, "list")


def long_requests(setting: Setting, size: Size) -> Iterator[Section]:
    """Very many requests for one object."""
    throughput.arrange(setting)
    order = {"connections": CONNECTIONS, "count": size.long_requests}

    def work(way: Way) -> None:
        with client(setting, way, "get", throughput.PATH, **order) as asking:
            asking.measure(LONGEST_SECONDS)

    title = f"{size.long_requests} requests, {CONNECTIONS} connections"
    yield _section(setting, title, work, size.long_requests, "request", targets.MEMORY_GROWTH)


def long_forward(setting: Setting, size: Size) -> Iterator[Section]:
    """Very many bytes through one forwarded port."""
    megabytes = size.long_bytes / 1_000_000

    def work(way: Way) -> None:
        receive(setting, way, size.long_bytes)

    title = f"kubectl {setting.kubectl} port-forward, {megabytes:.0f} MB"
    yield _section(setting, title, work, megabytes, "MB", targets.MEMORY_GROWTH)


def _section(
    setting: Setting, title: str, work: Work, amount: float, unit: str, target: Target | None = None
) -> Section:
    direct = _timed(work, ways.direct(setting))
    turn, samples = _through(setting, work)
    growth = samples.last / samples.after_first_tenth
    ours = {
        "took s": (turn.took, 1),
        "to direct's": (turn.took / direct, 2),
        f"CPU ms/{unit}": (turn.cpu / amount * 1000, 2),
        "ended after s": (turn.ended_after, 1),
        "HAR entries": (turn.entries, 0),
        "peak MB": (samples.peak, 0),
        "peak MB, its end included": (samples.peak_to_end, 0),
        f"MB after 1/{POINTS}": (samples.after_first_tenth, 0),
        "MB last": (samples.last, 0),
    }
    over_time = " ".join(f"{point:.0f}" for point in samples.points())
    return Section(
        title=title,
        figures=[
            Figure(row=ways.DIRECT, column="took s", spread=Spread.of([direct]), digits=1),
            *(
                Figure(row=ways.MITMKUBE, column=column, spread=Spread.of([value]), digits=digits)
                for column, (value, digits) in ours.items()
            ),
            Figure(
                row=ways.MITMKUBE,
                column=f"last to after 1/{POINTS}",
                spread=Spread.of([growth]),
                digits=2,
                target=target,
            ),
        ],
        note=f"mitmkube's memory over time, MB: {over_time}",
        rounds={ways.DIRECT: direct, ways.MITMKUBE: asdict(turn), "megabytes": samples.megabytes},
    )


def _timed(work: Work, way: Way) -> float:
    started = time.perf_counter()
    work(way)
    return time.perf_counter() - started


def _through(setting: Setting, work: Work) -> tuple[Turn, Samples]:
    folder = ways.new_folder(setting.folder)
    with ExitStack() as stack:
        # Outside, so that it still sees how mitmkube ends.
        samples = stack.enter_context(sampled())
        with ways.mitmkube(setting, folder) as way:
            samples.begin(way.pid)
            took = _timed(work, way)
            until_at_rest(way.pid)
            samples.work_is_done()
            cpu = cpu_seconds(way.pid)
            done = time.perf_counter()
        ended_after = time.perf_counter() - done
    return Turn(took=took, cpu=cpu, ended_after=ended_after, entries=ways.entries(folder)), samples
