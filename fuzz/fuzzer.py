"""The loop: take a known input, change it, run it; keep it if it reached something new, report it if it failed."""

from __future__ import annotations

import logging
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from types import FrameType

from analyzers import classify, story_details
from fuzz import growth, mutation
from fuzz.coverage import Coverage
from fuzz.targets import CODE, ROOT, Target

LONGEST_SECONDS = 10.0
"""Of processor time, for one input: what takes longer would not end."""
SLOW_SECONDS = 0.5
"""Of processor time, for one input of a few kilobytes: hundreds of times what it usually takes."""
_MOST_SEEDS = 400
_MOST_RUNS_TO_MINIMISE = 1500
_EVERY_GROWTH = 400


class TooSlow(BaseException):
    """Not an Exception, so that nothing in the product takes it for one of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """An input that a target could not read. ``place`` tells finds apart; ``told`` is for people."""

    target: str
    place: str
    data: bytes
    told: str


@dataclass(slots=True, kw_only=True)
class Report:
    """What came of a run."""

    target: str
    inputs: int = 0
    seconds: float = 0.0
    corpus: int = 0
    reached: int = 0
    finds: list[Find] = field(default_factory=list)


def fuzz(
    target: Target,
    *,
    inputs: int,
    seed: int = 0,
    seconds: float | None = None,
    with_growth: bool = True,
    roots: Sequence[str] = CODE,
    found: Callable[[Find], object] = lambda _: None,
) -> Report:
    """Run ``target`` on ``inputs`` inputs, or for ``seconds``; each find is also told to ``found`` when it is made.

    The same seed makes the same inputs of the same recordings and the same code, as long as nothing is measured: of the
    code, what stands in files under ``roots`` tells which inputs are worth keeping. ``with_growth`` looks for inputs
    whose time grows faster than they do; that needs a machine that is not too busy.
    """
    random = Random(f"{seed}/{target.name}")
    report = Report(target=target.name)
    known: dict[str, Find] = {}
    begun = time.monotonic()
    corpus: list[bytes] = []
    told: set[object] = set()

    def take(place: str, data: bytes, said: str) -> None:
        find = Find(target=target.name, place=place, data=data, told=said)
        known[place] = find
        report.finds.append(find)
        found(find)

    def run(data: bytes) -> None:
        before, since = coverage.new, time.process_time()
        failed = _failure(target, data)
        spent = time.process_time() - since
        report.inputs += 1
        if isinstance(failed, _Failed):
            if failed.place not in known:
                take(failed.place, _minimised(target, data, failed), failed.told)
            return
        if with_growth and spent > SLOW_SECONDS:
            spent = min(_seconds(target, data) for _ in range(3))
            if spent > SLOW_SECONDS and (place := f"slow at {_busy_place(target, data, spent / 2)}") not in known:
                take(place, data, f"{spent:.2f} s for {len(data)} bytes\n")
        # Of a set, each part counts: combinations have no end.
        said = set(failed) if isinstance(failed, frozenset) else {failed}
        if coverage.new > before or not said <= told:
            told.update(said)
            corpus.append(data)

    with Coverage(roots) as coverage, rule_failures_raised():
        given = list(target.seeds())
        random.shuffle(given)
        for data in (b"", *given[: min(_MOST_SEEDS, inputs // 4)]):
            run(data[: target.largest])
        corpus = corpus or [b"a"]
        while report.inputs < inputs and (seconds is None or time.monotonic() - begun < seconds):
            if with_growth and report.inputs % _EVERY_GROWTH == 0:
                grown = growth.grown(corpus, random, lambda data: _failure(target, data))
                report.inputs += growth.RUNS
                if grown is not None:
                    place = f"grows at {_busy_place(target, grown.data, grown.seconds / 2)}"
                    if place not in known:
                        take(place, grown.data, grown.told)
                continue
            run(mutation.mutated(_pick(corpus, random), _pick(corpus, random), random, target.largest))
        report.reached, report.corpus = coverage.new, len(corpus)
    report.seconds = time.monotonic() - begun
    return report


def _pick(corpus: list[bytes], random: Random) -> bytes:
    """Half of the time one of those that were found last."""
    if random.randrange(2):
        return corpus[-1 - random.randrange(min(len(corpus), 32))]
    return random.choice(corpus)


@dataclass(frozen=True, slots=True)
class _Failed:
    place: str
    told: str


def _failure(target: Target, data: bytes, seconds: float | None = None) -> object:
    """What the target returned, or how it failed."""
    for module in (classify, story_details):
        module._reported.clear()  # or a rule that fails would be logged but once
    try:
        with _limited(seconds or LONGEST_SECONDS):
            return target.run(data)
    except TooSlow as error:
        return _Failed(f"TooSlow at {_place(error)}", "".join(traceback.format_exception(error)))
    except RecursionError as error:
        return _Failed(f"RecursionError in {_place(error).partition(':')[0]}", _shortened(error))
    except Exception as error:
        return _Failed(f"{type(error).__name__} at {_place(error)}", _shortened(error))


def _seconds(target: Target, data: bytes) -> float:
    since = time.process_time()
    _failure(target, data)
    return time.process_time() - since


def _busy_place(target: Target, data: bytes, seconds: float) -> str:
    """Where the product is after ``seconds``."""
    failed = _failure(target, data, seconds)
    return failed.place.rpartition(" ")[2] if isinstance(failed, _Failed) else "?"


def _place(error: BaseException) -> str:
    """The innermost line of the product, where there is one."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(CODE)] or list(frames)
    return f"{ours[-1].filename.removeprefix(f'{ROOT}/')}:{ours[-1].lineno}" if ours else "?"


def _shortened(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(lines if len(lines) < 80 else [*lines[:30], "…", *lines[-40:]]) + "\n"


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


@contextmanager
def rule_failures_raised() -> Iterator[None]:
    """A rule that raises is logged and survived by the product; here it counts as what it is. So does endless work."""

    class Raised(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info is not None and record.exc_info[1] is not None:
                raise record.exc_info[1]

    def too_slow(_: int, frame: FrameType | None) -> None:
        raise TooSlow

    handler = Raised()
    classify.logger.addHandler(handler)
    before = signal.signal(signal.SIGVTALRM, too_slow)
    try:
        yield
    finally:
        signal.signal(signal.SIGVTALRM, before)
        classify.logger.removeHandler(handler)


def _minimised(target: Target, data: bytes, failed: _Failed) -> bytes:
    """The smallest part of ``data`` that was found to fail at the same place."""
    if failed.place.startswith("TooSlow"):
        return data
    left = _MOST_RUNS_TO_MINIMISE
    step = max(len(data) // 2, 1)
    while step and left > 0:
        at = 0
        shrunk = False
        while at < len(data) and left > 0:
            smaller = data[:at] + data[at + step :]
            left -= 1
            again = _failure(target, smaller)
            if isinstance(again, _Failed) and again.place == failed.place:
                data, shrunk = smaller, True
            else:
                at += step
        if not shrunk or step > 1:
            step //= 2
    return data
