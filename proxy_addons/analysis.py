"""Classifies exchanges beside the traffic, never in its way."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence

from mitmproxy import http

from analyzers.classify import classify
from analyzers.exchange import Exchange
from analyzers.finding import Finding

logger = logging.getLogger("mitmkube")

# Waking a thread for each of many exchanges takes longer than all else the event loop does with them.
PAUSE_SECONDS = 0.02

type Listener = Callable[[Exchange, tuple[Finding, ...], http.HTTPFlow], None]


class Analysis:
    """A queue and one thread behind it. Listeners are called on that thread, in the order of the exchanges.

    ``listeners`` get what has ended, those of ``still_open`` what goes on, each time that it is looked at. ``at_rest``
    is called each time that the queue has been worked off, and in the end.
    """

    def __init__(
        self, *listeners: Listener, still_open: Sequence[Listener] = (), at_rest: Callable[[], None] = lambda: None
    ) -> None:
        self._listeners = listeners
        self._at_rest = at_rest
        self._still_open = still_open
        self._queue: queue.SimpleQueue[tuple[Exchange, http.HTTPFlow, Sequence[Listener]] | None] = queue.SimpleQueue()
        self._finishing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mitmkube-analysis", daemon=True)
        self._thread.start()

    def __call__(self, exchange: Exchange, flow: http.HTTPFlow) -> None:
        """Take an exchange; returns at once."""
        self._queue.put((exchange, flow, self._listeners))

    def look(self, exchange: Exchange, flow: http.HTTPFlow) -> None:
        """Take an exchange as it stands while it goes on; returns at once."""
        self._queue.put((exchange, flow, self._still_open))

    def finish(self) -> None:
        """Work off what is queued and end."""
        self._queue.put(None)
        self._finishing.set()
        self._thread.join()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            exchange, flow, listeners = item
            try:
                findings = classify(exchange)
                for listener in listeners:
                    listener(exchange, findings, flow)
            except Exception:
                logger.exception("request %d could not be analysed", exchange.id)
            if self._queue.empty():
                self._at_rest()
                self._finishing.wait(PAUSE_SECONDS)
        self._at_rest()
