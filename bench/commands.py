"""Whole commands, a new process each time: ``kubectl get ns`` through proxies that run, and through one of its own."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench import targets, ways
from bench.figures import Figure, Section, Target, column
from bench.paired import Round, Spread, difference, rounds, spread
from bench.setting import Setting, Size
from tests.cluster.command import environment

ARGUMENTS = ("get", "ns")
LONGEST_SECONDS = 120
RUN, VERSION = "mitmkube run --", "mitmdump --version"


def running(setting: Setting, size: Size) -> Iterator[Section]:
    """Through proxies that run already."""
    command = (setting.kubectl.path, *ARGUMENTS)
    with ways.opened(setting) as sides:
        measured = filled_rounds(
            size.running_rounds, {name: timed(setting, command, way.kubeconfig) for name, way in sides.items()}
        )
    yield Section(
        title=f"kubectl {setting.kubectl} get ns, through proxies that run: ms",
        figures=list(took_and_added(measured, targets.RUNNING_ADDED_MS)),
        rounds=measured,
    )


def cold(setting: Setting, size: Size) -> Iterator[Section]:
    """``mitmkube run -- kubectl get ns``, beside kubectl alone and what importing mitmproxy takes."""
    kubeconfig = str(setting.cluster.kubeconfig(ways.IDENTITY))
    command = (setting.kubectl.path, *ARGUMENTS)
    measured = filled_rounds(
        size.cold_rounds,
        {
            ways.DIRECT: timed(setting, command, kubeconfig),
            RUN: timed(setting, (setting.mitmkube, "run", "--", *command), kubeconfig),
            VERSION: timed(setting, (setting.mitmdump, "--version"), kubeconfig),
        },
    )

    def to_version(name: str) -> Spread:
        return Spread.of((one[name] - one[ways.DIRECT]) / one[VERSION] for one in measured)

    reach = {RUN: targets.COLD_AGAINST_VERSION}
    yield Section(
        title=f"mitmkube run -- kubectl {setting.kubectl} get ns: ms",
        figures=[
            *column("took", measured[0], lambda name: spread(measured, name, milliseconds)),
            *column("added", [RUN], lambda name: difference(measured, name, ways.DIRECT, milliseconds)),
            *column(f"added, to {VERSION}", [RUN], to_version, digits=2, targets=reach),
        ],
        rounds=measured,
    )


def took_and_added(measured: Sequence[Round[float]], target: Target | None = None) -> Iterator[Figure]:
    """What every side took, in ms, and what it took more than direct; ``target`` is mitmkube's."""
    reach = {ways.MITMKUBE: target} if target else {}
    yield from column("took", measured[0], lambda name: spread(measured, name, milliseconds))
    proxies = [name for name in measured[0] if name != ways.DIRECT]
    yield from column(
        "added", proxies, lambda name: difference(measured, name, ways.DIRECT, milliseconds), targets=reach
    )


def milliseconds(seconds: float) -> float:
    """As they are shown."""
    return seconds * 1000


def filled_rounds(count: int, turns: Mapping[str, Callable[[], float]]) -> list[Round[float]]:
    """Rounds after one that fills caches: of discovery, of bytecode, of the disk."""
    rounds(1, turns)
    return rounds(count, turns)


def timed(
    setting: Setting, command: Sequence[str | Path], kubeconfig: str, expected: Callable[[bytes], bool] = bool
) -> Callable[[], float]:
    """A turn: seconds from start to end, in a home folder that stays. What it prints has to be as ``expected``."""
    home = ways.new_folder(setting.folder)
    env = environment(home, kubeconfig)
    errors = home / "stderr"

    def turn() -> float:
        started = time.perf_counter()
        with (
            errors.open("wb") as stderr,
            subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr
            ) as process,
        ):
            assert process.stdout is not None
            limit = threading.Timer(LONGEST_SECONDS, process.kill)
            limit.start()
            said = process.stdout.read()
            # Not with a timeout, which would look at the process every 50 ms only.
            process.wait()
            took = time.perf_counter() - started
            limit.cancel()
        if process.returncode or not expected(said):
            failed = f"{' '.join(map(str, command))} ended with status {process.returncode}"
            raise RuntimeError(f"{failed}: {errors.read_text(errors='replace')[-2000:]}")
        return took

    return turn
