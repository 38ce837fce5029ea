"""A command that goes on, on one of two sides, until it is ended or ends by what was done beside it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence

from tests.cluster.api import wait_until
from tests.cluster.command import Outcome, environment
from tests.cluster.fidelity import Side

SECONDS = 60


class Going:
    """A command on one side that goes on. It leads a process group, as a shell's job does."""

    def __init__(self, side: Side, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._stdout, self._stderr = side.home / "stdout", side.home / "stderr"
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                side.words(command),
                env=environment(side.home, side.kubeconfig, side.env(env or {})),
                cwd=side.folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    def until(self, pattern: str) -> re.Match[str]:
        """Wait until its stdout has ``pattern``."""

        def seen() -> re.Match[str] | None:
            ended = self._process.poll() is not None
            found = re.search(pattern, self._stdout.read_text())
            assert found or not ended, self.outcome()
            return found

        return wait_until(f"{pattern} printed", seen)

    def end(self, number: int = 0) -> Outcome:
        """Send a signal to all of it, as a terminal does, or wait until it ends by itself."""
        try:
            if number:
                os.killpg(self._process.pid, number)
            self._process.wait(SECONDS)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        return self.outcome()

    def outcome(self) -> Outcome:
        # What a shell makes of it, for mitmkube can only exit with what its child was killed by.
        status = self._process.returncode or 0
        return Outcome(status if status >= 0 else 128 - status, self._stdout.read_text(), self._stderr.read_text())
