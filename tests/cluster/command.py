"""Commands run as a user would, each in a home folder of its own, so that no cache of another run is in play."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# I1122 16:36:58.665751   12345 file.go:123] and the same with the time alone, as klog prints them.
_KLOG = re.compile(r"^([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def masked(self) -> tuple[int, str, str]:
        """Everything a user can compare between two runs: klog's times and process ids are masked."""
        return self.status, _KLOG.sub(r"\1TIME PID ", self.stdout), _KLOG.sub(r"\1TIME PID ", self.stderr)


def run(
    command: Sequence[str | Path],
    *,
    home: Path,
    kubeconfig: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    seconds: float = 120,
    folder: Path | None = None,
) -> Outcome:
    """Run ``command`` to its end, or raise subprocess.TimeoutExpired after ``seconds``. Without ``stdin`` it is empty.

    ``home`` becomes HOME, and with it the place of kubectl's discovery cache. ``folder`` is where the command runs.
    """
    done = subprocess.run(
        [str(argument) for argument in command],
        env=environment(home, kubeconfig, env),
        cwd=folder,
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def environment(
    home: Path, kubeconfig: Path | str | None = None, env: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment that ``run`` gives a command, for tests that start one by themselves."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "XDG_"))}
    own = {"HOME": str(home), "LC_ALL": "C.UTF-8"}
    if kubeconfig:
        own["KUBECONFIG"] = str(kubeconfig)
    return {**inherited, **own, **(env or {})}
