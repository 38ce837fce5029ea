"""A whole ``kubectl get ns``, a new process each time: through proxies that run already, and through one of its own."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import ways
from bench.paired import Round, rounds
from tests.cluster.cluster import Cluster
from tests.cluster.command import environment

ARGUMENTS = ("get", "ns")
LONGEST_SECONDS = 60
DIRECT, RUN, VERSION = "direct", "run", "version"


class Commands:
    """Each way keeps its own home folder, and with it its own discovery cache, filled before anything is measured."""

    def __init__(self, cluster: Cluster, folder: Path, kubectl: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        self._command = (str(kubectl), *ARGUMENTS)

    def through_running(self, count: int) -> list[Round[float]]:
        """Seconds by way."""
        with ExitStack() as stack:
            opened = [
                stack.enter_context(way)
                for way in (
                    ways.direct(self._cluster),
                    ways.bare_mitmdump(self._cluster, ways.new_folder(self._folder)),
                    ways.mitmkube(self._cluster, ways.new_folder(self._folder)),
                )
            ]
            return self._rounds(count, {way.name: self._timed(self._command, way.kubeconfig) for way in opened})

    def cold(self, count: int) -> list[Round[float]]:
        """Seconds of kubectl alone, of ``mitmkube run -- kubectl``, and of ``mitmdump --version``."""
        kubeconfig = str(self._cluster.kubeconfig(ways.IDENTITY))
        run = (str(ways.program("mitmkube")), "run", "--", *self._command)
        return self._rounds(
            count,
            {
                DIRECT: self._timed(self._command, kubeconfig),
                RUN: self._timed(run, kubeconfig),
                VERSION: self._timed((str(ways.program("mitmdump")), "--version"), kubeconfig),
            },
        )

    def _rounds(self, count: int, turns: Mapping[str, Callable[[], float]]) -> list[Round[float]]:
        rounds(1, turns)  # fills caches: of discovery, of bytecode, of the disk
        return rounds(count, turns)

    def _timed(self, command: Sequence[str], kubeconfig: str) -> Callable[[], float]:
        env = environment(ways.new_folder(self._folder), kubeconfig)

        def timed() -> float:
            started = time.perf_counter()
            with subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                # Not a timeout of wait(), which would look at the process every 50 ms only.
                limit = threading.Timer(LONGEST_SECONDS, process.kill)
                limit.start()
                process.wait()
                took = time.perf_counter() - started
                limit.cancel()
            if process.returncode:
                raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
            return took

        return timed
