"""A body that takes long to be read holds nothing up, and is not read to its end at any price."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

from proxy_addons.body_tap import BodyTap


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Slow:
    """A reader that needs ``seconds`` for each piece."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self.content = b""
        self.pieces = 0

    def feed(self, content: bytes, now: float) -> None:
        self.content += content
        self.pieces += 1
        self._clock.now += self._seconds

    def stream(self, wire_bytes: int) -> None:
        return None


def slow_tap(seconds: float, encoding: str = "gzip") -> tuple[BodyTap, Slow, list[Callable[[], None]]]:
    clock, turns = Clock(), []
    reader = Slow(clock, seconds)
    return BodyTap(encoding, reader=reader, clock=clock, later=turns.append), reader, turns


def test_reader_that_takes_long_gets_its_turns_one_by_one() -> None:
    content = bytes(range(256)) * 8192
    tap, reader, turns = slow_tap(0.05)
    tap(gzip.compress(content))
    taken = 0
    while turns:
        before = reader.pieces
        turns.pop(0)()
        taken += 1
        assert reader.pieces - before <= 1
    assert taken > 2
    assert reader.content == content
    assert tap.reader is reader


def test_reader_that_is_not_done_soon_after_the_end_is_given_up() -> None:
    tap, reader, turns = slow_tap(0.3)
    tap(gzip.compress(bytes(1 << 24)))
    tap.read()
    assert tap.reader is None
    assert 0 < reader.pieces < 8
    turns.pop(0)()
    assert turns == []


def test_what_waits_for_a_reader_is_bounded() -> None:
    tap, reader, _ = slow_tap(0.0, encoding="")
    for _ in range(200):
        tap(bytes(65536))
    assert tap.reader is None
    assert reader.pieces == 0
    assert tap.wire_bytes == 200 * 65536


def test_bomb_in_one_watch_keeps_no_other_request_waiting(bench) -> None:
    """Half a megabyte that holds half a gigabyte of empty frames."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(500)) + packer.flush()

    def serve(peer) -> None:
        while request := peer.request():
            if "watch" in request.line:
                peer.answer(bomb, "200 OK", "Content-Encoding: gzip")
            else:
                peer.answer()

    bench.start(serve)
    with bench.client().open() as watching, bench.client().open() as other:
        assert watching.request(path="/api/v1/pods?watch=true") == (200, bomb)
        assert other.request() == (200, b"{}")
    (watch,) = [one for one in bench.proxy.take(2) if "watch" in one.request.path]
    assert watch.response.body_bytes == len(bomb)
    assert watch.response.stream is None


def test_decoded_bytes_are_counted_beyond_what_is_kept() -> None:
    content = bytes(range(256)) * 4000
    reader = Slow(Clock(), 0.0)
    tap = BodyTap("gzip", keep=100, reader=reader)
    wire = gzip.compress(content)
    for at in range(0, len(wire), 1000):
        tap(wire[at : at + 1000])
    assert not tap.complete
    assert tap.decoded_bytes == len(content)


def test_decoded_bytes_are_not_told_where_nobody_has_counted_them_all() -> None:
    assert BodyTap("gzip").decoded_bytes is None
    tap, _, turns = slow_tap(seconds=1.0, encoding="")
    tap(b"one")
    assert tap.decoded_bytes is None
    turns.pop()()
    assert tap.decoded_bytes is None  # its turn is over, and there may be more
    turns.pop()()
    assert tap.decoded_bytes == 3
