"""Every kubectl there is to test with: those on PATH, the ``kubectl.1.NN`` beside them, and those built here."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.go_programs import GoBuild, GoPrograms

# Two generations back: 1.30 streams over SPDY, and 1.32 logs as kubectl did for long.
OLDER_KUBECTLS = GoPrograms(
    what="older kubectls, because PATH has too few, which takes about four minutes,",
    source=Path(__file__).parent / "go-kubectls",
    builds=(
        GoBuild(packages=(".",), name="kubectl.1.30", versioned="k8s.io/kubectl"),
        GoBuild(packages=(".",), name="kubectl.1.32", versioned="k8s.io/kubectl", modfile="1.32.mod"),
    ),
)


@dataclass(frozen=True, slots=True, order=True)
class Kubectl:
    """One kubectl. ``version`` is (major, minor); ``name`` is what it calls itself, such as ``v1.33.1``."""

    version: tuple[int, int]
    name: str
    path: Path

    def __str__(self) -> str:
        return self.name


@functools.cache
def find_kubectls(built: Path | None = None) -> tuple[Kubectl, ...]:
    """All that start, oldest first, each version once; ``built`` is a folder that may hold another one."""
    found = {kubectl.name: kubectl for path in _candidates(built) if (kubectl := _ask(path))}
    return tuple(sorted(found.values()))


def _candidates(built: Path | None) -> Iterator[Path]:
    # Later ones win where two have the same version, so what PATH finds first comes last.
    if built:
        yield built / "kubectl"
    if older := OLDER_KUBECTLS.built():
        yield from sorted(older.iterdir())
    for folder in reversed(os.environ.get("PATH", "").split(os.pathsep)):
        first = Path(folder) / "kubectl"
        if not folder or not first.exists():
            continue
        for beside in {first.parent, first.resolve().parent}:
            yield from (
                file for file in sorted(beside.glob("kubectl.*")) if re.fullmatch(r"kubectl\.1\.\d+", file.name)
            )
        yield first


def _ask(path: Path) -> Kubectl | None:
    if not os.access(path, os.X_OK):
        return None
    try:
        done = subprocess.run(
            [path, "version", "--client", "-o", "json"],
            # An empty kubeconfig: Google's dispatching kubectl asks the current cluster which version to be.
            env={**os.environ, "KUBECONFIG": os.devnull},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        version = json.loads(done.stdout)["clientVersion"]
        # "33+" is how some builders mark their own.
        return Kubectl((int(version["major"]), int(re.sub(r"\D", "", version["minor"]))), version["gitVersion"], path)
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError):
        return None
