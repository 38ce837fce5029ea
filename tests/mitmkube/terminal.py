"""A terminal with a program in it, as a person at the keyboard has it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

SECONDS = 60
"""How long to wait for what never comes."""


class Terminal:
    """``pid`` is the program that leads the session; ``seen`` all that appeared on the screen."""

    def __init__(self, pid: int, screen: int) -> None:
        self.pid = pid
        self.seen = b""
        self._screen = screen
        self._read_up_to = 0

    def type(self, keys: bytes) -> None:
        os.write(self._screen, keys)

    def wait_for(self, text: bytes) -> bytes:
        """Everything up to ``text``, which is searched after what was found last. Raises AssertionError."""
        deadline = time.monotonic() + SECONDS
        while (found := self.seen.find(text, self._read_up_to)) < 0:
            if time.monotonic() > deadline or not self._read(deadline):
                raise AssertionError(f"{text!r} did not appear after {self.seen[self._read_up_to :]!r}")
        start, self._read_up_to = self._read_up_to, found + len(text)
        return self.seen[start : self._read_up_to]

    def wait(self) -> int:
        """The exit status of the program, as a shell has it."""
        deadline = time.monotonic() + SECONDS
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            # What was written before the end is there by now.
            while self._read(time.monotonic() + 0.02):
                pass
            if pid:
                self.pid = 0
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            assert time.monotonic() < deadline, f"still running after {self.seen!r}"

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._screen], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            chunk = os.read(self._screen, 65536)
        except OSError:  # how Linux says that nobody has the terminal open any more
            return False
        self.seen += chunk
        return bool(chunk)


@contextlib.contextmanager
def terminal(
    argv: Sequence[str], environ: Mapping[str, str], cwd: Path, size: tuple[int, int] = (24, 80)
) -> Iterator[Terminal]:
    """Start ``argv`` as the leader of a session in a terminal of ``size`` rows and columns."""
    lead, follow = pty.openpty()
    fcntl.ioctl(follow, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    pid = os.posix_spawnp(
        "/bin/sh",
        # The shell opens the terminal as its controlling one: a session leader's first does.
        ["sh", "-c", 'cd "$1" && shift && exec "$@" 0<>"$TTY" 1>&0 2>&0', "sh", str(cwd), *argv],
        {**environ, "TTY": os.ttyname(follow), "TERM": "xterm"},
        setsid=True,
    )
    screen = Terminal(pid, lead)
    try:
        yield screen
    finally:
        if screen.pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(os.getsid(screen.pid), signal.SIGKILL)
            os.waitpid(screen.pid, 0)
        os.close(follow)
        os.close(lead)
