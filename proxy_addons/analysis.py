"""Classifies exchanges beside the traffic, never in its way, and never for long."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mitmproxy import http

from analyzers.classify import classify
from analyzers.exchange import Exchange
from analyzers.finding import Finding

logger = logging.getLogger("mitmkube")

# Waking a thread for each of many exchanges takes longer than all else the event loop does with them.
PAUSE_SECONDS = 0.02
PATIENCE_SECONDS = 5.0
"""What the analysis of one exchange may take; as a rule it is less than a millisecond."""
MOST_STUCK = 3
"""After so many nothing more is analysed: each has left a thread behind that may never end."""

type Listener = Callable[[Exchange, tuple[Finding, ...], http.HTTPFlow], None]
type Unanalysed = Callable[[Exchange, http.HTTPFlow, str], None]


@dataclass(frozen=True, slots=True)
class _Item:
    exchange: Exchange
    flow: http.HTTPFlow
    listeners: Sequence[Listener]


class Analysis:
    """A queue and one thread behind it. Listeners are called on that thread, in the order of the exchanges.

    ``listeners`` get what has ended, those of ``still_open`` what goes on, each time that it is looked at. ``at_rest``
    is called each time that the queue has been worked off, and in the end. ``given_up`` is told of an exchange that has
    ended and could not be analysed, and why: a rule or a decoder raised, or took longer than ``patience`` seconds. Then
    the thread is left alone, and another goes on.
    """

    def __init__(
        self,
        *listeners: Listener,
        still_open: Sequence[Listener] = (),
        at_rest: Callable[[], None] = lambda: None,
        given_up: Unanalysed = lambda exchange, flow, why: None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._listeners = listeners
        self._at_rest = at_rest
        self._given_up = given_up
        self._still_open = still_open
        self._patience = patience
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._finishing = threading.Event()
        self._worker = _Worker()
        self._stuck = 0
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="mitmkube-patience", daemon=True).start()
        self._start(self._worker)

    def __call__(self, exchange: Exchange, flow: http.HTTPFlow) -> None:
        """Take an exchange; returns at once."""
        self._queue.put(_Item(exchange, flow, self._listeners))

    def look(self, exchange: Exchange, flow: http.HTTPFlow) -> None:
        """Take an exchange as it stands while it goes on; returns at once."""
        self._queue.put(_Item(exchange, flow, self._still_open))

    def finish(self) -> None:
        """Work off what is queued and end."""
        self._queue.put(None)
        self._finishing.set()
        self._ended.wait()

    def _start(self, worker: _Worker, begin_with: _Item | None = None) -> None:
        arguments = (worker, begin_with)
        threading.Thread(target=self._work, args=arguments, name="mitmkube-analysis", daemon=True).start()

    def _work(self, worker: _Worker, stuck: _Item | None) -> None:
        try:
            if stuck is not None:
                self._say(worker, stuck, f"its analysis took longer than {self._patience:g} s")
            while not worker.left and (item := self._queue.get()) is not None:
                self._analyse(worker, item)
                if self._queue.empty() and not worker.left:
                    worker.begin(None)
                    self._at_rest()
                    worker.end()
                    self._finishing.wait(PAUSE_SECONDS)
            if not worker.left:
                self._at_rest()
        finally:
            if not worker.left:
                self._ended.set()

    def _analyse(self, worker: _Worker, item: _Item) -> None:
        if self._stuck >= MOST_STUCK:
            self._say(worker, item, "the analysis of others did not end")
            return
        worker.begin(item)
        try:
            findings = classify(item.exchange)
            for listener in item.listeners:
                if worker.left:
                    return
                listener(item.exchange, findings, item.flow)
        except Exception as error:
            logger.exception("request %d could not be analysed", item.exchange.id)
            if not worker.left:
                self._say(worker, item, f"its analysis failed ({type(error).__name__})")
        finally:
            worker.end()

    def _say(self, worker: _Worker, item: _Item, why: str) -> None:
        if item.listeners is not self._listeners:
            return  # it goes on, and will be looked at again
        worker.begin(None)
        try:
            self._given_up(item.exchange, item.flow, why)
        except Exception:
            logger.exception("request %d could not be told of", item.exchange.id)
        finally:
            worker.end()

    def _watch(self) -> None:
        while not self._ended.wait(min(1.0, self._patience / 4)):
            worker = self._worker
            if worker.busy_for() < self._patience:
                continue
            item = worker.leave()
            self._stuck += 1
            logger.warning("request %s is not analysed: that took too long", item.exchange.id if item else "?")
            if self._stuck > 2 * MOST_STUCK:
                self._ended.set()  # not even saying so ends
                return
            self._worker = _Worker()
            self._start(self._worker, item)


class _Worker:
    """One thread's task, and since when it is at it."""

    def __init__(self) -> None:
        self.left = False
        """Whether another thread has taken its place; then it must touch nothing any more."""
        self._item: _Item | None = None
        self._since = 0.0

    def begin(self, item: _Item | None) -> None:
        self._item, self._since = item, time.monotonic()

    def end(self) -> None:
        self._item, self._since = None, 0.0

    def busy_for(self) -> float:
        """Seconds."""
        since = self._since
        return time.monotonic() - since if since else 0.0

    def leave(self) -> _Item | None:
        """Leave the thread alone; what it was at."""
        self.left = True
        return self._item
