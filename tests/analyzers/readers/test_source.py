"""A stream that is read once, with a first look."""

from __future__ import annotations

import io

import pytest

from analyzers.readers.source import BLOCK, FIRST_LOOK, Source, as_utf8


class Trickle:
    """Gives at most three bytes at a time, as a pipe may."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int, /) -> bytes:
        return self._data.read(min(size, 3))


def test_what_was_looked_at_is_read_again() -> None:
    source = Source(Trickle(b"one\ntwo\nthree"))
    assert source.peek() == b"one\ntwo\nthree"
    assert b"".join(source.blocks()) == b"one\ntwo\nthree"


def test_first_look_is_bounded() -> None:
    source = Source(io.BytesIO(b"x" * (FIRST_LOOK + 5)))
    assert len(source.peek()) == FIRST_LOOK
    assert sum(map(len, source.blocks())) == FIRST_LOOK + 5


def test_lines_keep_their_line_feed_and_are_counted() -> None:
    source = Source(Trickle(b"one\n\nthree"))
    seen = [(source.line, line) for line in source.lines()]
    assert [line for _, line in seen] == [b"one\n", b"\n", b"three"]


def test_line_across_blocks_is_one_line() -> None:
    line = b"y" * (BLOCK + 7) + b"\n"
    assert list(Source(io.BytesIO(line + b"z")).lines()) == [line, b"z"]


def test_progress_counts_every_byte_once() -> None:
    counted: list[int] = []
    source = Source(Trickle(b"12345678"), counted.append)
    source.peek()
    list(source.lines())
    assert sum(counted) == 8


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_as_utf_8(encoding: str) -> None:
    text = 'Error from server (NotFound): pods "web" not found\r\n'
    assert b"".join(as_utf8(Source(io.BytesIO(text.encode(encoding)))).blocks()).decode().lstrip("\ufeff") == text


def test_bytes_with_zeros_are_not_utf_16() -> None:
    source = Source(io.BytesIO(b"x\0y\0\nError from server"))
    assert as_utf8(source) is source


def test_line_in_pieces_has_one_number() -> None:
    source = Source(io.BytesIO(b"x" * (5 << 20) + b"\nsecond\n"))
    numbers = [(source.line, line[:6]) for line in source.lines(1 << 20)]
    assert {number for number, line in numbers if line == b"xxxxxx"} == {1}
    assert numbers[-1] == (2, b"second")
