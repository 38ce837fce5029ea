"""``python -m bench``: start a cluster, measure, print what was reached beside what is to be reached.

Nothing here passes or fails: the machine decides too much. Ratios within one run are what to read.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench import audit
from bench.commands import DIRECT, RUN, VERSION, Commands
from bench.paired import Round, Spread, spread
from bench.throughput import CONNECTIONS, Measured, Throughput
from tests.cluster.binaries import BuildFailed, binaries
from tests.cluster.cluster import Cluster
from tests.cluster.kubectl import find_kubectls

WAYS = ("direct", "mitmdump", "mitmkube")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One compared number. ``target`` is in words, "" where there is none."""

    name: str
    spread: Spread
    digits: int
    unit: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured. A turn of the throughput takes ``seconds``, of each way, at each number of connections."""

    blocks: int
    rounds: int
    seconds: float
    running: int
    cold: int
    log_megabytes: int
    log_rounds: int


FULL = Size(blocks=4, rounds=4, seconds=1.5, running=40, cold=20, log_megabytes=1000, log_rounds=5)
QUICK = Size(blocks=1, rounds=3, seconds=1.0, running=8, cold=5, log_megabytes=256, log_rounds=3)
PARTS = ("proxy", "audit")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="bench", description="Compare mitmkube with bare mitmdump and no proxy.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds: for orientation")
    parser.add_argument("--part", choices=PARTS, help="only the proxy, or only reading audit logs")
    parser.add_argument("--log-size", type=int, metavar="MB", help="of the audit log; default: 1000, quick: 256")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round and every figure there")
    options = parser.parse_args(argv)
    size = QUICK if options.quick else FULL
    size = replace(size, log_megabytes=options.log_size or size.log_megabytes)
    started = time.monotonic()
    document: dict[str, object] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="mitmkube-bench-") as temporary:
            if options.part != "proxy":
                document |= _read_logs(Path(temporary), size)
            if options.part != "audit":
                document |= _proxy(Path(temporary), size)
    except (RuntimeError, BuildFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"\n{time.monotonic() - started:.0f} s in all")
    if options.json is not None:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def _proxy(folder: Path, size: Size) -> dict[str, object]:
    programs = binaries()
    kubectls = find_kubectls(programs)
    if not kubectls:
        raise RuntimeError("kubectl is neither on PATH nor built")
    with Cluster(programs) as cluster:
        return _measure(cluster, folder, kubectls[-1].path, str(kubectls[-1]), size)


def _read_logs(folder: Path, size: Size) -> dict[str, object]:
    document: dict[str, object] = {}
    for failures, said in ((False, "no failure in it"), (True, f"a failure in every {audit.AMONG}th line")):
        measured = audit.measure(folder, size.log_megabytes, size.log_rounds, failures=failures)
        title = f"explain of an audit log of {size.log_megabytes} MB, {said}; decoder: {audit.decoder()}"
        figures = _section(title, _log(measured, failures=failures))
        document[f"audit log, {said}"] = {
            "figures": [asdict(figure) for figure in figures],
            "rounds": [{name: asdict(turn) for name, turn in one.items()} for one in measured],
        }
    return document


def _log(measured: Sequence[Round[audit.Pass]], *, failures: bool) -> list[Figure]:
    def rate(name: str) -> Spread:
        return spread(measured, lambda one: one[name].megabytes_per_second)

    ratio = spread(
        measured, lambda one: one[audit.EXPLAIN].megabytes_per_second / one[audit.DECODER].megabytes_per_second
    )
    memory = spread(measured, lambda one: one[audit.EXPLAIN].peak_megabytes)
    return [
        Figure(name="explain", spread=rate(audit.EXPLAIN), digits=0, unit="MB/s",
               target="" if failures else "at least 50 MB/s"),
        Figure(name="decoder alone", spread=rate(audit.DECODER), digits=0, unit="MB/s"),
        Figure(name="explain / decoder alone", spread=ratio, digits=2),
        Figure(name="explain, peak memory", spread=memory, digits=0, unit="MB", target="the same for any size"),
    ]  # fmt: skip


def _measure(cluster: Cluster, folder: Path, kubectl: Path, version: str, size: Size) -> dict[str, object]:
    throughput = Throughput(cluster, folder)
    commands = Commands(cluster, folder, kubectl)
    turns: dict[int, list[Round[Measured]]] = {connections: [] for connections in CONNECTIONS}
    for connections, one in throughput.measure(size.blocks, size.rounds, size.seconds):
        turns[connections].append(one)
    figures: list[Figure] = []
    for connections, measured in turns.items():
        plural = "s" if connections > 1 else ""
        figures += _section(f"GET of one object, {connections} connection{plural}", _throughput(measured))
    running = commands.through_running(size.running)
    figures += _section(f"kubectl {version} get ns, through proxies that run", _running(running))
    cold = commands.cold(size.cold)
    figures += _section(f"mitmkube run -- kubectl {version} get ns", _cold(cold))
    return {
        "figures": [asdict(figure) for figure in figures],
        "throughput": {
            str(connections): [{name: asdict(turn) for name, turn in one.items()} for one in measured]
            for connections, measured in turns.items()
        },
        "running": running,
        "cold": cold,
    }


def _throughput(measured: Sequence[Round[Measured]]) -> list[Figure]:
    def rate(name: str) -> Spread:
        return spread(measured, lambda one: one[name].rate)

    def against(name: str, value: Callable[[Measured], float]) -> Spread:
        return spread(measured, lambda one: value(one["mitmkube"]) / value(one[name]))

    def cpu(name: str) -> Spread:
        return spread(measured, lambda one: one[name].cpu)

    return [
        *(Figure(name=name, spread=rate(name), digits=0, unit="requests/s") for name in WAYS),
        *(Figure(name=f"{name}, CPU", spread=cpu(name), digits=2, unit="ms/request") for name in WAYS[1:]),
        Figure(
            name="mitmkube, until at rest again",
            spread=spread(measured, lambda one: one["mitmkube"].backlog),
            digits=2,
            unit="s",
        ),
        Figure(name="mitmkube / direct, requests/s", spread=against("direct", lambda one: one.rate), digits=2),
        Figure(
            name="mitmkube / mitmdump, requests/s",
            spread=against("mitmdump", lambda one: one.rate),
            digits=2,
            target="at least 0.95",
        ),
        Figure(name="mitmkube / mitmdump, CPU", spread=against("mitmdump", lambda one: one.cpu), digits=2),
    ]


def _running(measured: Sequence[Round[float]]) -> list[Figure]:
    def added(name: str) -> Spread:
        return spread(measured, lambda one: (one[name] - one["direct"]) * 1000)

    return [
        *(_milliseconds(measured, name) for name in WAYS),
        Figure(name="mitmdump adds", spread=added("mitmdump"), digits=0, unit="ms"),
        Figure(name="mitmkube adds", spread=added("mitmkube"), digits=0, unit="ms", target="at most 30 ms"),
    ]


def _cold(measured: Sequence[Round[float]]) -> list[Figure]:
    return [
        _milliseconds(measured, DIRECT),
        _milliseconds(measured, RUN, "mitmkube run --"),
        _milliseconds(measured, VERSION, "mitmdump --version"),
        Figure(
            name="run adds", spread=spread(measured, lambda one: (one[RUN] - one[DIRECT]) * 1000), digits=0, unit="ms"
        ),
        Figure(
            name="run adds / mitmdump --version",
            spread=spread(measured, lambda one: (one[RUN] - one[DIRECT]) / one[VERSION]),
            digits=2,
            target="at most 1.1",
        ),
    ]


def _milliseconds(measured: Sequence[Round[float]], name: str, called: str = "") -> Figure:
    return Figure(name=called or name, spread=spread(measured, lambda one: one[name] * 1000), digits=0, unit="ms")


def _section(title: str, figures: list[Figure]) -> list[Figure]:
    print(f"\n{title}")
    for figure in figures:
        target = f"  to reach: {figure.target}" if figure.target else ""
        print(f"  {figure.name:34}{figure.spread.text(figure.digits, figure.unit):38}{target}".rstrip(), flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main())
