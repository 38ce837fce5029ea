"""``python -m bench``: start a cluster, measure, print what was reached beside what is to be reached.

Nothing here passes or fails: the machine decides too much. Ratios within one run are what to read.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import apply, audit, client, commands, copies, forward, lists, long, throughput, watch, ways
from bench.figures import Section, to_reach
from bench.setting import FULL, QUICK, Setting, Size
from tests.cluster.api import ApiError
from tests.cluster.binaries import binaries
from tests.cluster.cluster import Cluster
from tests.cluster.go_programs import BuildFailed
from tests.cluster.kubectl import find_kubectls
from tests.cluster.part import PartDied

type Measure = Callable[[Setting, Size], Iterator[Section]]

PROXY: Mapping[str, Measure] = {
    "throughput": throughput.measure,
    "list": lists.measure,
    "watch": watch.measure,
    "forward": forward.measure,
    "cp": copies.measure,
    "running": commands.running,
    "cold": commands.cold,
    "apply": apply.measure,
}
LONG: Mapping[str, Measure] = {
    "long-requests": long.long_requests,
    "long-forward": long.long_forward,
    "long-list": long.long_list,
}
AUDIT = "audit"
JSON_FILE, LONG_JSON_FILE = Path("build/bench.json"), Path("build/bench-long.json")
_FAILURES = (RuntimeError, OSError, ApiError, PartDied, TimeoutError, subprocess.SubprocessError)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: 0 if everything could be measured, whatever came of it."""
    options = _options(argv)
    # So that proxies, clients and the cluster are ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    size = QUICK if options.quick else FULL
    if options.log_size:
        size = replace(size, log_megabytes=options.log_size)
    run = Run(options.json or (LONG_JSON_FILE if options.long else JSON_FILE))
    with tempfile.TemporaryDirectory(prefix="mitmkube-bench-") as temporary:
        parts = options.part or list(LONG if options.long else PROXY)
        if AUDIT in parts:
            run.part(AUDIT, partial(audit.measure, options.program, Path(temporary), size))
        of_proxy = {name: measure for name, measure in (*PROXY.items(), *LONG.items()) if name in parts}
        try:
            if of_proxy:
                _measure_proxy(run, of_proxy, options.program, Path(temporary), size)
        except (BuildFailed, *_FAILURES) as error:
            run.failed("the cluster", error)
    return run.end()


class Run:
    """What one run shows and writes down, section by section: what fails in the end takes nothing along."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._started = time.monotonic()
        self._sections: list[Section] = []
        self._failures: list[str] = []

    def part(self, name: str, measure: Callable[[], Iterator[Section]]) -> None:
        """Measure one part; if it cannot be measured, this is said, and the others have their turn."""
        started = time.monotonic()
        try:
            for section in measure():
                self._sections.append(section)
                print(f"\n{section.text()}", flush=True)
                self._write()
        except _FAILURES as error:
            self.failed(name, error)
        print(f"  ({name}: {time.monotonic() - started:.0f} s)", flush=True)

    def failed(self, name: str, error: BaseException) -> None:
        """Say so now, and in the end."""
        self._failures.append(f"{name}: {type(error).__name__}: {error}")
        print(f"\nbench: {self._failures[-1]}", file=sys.stderr, flush=True)
        self._write()

    def end(self) -> int:
        """All that was to be reached in one place; the exit status."""
        print("\nTo be reached")
        for section in self._sections:
            reach = [figure for figure in section.figures if figure.target]
            for line in [section.title, *(f"  {to_reach(figure)}" for figure in reach)] if reach else ():
                print(f"  {line}")
        for failure in self._failures:
            print(f"  could not be measured: {failure}")
        print(f"\n{time.monotonic() - self._started:.0f} s in all; {self._file}")
        return 1 if self._failures else 0

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "machine": {"processors": os.cpu_count(), "system": platform.platform(), "python": sys.version.split()[0]},
            "seconds": round(time.monotonic() - self._started, 1),
            "failures": self._failures,
            "sections": [section.document() for section in self._sections],
        }
        self._file.write_text(json.dumps(document, indent=1) + "\n")


def _measure_proxy(run: Run, parts: Mapping[str, Measure], program: Path, folder: Path, size: Size) -> None:
    programs = binaries()
    kubectls = find_kubectls(programs)
    if not kubectls:
        raise RuntimeError("kubectl is neither on PATH nor built")
    with Cluster(programs) as cluster:
        setting = Setting(
            cluster=cluster,
            folder=folder,
            kubectl=kubectls[-1],
            load=client.build(folder),
            mitmkube=program,
            mitmdump=ways.program("mitmdump"),
        )
        for name, measure in parts.items():
            run.part(name, partial(measure, setting, size))


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Compare mitmkube with bare mitmdump and no proxy.")
    parser.add_argument("--quick", action="store_true", help="few rounds and small sizes: for orientation")
    parser.add_argument(
        "--part",
        action="append",
        choices=(*PROXY, *LONG, AUDIT),
        help=f"only this; may be repeated; without it: all but {AUDIT} and the long ones",
    )
    parser.add_argument("--long", action="store_true", help="much of the same instead, and memory over time")
    parser.add_argument("--program", type=Path, metavar="FILE", help="the mitmkube to measure, of another checkout too")
    parser.add_argument("--log-size", type=int, metavar="MB", help="of the audit log; default: 1000, quick: 256")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help=f"every round and figure; default: {JSON_FILE}, with --long {LONG_JSON_FILE}",
    )
    options = parser.parse_args(argv)
    try:
        options.program = (options.program or ways.program("mitmkube")).absolute()
    except RuntimeError as error:
        parser.error(str(error))
    return options


if __name__ == "__main__":
    sys.exit(main())
