from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable

import pytest

from analyzers.decode import body
from analyzers.exchange import Exchange

CONTENT = b"".join(b"line %d\n" % number for number in range(5000))
RAW_DEFLATE = zlib.compressobj(wbits=-15)
DEFLATED = RAW_DEFLATE.compress(CONTENT) + RAW_DEFLATE.flush()


def test_gzip_of_the_api_server_is_undone(recorded: Callable[[str], tuple[Exchange, ...]]) -> None:
    response = recorded("gzip")[0].response
    assert response is not None
    assert response.body is not None
    content = body.decode(response.body, response.headers.get("Content-Encoding"))
    assert json.loads(content)["metadata"]["name"] == "big"


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(CONTENT)),
        ("x-gzip", gzip.compress(CONTENT)),
        (" GZIP ", gzip.compress(CONTENT[:100]) + gzip.compress(CONTENT[100:])),
        ("deflate", zlib.compress(CONTENT)),
        ("deflate", DEFLATED),
        ("identity", CONTENT),
        ("", CONTENT),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 20])
def test_content_is_the_same_in_whatever_chunks_it_comes(encoding: str, data: bytes, step: int) -> None:
    decoder = body.Decoder(encoding)
    assert b"".join(decoder.feed(data[at : at + step]) for at in range(0, len(data), step)) == CONTENT


def test_cut_off_gzip_gives_its_beginning() -> None:
    data = gzip.compress(CONTENT)
    content = body.decode(data[: len(data) // 2], "gzip")
    assert len(content) > 1000
    assert CONTENT.startswith(content)


def test_broken_gzip_gives_what_stood_before() -> None:
    data = bytearray(gzip.compress(CONTENT))
    data[len(data) // 2 :] = b"\xff" * 50
    assert CONTENT.startswith(body.decode(bytes(data), "gzip")[:1000])


def test_what_is_no_gzip_gives_nothing() -> None:
    assert body.decode(b"plain text", "gzip") == b""


def test_unknown_encoding_is_passed_on() -> None:
    assert body.decode(b"\x01\x02", "br") == b"\x01\x02"


def test_bomb_is_not_inflated_to_its_end() -> None:
    bomb = gzip.compress(b"\0" * (body.LIMIT + (1 << 20)))
    assert len(body.decode(bomb, "gzip")) == body.LIMIT
