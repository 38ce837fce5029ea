"""A process's memory over time, from outside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bench.usage import megabytes

POINTS = 10
_SECONDS = 0.2


class Samples:
    """In MB, at equal times. Its properties may be asked for when the work is done."""

    def __init__(self) -> None:
        self.megabytes: list[float] = []
        self.peak = 0.0
        self.peak_to_end = 0.0
        self._over = threading.Event()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid: int | None = None

    def begin(self, pid: int | None) -> None:
        """Sample this process from now on."""
        self._pid = pid
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def work_is_done(self) -> None:
        """What comes now is how it ends: only its peak is looked at."""
        self.megabytes.append(megabytes(self._pid))
        self.peak = megabytes(self._pid, peak=True)
        self._done.set()

    def end(self) -> None:
        """No more."""
        self._over.set()
        if self._thread:
            self._thread.join()

    @property
    def after_first_tenth(self) -> float:
        """When a tenth of the time was over, by when everything had been used once."""
        return self.megabytes[(len(self.megabytes) - 1) // POINTS]

    @property
    def last(self) -> float:
        """When the work was done."""
        return self.megabytes[-1]

    def points(self) -> list[float]:
        """So many and one of the samples, the first and the last among them."""
        last = len(self.megabytes) - 1
        return [self.megabytes[last * point // POINTS] for point in range(POINTS + 1)]

    def _sample(self) -> None:
        while True:
            peak = megabytes(self._pid, peak=True)
            if not peak:
                return
            self.peak_to_end = max(self.peak_to_end, peak)
            if not self._done.is_set():
                self.megabytes.append(megabytes(self._pid))
            if self._over.wait(_SECONDS):
                return


@contextmanager
def sampled() -> Iterator[Samples]:
    """Samples that end with the block, or with the process."""
    samples = Samples()
    try:
        yield samples
    finally:
        samples.end()
