"""Runs the user's command as if mitmkube were not there: same terminal, same signals, same exit status."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mitmkube.errors import UserError

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as a shell has them


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


async def run(argv: Sequence[str], environ: Mapping[str, str]) -> Ended:
    """Run ``argv`` to its end. Raises CannotStart."""
    try:
        child = subprocess.Popen(list(argv), env=dict(environ))
    except FileNotFoundError:
        raise CannotStart(f"{argv[0]}: command not found", NOT_FOUND) from None
    except OSError as error:
        raise CannotStart(f"{argv[0]}: {(error.strerror or str(error)).lower()}", NOT_EXECUTABLE) from None
    with _signals_for(child):
        returned = await asyncio.to_thread(child.wait)
    if returned < 0:
        return Ended(128 - returned, signal.Signals(-returned).name)
    return Ended(returned)


@contextlib.contextmanager
def _signals_for(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Signals reach the child, and mitmkube outlives it to report."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _LEFT_TO_CHILD + _FORWARDED}
    # What was ignored when mitmkube started (nohup, a background job) is ignored in the child, and stays so here.
    handled = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in handled:
        if number in _FORWARDED:
            loop.add_signal_handler(number, _forward, child, number)
        else:
            loop.add_signal_handler(number, lambda: None)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _forward(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(number)
