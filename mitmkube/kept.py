"""The exchanges of a session that stay in memory for the report: not all of a long one, but those that tell most.

The first show how it began, the last how it ended, and failures are what a report is for. Of what went well in
between, the oldest goes first. A HAR has everything all the same: it is written beside the traffic.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import pairwise

from analyzers.classify import worth_classifying
from analyzers.command import is_failure
from analyzers.exchange import Exchange
from analyzers.left_out import LeftOut, Span
from mitmkube.cures import Cures

MOST_BODY_BYTES = 64 << 20
"""Of all bodies: as many as 64 of the longest that are kept of one answer."""
_EDGE = 100


class Kept:
    """At most ``most`` exchanges: the first 100, the latest 100, failures between them, and what has room beside those.

    Limits below 400 make those hundreds smaller, to a quarter of the limit each. When bodies come to more than 64 MiB,
    those of successes are let go of, the oldest first and never of the latest hundred; then the oldest failures. Every
    operation takes constant time, on average. Not thread-safe.
    """

    def __init__(self, most: int) -> None:
        """``most`` is at least 4."""
        self._most = most
        self._edge = min(_EDGE, most // 4)
        self._held: dict[int, Exchange] = {}
        self._count = 0
        self._heavy_first: deque[tuple[int, int]] = deque()  # how many came before it, and its id
        self._latest: deque[int] = deque()
        # Ids of what is neither first nor latest, the oldest first.
        self._well: deque[int] = deque()
        self._spared: deque[int] = deque()
        self._heavy: OrderedDict[int, None] = OrderedDict()
        self._cures = Cures()
        self._cured: set[int] = set()
        self._body_bytes = 0
        self._dropped = _Ids()
        self._failures = 0
        self._request_bytes = 0
        self._response_bytes = 0
        self._bodies = 0

    def __len__(self) -> int:
        return len(self._held)

    def add(self, exchange: Exchange) -> None:
        """Take one exchange, with an id of its own, and let go of others where there are too many."""
        self._held[exchange.id] = exchange
        self._body_bytes += exchange.held_bytes
        if self._cures.take(exchange):
            self._cured.add(exchange.id)
        if self._count >= self._edge:
            self._latest.append(exchange.id)
        elif exchange.held_bytes and not worth_classifying(exchange):
            self._heavy_first.append((self._count, exchange.id))
        self._count += 1
        if len(self._latest) > self._edge:
            self._settle(self._latest.popleft())
        while len(self._held) > self._most:
            self._drop(self._well.popleft() if self._well else self._spared.popleft())
        self._lighten()

    @property
    def exchanges(self) -> list[Exchange]:
        """What was kept, in the order in which it came."""
        return list(self._held.values())

    @property
    def left_out(self) -> LeftOut:
        """What was not."""
        return LeftOut(
            spans=tuple(self._dropped.spans(self._held)),
            failures=self._failures,
            request_bytes=self._request_bytes,
            response_bytes=self._response_bytes,
            bodies=self._bodies,
            most=self._most,
        )

    def _settle(self, number: int) -> None:
        """Put what is no longer one of the latest where it is let go of in its turn."""
        exchange = self._held[number]
        failed = worth_classifying(exchange)
        (self._spared if failed or number in self._cured else self._well).append(number)
        self._cured.discard(number)
        if not failed and exchange.held_bytes:
            self._heavy[number] = None

    def _lighten(self) -> None:
        while self._body_bytes > MOST_BODY_BYTES:
            if self._heavy:
                number, _ = self._heavy.popitem(last=False)
                self._strip(number)
            elif self._heavy_first and self._heavy_first[0][0] < self._count - self._edge:
                self._strip(self._heavy_first.popleft()[1])
            elif self._spared:
                self._drop(self._spared.popleft())
            else:
                return  # the latest, and the failures at the beginning

    def _strip(self, number: int) -> None:
        exchange = self._held[number]
        self._held[number] = exchange.without_bodies()
        self._body_bytes -= exchange.held_bytes
        self._bodies += 1

    def _drop(self, number: int) -> None:
        exchange = self._held.pop(number)
        self._heavy.pop(number, None)
        self._dropped.add(number)
        self._body_bytes -= exchange.held_bytes
        self._failures += is_failure(exchange)
        self._request_bytes += exchange.request.body_bytes
        self._response_bytes += exchange.response.body_bytes if exchange.response is not None else 0


class _Ids:
    """A set of small numbers, one bit each: a session of days drops millions."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, number: int) -> None:
        place, bit = divmod(number, 8)
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1 - len(self._bits)))
        self._bits[place] |= 1 << bit

    def spans(self, others: dict[int, Exchange]) -> Iterator[Span]:
        """One for each gap between ``others`` that has members in it."""
        for before, after in pairwise((-1, *sorted(others), max(8 * len(self._bits), *others, 0) + 1)):
            first = before + 1
            members = int.from_bytes(self._bits[first // 8 : after // 8 + 1], "little") >> first % 8
            members &= (1 << (after - first)) - 1
            if members:
                yield Span(
                    first=first + (members & -members).bit_length() - 1,
                    last=first + members.bit_length() - 1,
                    count=members.bit_count(),
                )
