"""The streams of a SPDY connection, both directions together, and what each is counted in.

A stream is known from its SYN_STREAM. What is seen of it before that, because the directions are fed in another order
than they were sent in, is counted aside and added then.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping

from analyzers.decode.upgraded.tally import CLIENT, SERVER, STATUS_BYTES, Tally

MOST_STREAMS = 4096
"""Remembered at once; then the oldest is forgotten, and what it still carries is counted for no channel."""

_MOST_CLOSED = 256
_MOST_UNKNOWN_KEPT = 16


class Stream:
    """One stream; ``known`` once its headers were read."""

    __slots__ = ("closed", "ended", "known", "number", "tally")

    def __init__(self, number: int, tally: Tally) -> None:
        self.number = number
        self.tally = tally
        self.known = False
        self.ended = [False, False]
        self.closed = False


class Streams:
    """Every stream of a connection; ``tally_of`` gives what a stream with such headers is counted in."""

    def __init__(self, tally_of: Callable[[Mapping[str, str]], Tally]) -> None:
        self._tally_of = tally_of
        self._streams: OrderedDict[int, Stream] = OrderedDict()
        self._closed: deque[int] = deque()
        self._unknown = 0

    def of(self, number: int) -> Stream:
        """The stream ``number``, whether or not it is known yet."""
        stream = self._streams.get(number)
        if stream is None:
            stream = self._add(number)
        return stream

    def opened(self, number: int, headers: Mapping[str, str]) -> None:
        """A SYN_STREAM."""
        stream = self.of(number)
        if stream.known:
            return
        tally = self._tally_of(headers)
        tally.streams += 1
        tally.take_over(stream.tally)
        stream.tally, stream.known = tally, True
        self._unknown -= 1

    def ended(self, number: int, side: int) -> None:
        """The last frame that ``side`` sends on a stream."""
        stream = self.of(number)
        stream.ended[side] = True
        if side == SERVER:
            stream.tally.ended = True
        if all(stream.ended):
            self._close(stream)

    def reset(self, number: int, side: int) -> None:
        """A RST_STREAM: neither side sends on."""
        self.ended(number, side)
        self.ended(number, CLIENT if side == SERVER else SERVER)

    def _add(self, number: int) -> Stream:
        if len(self._streams) >= MOST_STREAMS:
            self._forget(next(iter(self._streams)))
        self._unknown += 1
        kept = STATUS_BYTES if self._unknown <= _MOST_UNKNOWN_KEPT else 0
        stream = self._streams[number] = Stream(number, Tally("", most=kept))
        return stream

    def _close(self, stream: Stream) -> None:
        if stream.closed:
            return
        stream.closed = True
        # What the other side had sent before it knew is still on its way.
        self._closed.append(stream.number)
        if len(self._closed) > _MOST_CLOSED:
            self._forget(self._closed.popleft())

    def _forget(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None and not stream.known:
            self._unknown -= 1
