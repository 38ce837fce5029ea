"""The demo as a user runs it: as a command, in a home folder of its own, with and without kubectl."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mitmkube.demo.scenes import SCENES

SECONDS = 120


@dataclass(frozen=True, slots=True)
class Place:
    """Where a demo is run: an empty home, an empty folder for temporary files, and a folder that is all of PATH."""

    home: Path
    temporary: Path
    programs: Path

    @classmethod
    def below(cls, folder: Path) -> Place:
        place = cls(folder / "home", folder / "tmp", folder / "bin")
        for one in (place.home, place.temporary, place.programs):
            one.mkdir()
        return place

    def start(self) -> subprocess.Popen[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        environ |= {"HOME": str(self.home), "TMPDIR": str(self.temporary), "PATH": str(self.programs)}
        return subprocess.Popen(
            [sys.executable, "-m", "mitmkube", "demo"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def program(self, name: str, script: str) -> None:
        file = self.programs / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    @property
    def left_behind(self) -> list[Path]:
        return [*self.home.rglob("*"), *self.temporary.rglob("*")]


@dataclass(frozen=True, slots=True)
class Ran:
    """A demo that has ended. ``group`` is its process group."""

    place: Place
    group: int
    status: int
    stdout: str
    stderr: str


def run(place: Place) -> Ran:
    demo = place.start()
    try:
        stdout, stderr = demo.communicate(timeout=SECONDS)
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
    return Ran(place, demo.pid, demo.returncode, stdout, stderr)


@pytest.fixture(scope="module")
def without_kubectl(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run(Place.below(tmp_path_factory.mktemp("without-kubectl")))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.below(tmp_path)


@pytest.fixture
def started(place: Place) -> Iterator[subprocess.Popen[str]]:
    demo = place.start()
    yield demo
    if demo.poll() is None:
        os.killpg(demo.pid, signal.SIGKILL)
    demo.communicate()


def reports(output: str) -> list[str]:
    """What follows each command's own output."""
    return output.split("\n$ ")[1:]


def assert_all_is_shown(ran: Ran) -> None:
    assert (ran.status, ran.stderr) == (0, "")
    shown = reports(ran.stdout)
    assert len(shown) == len(SCENES)
    assert "ok: list pods in prod was answered 200" in shown[0]
    for category, report in zip(("auth", "rbac", "network", "health", "conflict", "request"), shown[1:], strict=True):
        assert f"failed: {category}, at step " in report


def test_every_category_is_reported_with_kubectl(place: Place, kubectl: str) -> None:
    (place.programs / "kubectl").symlink_to(kubectl)
    ran = run(place)
    assert_all_is_shown(ran)
    assert "\nUsing kubectl v1." in ran.stdout
    assert "\n$ kubectl get pods -n prod\n" in ran.stdout
    assert ran.place.left_behind == []


def test_every_category_is_reported_with_the_built_in_client(without_kubectl: Ran) -> None:
    assert_all_is_shown(without_kubectl)
    assert "\nno kubectl found: using the built-in client\n" in without_kubectl.stdout
    assert " -m mitmkube.demo.client get pods -n prod\n" in without_kubectl.stdout


def test_every_recording_is_found(without_kubectl: Ran) -> None:
    assert "no recording" not in without_kubectl.stdout


def test_a_command_prints_what_kubectl_would(without_kubectl: Ran) -> None:
    works, auth, rbac, network, health, conflict, request = reports(without_kubectl.stdout)
    assert "\nNAME " in works
    assert "\nerror: You must be logged in to the server (Unauthorized)\n" in auth
    assert '\nError from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods"' in rbac
    assert " was refused - did you specify the right host or port?\n" in network
    assert "\nerror: failed to create configmap: Internal error occurred: failed calling webhook" in health
    assert '\nError from server (Conflict): error when replacing "web.yaml": Operation cannot be fulf' in conflict
    assert '\nError from server (NotFound): deployments.apps "wbe" not found\n' in request


def test_nothing_is_left_in_the_home_and_among_temporary_files(without_kubectl: Ran) -> None:
    assert without_kubectl.place.left_behind == []


def test_no_process_is_left(without_kubectl: Ran) -> None:
    with pytest.raises(ProcessLookupError):
        os.killpg(without_kubectl.group, 0)


def test_there_is_no_color_without_a_terminal(without_kubectl: Ran) -> None:
    assert "\x1b" not in without_kubectl.stdout


def test_a_kubectl_that_does_not_start_gives_way_to_the_built_in_client(place: Place) -> None:
    place.program("kubectl", "exit 1")
    ran = run(place)
    assert ran.status == 0
    assert f"\n{place.programs / 'kubectl'} does not start: using the built-in client\n" in ran.stdout


def test_a_command_that_ends_otherwise_is_said_in_one_line(place: Place) -> None:
    place.program("kubectl", 'echo \'{"clientVersion": {"gitVersion": "v0"}}\'')
    ran = run(place)
    assert ran.status == 1
    assert ran.stderr == (
        "mitmkube: in the demo, auth: a token that the API server does not know: "
        "no failure was found, not auth-token-rejected\n"
    )
    assert ran.place.left_behind == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_without_leftovers(
    place: Place, started: subprocess.Popen[str], number: signal.Signals
) -> None:
    assert started.stdout is not None
    for line in started.stdout:
        if line.startswith("$ "):
            break
    started.send_signal(number)
    started.communicate(timeout=SECONDS)
    assert started.returncode == 128 + number
    assert place.left_behind == []
    with pytest.raises(ProcessLookupError):
        os.killpg(started.pid, 0)


def test_a_reader_that_goes_away_ends_it_quietly(place: Place, started: subprocess.Popen[str]) -> None:
    assert started.stdout is not None
    assert started.stderr is not None
    started.stdout.readline()
    started.stdout.close()
    said = started.stderr.read()
    assert started.wait(SECONDS) == 128 + signal.SIGPIPE
    assert said == ""
    assert place.left_behind == []
