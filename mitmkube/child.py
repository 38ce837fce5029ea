"""Runs the user's command as if mitmkube were not there: same terminal, same signals, same exit status."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

from mitmkube.errors import UserError

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as a shell has them
# An interactive shell, for one, does not end on SIGTERM; a report may go to a pipe that nobody reads.
GRACE_SECONDS = 2.0
# Between one process of a group and the next, as the terminal stops and the shell continues them.
_IN_TURN_SECONDS = 0.2


class CannotStart(UserError):
    """The command could not be started; ``status`` is what a shell would end with."""


# The terminal sends these to the whole foreground group: the child has them already.
_LEFT_TO_CHILD = (signal.SIGINT, signal.SIGQUIT)
# These come to mitmkube alone.
_FORWARDED = (signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended: ``status`` is what a shell would report, ``signal`` the name of what killed it or ""."""

    status: int
    signal: str = ""

    @property
    def exit_status(self) -> int | None:
        """The command's own, None where a signal ended it."""
        return None if self.signal else self.status


class Signals:
    """Whose a signal is. Before the command runs it ends mitmkube, which tidies up; from then on it is the command's,
    and mitmkube outlives it to report and to remove its files. One that comes after the command's end was perhaps meant
    for it: the report has ``GRACE_SECONDS`` then, or until the next signal. For the main thread.
    """

    def __init__(self) -> None:
        self._before: dict[int, signal._HANDLER] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._starting = False
        self._early: list[int] = []
        self._late = 0

    def __enter__(self) -> Signals:
        for number in _LEFT_TO_CHILD + _FORWARDED:
            # What was ignored when mitmkube started (nohup, a background job) is ignored in the child, and stays so.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def start(self, argv: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start the command, to which signals belong from now on. Raises CannotStart."""
        self._starting = True
        self._child = child = _start(argv, environ)
        for number in self._early:
            _send(child, number)
        return child

    def _received(self, number: int, _frame: FrameType | None) -> None:
        if self._starting and self._child is None:
            self._early.append(number)
        elif self._child is not None and self._child.returncode is None:
            if number in _FORWARDED:
                _send(self._child, number)
        elif self._child is not None and not self._late:
            self._late = number
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._received)
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
        else:
            raise SystemExit(128 + (self._late or number))


def wait(child: subprocess.Popen[bytes]) -> asyncio.Future[Ended]:
    """Wait for the child's end. The waiting begins at once, also where the event loop is busy."""
    return asyncio.get_running_loop().run_in_executor(None, _ended, child)


async def stop(child: subprocess.Popen[bytes], ended: asyncio.Future[Ended]) -> None:
    """End a child that cannot do its work; ``ended`` is what ``wait`` returned."""
    _send(child, signal.SIGTERM)
    await asyncio.wait([ended], timeout=GRACE_SECONDS)
    _send(child, signal.SIGKILL)
    await ended


def _ended(child: subprocess.Popen[bytes]) -> Ended:
    returned = _wait(child)
    if returned < 0:
        return Ended(128 - returned, _name(-returned))
    return Ended(returned)


def _start(argv: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return _popen(argv, environ)
    except FileNotFoundError:
        raise CannotStart(f"{argv[0]}: command not found", NOT_FOUND) from None
    except OSError as error:
        path = shutil.which(argv[0], path=environ.get("PATH"))
        if error.errno == errno.ENOEXEC and path is not None:
            with contextlib.suppress(OSError):  # a script without a first line that says so, as execvp runs it
                return _popen(("/bin/sh", path, *argv[1:]), environ)
        raise CannotStart(f"{argv[0]}: {(error.strerror or str(error)).lower()}", NOT_EXECUTABLE) from None


def _popen(argv: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # What a shell left open for the command (<(...)) is still open there; Python's own are closed by themselves.
    return subprocess.Popen(list(argv), env=dict(environ), close_fds=False)


def _wait(child: subprocess.Popen[bytes]) -> int:
    """Wait for the end, and return it as Popen does.

    A program that suspends itself alone (less, on Ctrl-Z) would leave mitmkube in the foreground, and the shell without
    its terminal: mitmkube stops with it. ``fg`` continues both.
    """
    status: int | None = None
    while True:
        if status is None:
            _, status = os.waitpid(child.pid, os.WUNTRACED)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode
        if os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGTSTP:
            # Where the terminal has stopped both, this is reached when both run again, or are about to.
            status = _changed(child, within=_IN_TURN_SECONDS)
            if status is None:
                os.kill(os.getpid(), signal.SIGTSTP)
        else:
            status = None


def _changed(child: subprocess.Popen[bytes], within: float) -> int | None:
    """The status of a stopped child that runs again or has ended ``within`` seconds, None of one that stays stopped."""
    tries = 10
    for attempt in range(tries + 1):  # not by the clock, which goes on while mitmkube itself is stopped
        pid, status = os.waitpid(child.pid, os.WNOHANG | os.WCONTINUED | os.WUNTRACED)
        if pid:
            return status
        if attempt < tries:
            time.sleep(within / tries)
    return None


def _send(child: subprocess.Popen[bytes], number: int) -> None:
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals between the first and the last
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
