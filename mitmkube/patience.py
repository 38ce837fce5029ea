"""Tells a command's story also where a rule or a decoder fails at one of its requests, or does not come to an end.

What does not end goes on in a thread of its own. That holds for Python's code. A regular expression that runs away
holds the interpreter itself; the fuzzer looks for such.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from analyzers.classify import classify
from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange
from analyzers.finding import Finding
from analyzers.left_out import LeftOut

PATIENCE_SECONDS = 5.0
"""What one request may take; as a rule it is less than a millisecond."""
STORY_SECONDS = 60.0
"""What telling the whole story may take; 5,000 failed requests are told in a few."""
MOST_STUCK = 3
"""After so many no other is looked at: each has left a thread behind that may never end."""

type Told[T] = Callable[[Story], T]


class NotTold(Exception):
    """No story can be told of these requests; the message says why."""


def tell[T](
    exchanges: Sequence[Exchange],
    info: CommandInfo,
    left_out: LeftOut,
    told: Told[T],
    patience: float = PATIENCE_SECONDS,
) -> tuple[Story, T]:
    """The story, and what ``told`` makes of it. Raises NotTold.

    Where that fails, it is told without what one of the requests sent and was answered with, and a notice says so.
    """
    classification = _Classification.of(exchanges, patience)
    light = [one.without_bodies() if one.id in classification.failed else one for one in exchanges]
    info = replace(info, notices=(*info.notices, *classification.notices))
    try:
        return _tell(light, info, left_out, told, classification.found)
    except Exception as error:
        kept, notices = _tellable(light, told)
        if not notices:
            raise NotTold(f"{type(error).__name__}") from error
        info = replace(info, notices=(*info.notices, *notices))
        try:
            return _tell(kept, info, left_out, told, {one.id: classification.found.get(one.id, ()) for one in kept})
        except Exception as again:
            raise NotTold(f"{type(again).__name__}") from again


def _tell[T](
    exchanges: Sequence[Exchange],
    info: CommandInfo,
    left_out: LeftOut,
    told: Told[T],
    found: dict[int, tuple[Finding, ...]],
) -> tuple[Story, T]:
    def telling() -> tuple[Story, T]:
        story = Story.of(exchanges, info, found, left_out)
        return story, told(story)

    return _within(STORY_SECONDS, telling)


def _tellable[T](exchanges: Sequence[Exchange], told: Told[T]) -> tuple[list[Exchange], list[str]]:
    """Those that can be told of one by one, and what to say of the others."""
    kept, notices = [], []
    for place, exchange in enumerate(exchanges, 1):
        why = _failure(exchange, told)
        if not why:
            kept.append(exchange)
            continue
        bare = _bare(exchange)
        if _failure(bare, told):
            notices.append(f"Request {exchange.id} could not be analysed ({why}) and is left out.")
        else:
            kept.append(bare)
            notices.append(f"Request {exchange.id} could not be analysed ({why}): its content is left out.")
        if len(notices) >= MOST_STUCK and why == TimeoutError.__name__:
            if rest := len(exchanges) - place:
                notices.append(f"{rest} more requests were not analysed and are left out.")
            break
    return kept, notices


def _bare(exchange: Exchange) -> Exchange:
    response = exchange.response
    return replace(
        exchange.without_bodies(),
        response=response and replace(response.without_body(), error_event=None, stream=None),
    )


def _failure[T](exchange: Exchange, told: Told[T]) -> str:
    try:
        _within(PATIENCE_SECONDS, lambda: told(Story.of((exchange,))))
    except Exception as error:
        return type(error).__name__
    return ""


def _within[T](seconds: float, call: Callable[[], T]) -> T:
    """What ``call`` returns. Raises what it raises, and TimeoutError; then it may go on in a thread of its own."""
    outcome: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            outcome.append(call())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="mitmkube-story", daemon=True)
    thread.start()
    thread.join(seconds)
    if outcome:
        return outcome[0]
    raise errors[0] if errors else TimeoutError


@dataclass(slots=True)
class _Classification:
    """The findings of each request by its id, and which of them could not be looked at."""

    found: dict[int, tuple[Finding, ...]] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    notices: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, exchanges: Sequence[Exchange], patience: float) -> _Classification:
        self = cls()
        rest = list(exchanges)
        while rest and len(self.failed) < MOST_STUCK:
            stuck = self._work_off(rest, patience)
            if stuck is None:
                break
            self.failed.add(stuck.id)
            self.notices.append(f"Request {stuck.id} was not analysed: that took longer than {patience:g} s.")
            rest = rest[next(at for at, one in enumerate(rest) if one is stuck) + 1 :]
        else:
            if rest:
                self.notices.append(f"{len(rest)} more requests were not analysed.")
        # Whatever a thread that was left behind still finds, nobody waits for.
        return cls({one.id: self.found.get(one.id, ()) for one in exchanges}, self.failed, self.notices)

    def _work_off(self, exchanges: Sequence[Exchange], patience: float) -> Exchange | None:
        """Classify one after the other; the one that does not come to an end, None where all did."""
        at: list[tuple[Exchange, float]] = []

        def run() -> None:
            for exchange in exchanges:
                at[:] = [(exchange, time.monotonic())]
                findings = classify(exchange)
                if not at or at[0][0] is not exchange:
                    return
                self.found[exchange.id] = findings

        thread = threading.Thread(target=run, name="mitmkube-classify", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(patience / 4)
            if thread.is_alive() and at and time.monotonic() - at[0][1] > patience:
                stuck = at[0][0]
                at.clear()
                return stuck
        return None
