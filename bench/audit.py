"""``mitmkube explain`` over a large audit log, beside the fastest JSON decoder over the same file."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from bench import targets
from bench.figures import Figure, Section, column
from bench.paired import Round, ratio, rounds, spread
from bench.setting import Size
from tests.cluster.command import environment

RECORDING = Path(__file__).parents[1] / "tests" / "analyzers" / "readers" / "audit" / "audit.log"
EXPLAIN, DECODER = "explain", "decoder"
# One line in so many fails where some do: an API server with a broken client or two.
AMONG = 100
_DECODERS = {"orjson": "orjson.loads", "msgspec": "msgspec.json.decode", "json": "json.loads"}
_DECODE = """
import sys
import {module}
decode = {function}
with open(sys.argv[1], "rb") as file:
    for line in file:
        decode(line)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One process over the whole file, its start included."""

    megabytes_per_second: float
    peak_megabytes: float


def measure(mitmkube: Path, folder: Path, size: Size) -> Iterator[Section]:
    """A section for a log without failures and one for a log with some."""
    for failures, said in ((False, "no failure in it"), (True, f"a failure in every {AMONG}th line")):
        measured = _rounds(mitmkube, folder, size.log_megabytes, size.log_rounds, failures=failures)
        yield Section(
            title=f"explain of an audit log of {size.log_megabytes} MB, {said}; decoder: {_decoder()}",
            figures=list(_figures(measured, failures=failures)),
            rounds=[{name: asdict(turn) for name, turn in one.items()} for one in measured],
        )


def _figures(measured: Sequence[Round[Pass]], *, failures: bool) -> Iterator[Figure]:
    def rate(one: Pass) -> float:
        return one.megabytes_per_second

    def memory(one: Pass) -> float:
        return one.peak_megabytes

    both = (EXPLAIN, DECODER)
    reach = {} if failures else {EXPLAIN: targets.AUDIT_MEGABYTES_PER_SECOND}
    yield from column("MB/s", both, lambda name: spread(measured, name, rate), targets=reach)
    yield from column("to the decoder's", both[:1], lambda name: ratio(measured, name, DECODER, rate), digits=2)
    yield from column("peak memory MB", both, lambda name: spread(measured, name, memory))


def _decoder() -> str:
    """The fastest JSON decoder there is: orjson belongs to the extra ``test``."""
    return next(name for name in _DECODERS if importlib.util.find_spec(name))


def _rounds(mitmkube: Path, folder: Path, megabytes: int, times: int, *, failures: bool) -> list[Round[Pass]]:
    """Both over a log of ``megabytes``, which is removed again."""
    log = folder / "audit.log"
    _write(log, megabytes * 1_000_000, failures=failures)
    function = _DECODERS[_decoder()]
    script = _DECODE.format(module=function.rpartition(".")[0], function=function)
    turns = {
        EXPLAIN: _timed((str(mitmkube), "explain", str(log)), log),
        DECODER: _timed((sys.executable, "-c", script, str(log)), log),
    }
    try:
        return rounds(times, turns)
    finally:
        log.unlink()


def _write(log: Path, size: int, *, failures: bool) -> None:
    """The recorded events again and again, each request with an id of its own."""
    recorded = RECORDING.read_bytes().splitlines(keepends=True)
    failed = [line for line in recorded if b'"status":"Failure"' in line]
    good = [line for line in recorded if b'"code":2' in line]
    written = 0
    with log.open("wb") as file:
        for number in count():
            fails = failures and number % AMONG == 0
            line = failed[number // AMONG % len(failed)] if fails else good[number % len(good)]
            at = line.index(b'"auditID":"') + len(b'"auditID":"')
            written += file.write(line[:at] + b"%036x" % number + line[at + 36 :])
            if written >= size:
                return


def _timed(command: Sequence[str], log: Path) -> Callable[[], Pass]:
    def turn() -> Pass:
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment(log.parent))
        _, status, usage = os.wait4(child.pid, 0)
        took = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"{command[0]} ended with {child.returncode}")
        # Kilobytes, but bytes on macOS.
        unit = 1_000_000 if sys.platform == "darwin" else 1000
        return Pass(
            megabytes_per_second=log.stat().st_size / 1_000_000 / took,
            peak_megabytes=usage.ru_maxrss / unit,
        )

    return turn
