"""Signals that ask the demo to end, as an exception: whatever was begun is tidied up on the way out."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import NoReturn, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal came. ``status`` is what a shell would report."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


class Interruption:
    """In its ``with`` block the first signal raises Interrupted; those after it are ignored. For the main thread."""

    def __init__(self) -> None:
        self._before: dict[int, signal._HANDLER] = {}
        self._held = False
        self._waiting: int | None = None

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup left it
                self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A signal waits until the block has ended: what is made there is known by then, and can be undone."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._waiting is not None:
            self._end(self._waiting)

    def _received(self, number: int, _frame: FrameType | None) -> None:
        if self._held:
            self._waiting = number
        else:
            self._end(number)

    def _end(self, number: int) -> NoReturn:
        for one in self._before:
            signal.signal(one, signal.SIG_IGN)
        raise Interrupted(number)
