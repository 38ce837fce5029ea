"""GET of one object over connections that are kept: requests per second, and what each costs the proxy in CPU time."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import ways
from bench.paired import Round, rounds
from bench.ways import Way
from tests.cluster.cluster import Cluster

CONNECTIONS = (1, 8)
OBJECT_BYTES = 1024
PATH = "/api/v1/namespaces/default/configmaps/bench"

# A proxy that works off what it put aside is at rest when it used no more than this share of a processor.
_REST_SECONDS, _REST_SHARE, _LONGEST_REST = 0.1, 0.2, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One turn of one way. ``cpu`` is ms per request of the proxy, also what it did after the last answer.

    ``backlog`` is how long that took, in seconds. Both are 0 without a proxy.
    """

    rate: float
    cpu: float = 0.0
    backlog: float = 0.0


class Throughput:
    """All ways open at once, used in turns."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        data = {"data": {"text": "x" * OBJECT_BYTES}, "metadata": {"name": "bench"}}
        cluster.arrange("POST", PATH.rpartition("/")[0], data)
        self._load = ways.load_generator(folder)
        self._token = ways.token(cluster)

    def measure(self, blocks: int, rounds_each: int, seconds: float) -> Iterator[tuple[int, Round[Measured]]]:
        """(connections, one round), ``blocks`` times with new proxies; a turn takes ``seconds``."""
        for _ in range(blocks):
            with ExitStack() as stack:
                opened = [
                    stack.enter_context(way)
                    for way in (
                        ways.direct(self._cluster),
                        ways.bare_mitmdump(self._cluster, ways.new_folder(self._folder)),
                        ways.mitmkube(self._cluster, ways.new_folder(self._folder)),
                    )
                ]
                for connections in CONNECTIONS:
                    turns = {way.name: lambda w=way, c=connections: self._turn(w, c, seconds) for way in opened}
                    for one in rounds(rounds_each, turns):
                        yield connections, one

    def _turn(self, way: Way, connections: int, seconds: float) -> Measured:
        order = {
            "url": f"{self._cluster.url}{PATH}",
            "proxy": way.proxy,
            "ca": way.ca,
            "token": self._token,
            "connections": connections,
            "seconds": seconds,
        }
        before = cpu_seconds(way.pid)
        done = subprocess.run(
            [self._load], input=json.dumps(order).encode(), stdout=subprocess.PIPE, timeout=seconds + 120, check=True
        )
        ended = time.monotonic()
        _until_at_rest(way.pid)
        result = json.loads(done.stdout)
        return Measured(
            rate=result["requests"] / result["seconds"],
            cpu=(cpu_seconds(way.pid) - before) / result["all"] * 1000,
            backlog=max(0.0, time.monotonic() - ended - _REST_SECONDS) if way.pid else 0.0,
        )


def cpu_seconds(pid: int | None) -> float:
    """The CPU time that a process has used so far, all of its threads and none of its children; 0 without a pid."""
    if pid is None:
        return 0.0
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    # macOS
    said = subprocess.run(["ps", "-o", "cputime=", "-p", str(pid)], stdout=subprocess.PIPE, text=True, check=True)
    total = 0.0
    for part in said.stdout.strip().split(":"):
        total = total * 60 + float(part)
    return total


def _until_at_rest(pid: int | None) -> None:
    """Wait until what was queued is done, so that the next turn does not pay for it."""
    deadline = time.monotonic() + _LONGEST_REST
    while pid is not None and time.monotonic() < deadline:
        before = cpu_seconds(pid)
        time.sleep(_REST_SECONDS)
        if cpu_seconds(pid) - before <= _REST_SECONDS * _REST_SHARE:
            return
