"""Signals that come to mitmkube from elsewhere than the terminal, and what it leaves when it is killed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.mitmkube.commands import CLIENT, MITMKUBE, SECONDS, Place, python

PODS = "/api/v1/namespaces/default/pods"

# os.write, because a handler that prints into a print that it interrupted raises.
TRAPS = """
import os, signal, sys, time
def received(number, frame):
    signal.signal(number, signal.SIG_IGN)
    os.write(1, f"got {signal.Signals(number).name}\\n".encode())
    sys.exit(9)
signal.signal(signal.SIGTERM, received)
signal.signal(signal.SIGHUP, received)
os.write(1, b"ready\\n")
while True:
    time.sleep(0.02)
"""

COUNTS = """
import os, signal, time
count = 0
def received(number, frame):
    global count
    count += 1
    os.write(1, f"{count}\\n".encode())
signal.signal(signal.SIGTERM, received)
os.write(1, b"ready\\n")
while count < 20:
    time.sleep(0.02)
"""


def wait_for(process: subprocess.Popen[bytes], text: bytes) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == text + b"\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_is_forwarded_and_mitmkube_ends_after_the_command(no_cluster: Place, number: signal.Signals) -> None:
    with no_cluster.started("run", "--", *python(TRAPS)) as process:
        wait_for(process, b"ready")
        process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)
    assert out == f"got {number.name}\n".encode()
    assert b"exited 9" in err
    assert process.returncode == 9
    assert list(no_cluster.runtime.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_command_that_a_forwarded_signal_ends_is_reported(no_cluster: Place, number: signal.Signals) -> None:
    with no_cluster.started("run", "--", "sh", "-c", "echo ready; exec sleep 600") as process:
        wait_for(process, b"ready")
        process.send_signal(number)
        _, err = process.communicate(timeout=SECONDS)
    assert f"ended by {number.name}" in err.decode()
    assert process.returncode == 128 + number
    assert list(no_cluster.runtime.iterdir()) == []


def test_every_one_of_many_signals_is_forwarded(no_cluster: Place) -> None:
    with no_cluster.started("run", "--quiet", "--", *python(COUNTS)) as process:
        wait_for(process, b"ready")
        for count in range(1, 21):
            process.send_signal(signal.SIGTERM)
            wait_for(process, b"%d" % count)
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_signal_of_the_terminals_keys_is_not_sent_a_second_time(no_cluster: Place, number: signal.Signals) -> None:
    program = f"""
import os, signal, sys
signal.signal(signal.{number.name}, lambda *_: os.write(1, b"signalled"))
os.write(1, b"ready\\n")
sys.stdin.read()
"""
    with no_cluster.started("run", "--quiet", "--", *python(program)) as process:
        wait_for(process, b"ready")
        process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (0, b"", b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signal_before_the_command_has_started_ends_mitmkube_and_leaves_nothing(
    no_cluster: Place, number: signal.Signals
) -> None:
    # Who opens a pipe for reading waits for a writer: mitmkube is held at its kubeconfig.
    kubeconfig = no_cluster.work / "kubeconfig"
    os.mkfifo(kubeconfig)
    environ = {**no_cluster.environ, "KUBECONFIG": str(kubeconfig)}
    with no_cluster.started("run", "--har", "har", "--", "touch", "ran", env=environ) as process:
        writer = opened_by_a_reader(kubeconfig)
        assert len(list(no_cluster.runtime.iterdir())) == 1
        time.sleep(0.5)  # between opening and reading a signal would be seen after the read, which waits for the writer
        process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)
        os.close(writer)
    assert (process.returncode, out, err) == (128 + number, b"", b"")
    assert list(no_cluster.runtime.iterdir()) == []
    assert list(no_cluster.work.iterdir()) == [kubeconfig]


def opened_by_a_reader(pipe: Path) -> int:
    """Wait until somebody reads from ``pipe``; returns its writing end."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@pytest.mark.parametrize("name", ["HUP", "INT", "TERM"])
def test_signal_that_was_ignored_is_ignored_by_mitmkube_and_the_command(no_cluster: Place, name: str) -> None:
    ignored = f'trap "" {name}; exec "$@"'
    command = ("sh", "-c", f"kill -{name} $$; echo ready; read line; exit 3")
    with no_cluster.started("run", "--quiet", "--", *command, through=("sh", "-c", ignored, "sh")) as process:
        wait_for(process, b"ready")
        process.send_signal(getattr(signal, f"SIG{name}"))
        process.communicate(b"\n", timeout=SECONDS)
    assert process.returncode == 3


def test_har_is_whole_after_each_answer_when_mitmkube_is_killed(place: Place) -> None:
    (place.work / "har").write_text("of an earlier run")
    partial = place.work / "har.partial"
    with place.started("run", "--har", "har", "--", *CLIENT, PODS, f"{PODS}/web", "--hold") as process:
        deadline = time.monotonic() + SECONDS
        while len(entries(partial)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
        process.communicate(timeout=SECONDS)
    assert [entry["request"]["method"] for entry in entries(partial)] == ["GET", "GET"]
    assert (place.work / "har").read_text() == "of an earlier run"


def test_har_left_by_a_killed_run_is_replaced_by_the_next(place: Place) -> None:
    (place.work / "elsewhere").write_text("untouched")
    (place.work / "har.partial").symlink_to("elsewhere")
    assert place.mitmkube("run", "--har", "har", "--", *CLIENT, PODS).returncode == 0
    assert len(entries(place.work / "har")) == 1
    assert (place.work / "elsewhere").read_text() == "untouched"
    assert not (place.work / "har.partial").exists()


def entries(path: Path) -> list[dict[str, dict[str, str]]]:
    """The entries of a HAR; none while there is no file."""
    with contextlib.suppress(FileNotFoundError):
        found: list[dict[str, dict[str, str]]] = json.loads(path.read_text())["log"]["entries"]
        return found
    return []


def test_supervisor_that_ends_the_whole_group_gets_the_commands_status(no_cluster: Place) -> None:
    argv = [*MITMKUBE, "run", "--quiet", "--", *python(TRAPS)]
    with subprocess.Popen(
        argv, env=no_cluster.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        wait_for(process, b"ready")
        os.killpg(process.pid, signal.SIGTERM)
        out, _ = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (9, b"got SIGTERM\n")
    assert list(no_cluster.runtime.iterdir()) == []


def test_report_that_nobody_takes_is_given_up_on_a_signal(no_cluster: Place) -> None:
    """A pipe is opened when somebody reads it."""
    os.mkfifo(no_cluster.work / "pipe")
    ended = no_cluster.work / "ended"
    with no_cluster.started("run", "--report", "pipe", "--", "sh", "-c", 'trap "touch ended" EXIT') as process:
        deadline = time.monotonic() + SECONDS
        while not ended.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.5)  # what is sent to the command while it ends is the command's
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 128 + signal.SIGTERM
    assert list(no_cluster.runtime.iterdir()) == []
