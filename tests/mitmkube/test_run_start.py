"""The command runs while mitmproxy is still being imported: what may happen meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from mitmkube.run import RunOptions, run
from proxy_addons.limits import Limits
from tests.mitmkube.commands import CLIENT, SECONDS, Place, python

ONE_LINE = b"mitmkube: an error of mitmkube's own: ImportError: it is broken (MITMKUBE_DEBUG=1 shows where)\n"
BROKEN = "raise ImportError('it is broken')\n"
SAYS_WHICH_SIGNAL = """
import os, signal
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, lambda number, _: (os.write(1, signal.Signals(number).name.encode()), os._exit(9)))
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""


def with_mitmproxy(folder: Path, content: str) -> dict[str, str]:
    """An environment in which importing mitmproxy does what ``content`` says."""
    package = folder / "instead" / "mitmproxy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(content)
    return {"PYTHONPATH": str(package.parent)}


def held(tmp_path: Path) -> tuple[dict[str, str], Path]:
    """An environment in which the import of mitmproxy lasts until somebody has opened the pipe and closed it again."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    return with_mitmproxy(tmp_path, f"open({str(pipe)!r}).read()\n{BROKEN}"), pipe


def test_client_is_turned_away_when_the_proxy_cannot_start(place: Place, tmp_path: Path) -> None:
    done = place.mitmkube("run", "--har", "har", "--", *CLIENT, "/version", env=with_mitmproxy(tmp_path, BROKEN))
    assert done.returncode == 125
    assert done.stderr.endswith(ONE_LINE)
    assert b"mitmkube ---" not in done.stderr
    assert list(place.runtime.iterdir()) == []
    assert list(place.work.iterdir()) == []


def test_command_is_ended_when_the_proxy_cannot_start(no_cluster: Place, tmp_path: Path) -> None:
    env = with_mitmproxy(tmp_path, f"import time; time.sleep(0.5)\n{BROKEN}")
    done = no_cluster.mitmkube("run", "--", *python(SAYS_WHICH_SIGNAL), env=env)
    assert (done.returncode, done.stdout, done.stderr) == (125, b"ready\nSIGTERM", ONE_LINE)
    assert list(no_cluster.runtime.iterdir()) == []


def test_command_that_does_not_exist_is_said_without_importing_the_proxy(no_cluster: Place, tmp_path: Path) -> None:
    done = no_cluster.mitmkube("run", "--", "no-such-command", env=with_mitmproxy(tmp_path, BROKEN))
    assert (done.returncode, done.stderr) == (127, b"mitmkube: no-such-command: command not found\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_reaches_the_command_while_the_proxy_is_imported(
    no_cluster: Place, tmp_path: Path, number: signal.Signals
) -> None:
    env, pipe = held(tmp_path)
    with no_cluster.started("run", "--", *python(SAYS_WHICH_SIGNAL), env={**no_cluster.environ, **env}) as process:
        writer = os.open(pipe, os.O_WRONLY)  # waits for its reader
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.stdout.read(len(number.name)) == number.name.encode()
        os.close(writer)
        assert process.wait(SECONDS) == 125
    assert list(no_cluster.runtime.iterdir()) == []


def test_interrupt_key_is_left_to_the_command_while_the_proxy_is_imported(no_cluster: Place, tmp_path: Path) -> None:
    env, pipe = held(tmp_path)
    with no_cluster.started(
        "run", "--", *python(SAYS_WHICH_SIGNAL), env={**no_cluster.environ, **env}, start_new_session=True
    ) as process:
        writer = os.open(pipe, os.O_WRONLY)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.killpg(process.pid, signal.SIGINT)  # as the terminal does
        assert process.stdout.read(6) == b"SIGINT"
        os.close(writer)
        assert process.wait(SECONDS) == 125
    assert list(no_cluster.runtime.iterdir()) == []


def test_command_that_ended_unconnected_needs_no_more_of_mitmproxy(no_cluster: Place, tmp_path: Path) -> None:
    """The first of the imports here lasts until the command has ended, and a second one would fail."""
    package = with_mitmproxy(tmp_path, "")["PYTHONPATH"]
    ran = tmp_path / "ran"
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(ran)!r}).exists(): time.sleep(0.01)\ntime.sleep(1)\n"
    (Path(package) / "mitmproxy" / "connection.py").write_text(waits)
    done = no_cluster.mitmkube("run", "--", "touch", ran, env={"PYTHONPATH": package})
    assert done.returncode == 0
    assert b"Nothing was sent through the proxy" in done.stderr
    assert list(no_cluster.runtime.iterdir()) == []


@pytest.mark.parametrize(("where", "what"), [("mitmkube.authority", "create"), ("mitmkube.har_recording", "Analysis")])
@pytest.mark.parametrize("error", [OSError("no space left"), SystemExit(143)])
def test_nothing_is_left_of_a_run_whose_command_was_never_started(
    place: Place, monkeypatch: pytest.MonkeyPatch, where: str, what: str, error: BaseException
) -> None:
    """A full disk, or a signal at the wrong moment."""

    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(f"{where}.{what}", fails)
    options = RunOptions(argv=CLIENT, keep_flows=100, limits=Limits(), har=place.work / "har")
    with pytest.raises(type(error)):
        run(options, place.environ)
    assert list(place.work.iterdir()) == []
    assert list(place.runtime.iterdir()) == []
