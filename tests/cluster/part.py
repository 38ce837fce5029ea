"""One process of the test cluster: started with its log in a file, watched, paused, and ended by its own pid."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


class PartDied(Exception):
    """A part of the cluster ended by itself; the message carries the end of its log."""


class Part:
    """A started program. It does not outlive the process that started it where the system can see to that."""

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self.name = Path(command[0]).name
        self.log = log
        tied = shutil.which("setpriv") if sys.platform == "linux" else None
        prefix = [tied, "--pdeathsig", "KILL", "--"] if tied else []
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [*prefix, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for the test run, which then ends its parts in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, also after the process has ended."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """True until the process has ended."""
        return self._process.poll() is None

    def check(self) -> None:
        """Raise PartDied, with the log's last lines, if the process has ended."""
        if not self.alive:
            raise PartDied(f"{self.name} ended with status {self._process.returncode}:\n{self.tail()}")

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def pause(self) -> None:
        """Stop the process in its tracks (SIGSTOP): its connections stay open and silent."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would."""
        if self.alive:
            self._process.kill()
        self._process.wait(30)

    def stop(self, grace: float = 2) -> None:
        """Ask it to end (SIGTERM) and end it after ``grace`` seconds; a paused process is resumed for that."""
        if self.alive:
            self.resume()
            self._process.terminate()
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                self.kill()
