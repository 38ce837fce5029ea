"""The child as mitmkube starts it: found, signalled and waited for as a shell would."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from mitmkube import child

ENVIRON = {"PATH": os.environ["PATH"]}


def run(*argv: str, environ: dict[str, str] | None = None) -> child.Ended:
    async def started() -> child.Ended:
        return await child.wait(signals.start(argv, ENVIRON if environ is None else environ))

    with child.Signals() as signals:
        return asyncio.run(started())


def run_shell(script: str) -> child.Ended:
    return run("sh", "-c", script)


def test_exit_status_is_the_childs() -> None:
    assert run_shell("exit 42") == child.Ended(42)


@pytest.mark.parametrize(
    ("name", "number"), [("KILL", 9), ("TERM", 15), ("INT", 2), ("PIPE", 13), ("SEGV", 11), ("HUP", 1), ("QUIT", 3)]
)
def test_child_killed_by_a_signal_ends_with_128_and_its_number(name: str, number: int) -> None:
    assert run_shell(f"ulimit -c 0; kill -{name} $$") == child.Ended(128 + number, f"SIG{name}")


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="there are no real-time signals here")
def test_child_killed_by_a_signal_without_a_name_ends_with_128_and_its_number() -> None:
    number = signal.SIGRTMIN + 2
    assert run_shell(f"kill -{number} $$") == child.Ended(128 + number, "SIGRTMIN+2")


@pytest.mark.parametrize("argv", [("no-such-command-at-all",), ("/no/such/file",), ("",)])
def test_command_that_does_not_exist_is_not_found(argv: Sequence[str]) -> None:
    with pytest.raises(child.CannotStart) as raised:
        run(*argv)
    assert raised.value.status in ((127, 126) if argv == ("",) else (127,))


def test_command_not_found_is_named(tmp_path: Path) -> None:
    with pytest.raises(child.CannotStart, match=r"^no-such-command-at-all: command not found$"):
        run("no-such-command-at-all", environ={"PATH": str(tmp_path)})


def test_folder_is_not_executable(tmp_path: Path) -> None:
    with pytest.raises(child.CannotStart, match="permission denied") as raised:
        run(str(tmp_path))
    assert raised.value.status == 126


def test_file_without_execute_permission_is_not_executable(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    with pytest.raises(child.CannotStart, match="permission denied") as raised:
        run(str(tmp_path / "script"))
    assert raised.value.status == 126


def test_too_long_a_command_line_is_not_executable() -> None:
    with pytest.raises(child.CannotStart, match="argument list too long") as raised:
        run("true", *["x" * 100_000] * 100)
    assert raised.value.status == 126


@pytest.mark.parametrize("how", ["path", "name"])
def test_script_without_a_first_line_runs_in_a_shell(tmp_path: Path, how: str) -> None:
    script = tmp_path / "mitmkube-test-script"
    script.write_text('exit "$1"\n')
    script.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{ENVIRON['PATH']}"}
    assert run(str(script) if how == "path" else script.name, "17", environ=environ) == child.Ended(17)


def test_command_is_looked_for_in_the_path_of_its_own_environment(tmp_path: Path) -> None:
    (tmp_path / "only-here").write_text("#!/bin/sh\nexit 5\n")
    (tmp_path / "only-here").chmod(0o755)
    assert run("only-here", environ={"PATH": str(tmp_path)}) == child.Ended(5)


def test_file_that_was_left_open_for_the_command_is_open_in_it() -> None:
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    os.write(writing, b"x")
    os.close(writing)
    try:
        assert run("cat", f"/dev/fd/{reading}") == child.Ended(0)
    finally:
        os.close(reading)


def test_file_of_mitmkubes_own_is_closed_in_the_command() -> None:
    reading, writing = os.pipe()
    try:
        assert run("cat", f"/dev/fd/{reading}").status != 0
    finally:
        os.close(reading)
        os.close(writing)


def test_sigpipe_ends_the_child_although_python_ignores_it() -> None:
    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
    assert run_shell("kill -PIPE $$; exit 0").signal == "SIGPIPE"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP])
def test_signal_handlers_are_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    run("true")
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP])
def test_signal_before_the_child_exists_ends_mitmkube_with_128_and_its_number(number: signal.Signals) -> None:
    with pytest.raises(SystemExit) as raised, child.Signals():
        signal.raise_signal(number)
    assert raised.value.code == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP])
def test_signal_after_the_child_has_ended_is_harmless(number: signal.Signals) -> None:
    async def started() -> None:
        await child.wait(signals.start(["true"], ENVIRON))

    with child.Signals() as signals:
        asyncio.run(started())
        signal.raise_signal(number)


def test_second_signal_after_the_child_has_ended_ends_mitmkube_as_the_first_would_have() -> None:
    async def started() -> None:
        await child.wait(signals.start(["true"], ENVIRON))

    with child.Signals() as signals:
        asyncio.run(started())
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(SystemExit) as raised:
            signal.raise_signal(signal.SIGINT)
    assert raised.value.code == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_while_the_child_starts_reaches_it(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    class Popen(subprocess.Popen[bytes]):
        def __init__(self, *arguments: object, **options: object) -> None:
            signal.raise_signal(number)
            super().__init__(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(child.subprocess, "Popen", Popen)
    assert run(sys.executable, "-c", "import time; time.sleep(60)").status == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_signal_that_was_ignored_stays_ignored_in_the_child(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert run_shell(f"kill -{number} $$; exit 3") == child.Ended(3)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def stopped(on_sigterm: str) -> child.Ended:
    """How a program ended that was stopped once it had said that it was ready."""
    program = "import os, signal, sys, time; signal.signal(signal.SIGTERM, {}); os.write({}, b'.'); time.sleep(600)"

    async def started() -> child.Ended:
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        process = signals.start([sys.executable, "-c", program.format(on_sigterm, writing)], ENVIRON)
        ended = child.wait(process)
        os.close(writing)
        assert os.read(reading, 1) == b"."
        os.close(reading)
        await child.stop(process, ended)
        return await ended

    with child.Signals() as signals:
        return asyncio.run(started())


def test_command_that_is_stopped_is_asked_to_end() -> None:
    assert stopped("lambda *_: os._exit(7)") == child.Ended(7)


def test_command_that_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "GRACE_SECONDS", 0.1)
    assert stopped("signal.SIG_IGN") == child.Ended(137, "SIGKILL")


def test_waiting_begins_while_the_event_loop_is_busy() -> None:
    """A program that suspends itself must stop mitmkube also during the import of the proxy."""

    async def busy() -> bool:
        process = signals.start(["true"], ENVIRON)
        ended = child.wait(process)
        while process.returncode is None:  # no turn of the loop
            time.sleep(0.001)
        await ended
        return True

    with child.Signals() as signals:
        assert asyncio.run(busy())
