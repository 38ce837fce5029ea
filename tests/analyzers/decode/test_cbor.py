from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analyzers.decode import cbor, document
from analyzers.exchange import Exchange

Recorded = Callable[[str], tuple[Exchange, ...]]
steady = settings(derandomize=True, deadline=None, max_examples=300)

# Heads of every major type, with what may follow them: random bytes alone are seldom well-formed.
pieces = st.sampled_from([
    b"\xd9\xd9\xf7", b"\xa1", b"\xa2", b"\xbf", b"\x82", b"\x9f", b"\xff", b"\x44type", b"\x45ERROR", b"\x60", b"\x5f",
    b"\x41a", b"\xd6", b"\x00", b"\x18\xff", b"\x1b" + b"\xff" * 8, b"\x38\x00", b"\xf5", b"\xf6", b"\xf9\x7e\x00",
    b"\xfb", b"\x5b" + b"\xff" * 8, b"\x9b" + b"\xff" * 8, b"\xbb" + b"\xff" * 8, b"\xfc", b"\x1c", b"\xc2",
])  # fmt: skip
mixed = st.lists(pieces | st.binary(max_size=4), max_size=30).map(b"".join)


def body(exchange: Exchange) -> bytes:
    assert exchange.response is not None
    return exchange.response.body or b""


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        # RFC 8949, appendix A.
        ("00", 0),
        ("17", 23),
        ("1818", 24),
        ("1903e8", 1000),
        ("1a000f4240", 1000000),
        ("1bffffffffffffffff", 18446744073709551615),
        ("20", -1),
        ("3903e7", -1000),
        ("f90000", 0.0),
        ("f93c00", 1.0),
        ("fa47c35000", 100000.0),
        ("fb3ff199999999999a", 1.1),
        ("f4", False),
        ("f5", True),
        ("f6", None),
        ("c074323031332d30332d32315432303a30343a30305a", "2013-03-21T20:04:00Z"),
        ("6449455446", "IETF"),
        ("62c3bc", "ü"),
        ("80", []),
        ("8301820203820405", [1, [2, 3], [4, 5]]),
        ("a0", {}),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
        ("5f42010243030405ff", "\x01\x02\x03\x04\x05"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
        # As Kubernetes writes: names and text are byte strings, []byte is tagged as meant for base64.
        ("d9d9f7a1446b696e6443506f64", {"kind": "Pod"}),
        ("d643010203", "AQID"),
        ("d543fbefff", "--__"),
        ("d743fbefff", "fbefff"),
        ("41ff", "\ufffd"),
    ],
)
def test_item_is_what_json_would_hold(encoded: str, value: object) -> None:
    assert cbor.decode(bytes.fromhex(encoded)) == value


def test_not_a_number_is_one() -> None:
    assert math.isnan(cbor.decode(b"\xf9\x7e\x00"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x18",
        b"\x44abc",
        b"\x82\x01",
        b"\xa1\x41a",
        b"\xa1\x01\x02",
        b"\x9f\x01",
        b"\x5f\x61a\xff",
        b"\x5f\x5f\xff\xff",
        b"\xff",
        b"\x1c",
        b"\x1f",
        b"\xf8\x14",
        b"\xd9\xd9\xf7",
        b"\x01\x02",
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x81" * 100_000 + b"\x01",
        b"\x9f" * 100_000,
        b"\xc1" * 100_000,
    ],
)
def test_what_is_not_one_whole_item_is_none(data: bytes) -> None:
    assert cbor.decode(data) is None


def test_answer_of_a_server_reads_like_its_json(recorded: Recorded) -> None:
    created, read, listed, *_ = (cbor.decode(body(one)) for one in recorded("secret_cbor"))
    assert (created["kind"], read["metadata"]["name"], listed["kind"]) == ("Secret", "db", "SecretList")
    assert read["data"] == created["data"] == listed["items"][0]["data"]
    assert read["data"]["password"] == "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZQ=="
    json.dumps(listed)


def test_document_is_read_in_either_form(recorded: Recorded) -> None:
    assert document.decode(body(recorded("status_cbor")[0]))["code"] == 403
    assert document.decode(body(recorded("status_cbor")[1]))["code"] == 404
    assert document.decode(b"\xa0") is None
    assert document.decode(None) is None


def items(data: bytes, step: int, longest: int = 1 << 20) -> list[bytes]:
    reader = cbor.SequenceReader(longest)
    found = [item for at in range(0, len(data), step) for item in reader.feed(data[at : at + step])]
    assert all(len(item) == size for item, size in found)
    return [item for item, _ in found]


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_sequence_is_split_at_its_items(recorded: Recorded, step: int) -> None:
    data = body(recorded("watch_cbor")[0])
    found = items(data, step)
    assert b"".join(found) == data
    assert len(found) > 3
    assert all(item.startswith(cbor.MAGIC) and cbor.decode(item)["type"] == "ADDED" for item in found)


@pytest.mark.parametrize("step", [1, 50, 100_000])
def test_item_that_is_too_long_is_kept_in_part(step: int) -> None:
    long = b"\x5a\x00\x01\x00\x00" + b"x" * 65536
    reader = cbor.SequenceReader(100)
    found: list[tuple[bytes, int]] = []
    data = b"\x01" + long + b"\x9f\x01\xff" + long + b"\x02"
    for at in range(0, len(data), step):
        found += reader.feed(data[at : at + step])
        assert len(reader._kept) <= 100
    cut = (long[:100], len(long))
    assert found == [(b"\x01", 1), cut, (b"\x9f\x01\xff", 3), cut, (b"\x02", 1)]


def test_nothing_is_read_behind_what_makes_no_sense() -> None:
    assert items(b"\x01\xff\x02\x03", 1) == [b"\x01"]
    assert items(b"\x01\x1c\x02\x03", 1) == [b"\x01"]
    assert items(b"\x01" + b"\x81" * 100_000, 1000) == [b"\x01"]


@steady
@given(data=mixed)
@example(data=b"\x9f\xbf\x41a\xff\xff\x01")
def test_decoder_is_total(data: bytes) -> None:
    cbor.decode(data)
    cbor.decode(cbor.MAGIC + data)


@steady
@given(data=mixed, step=st.integers(1, 9))
def test_items_of_a_sequence_do_not_depend_on_the_chunks(data: bytes, step: int) -> None:
    assert items(data, step) == items(data, 1 << 20)


@steady
@given(data=mixed)
def test_what_decodes_is_one_item_of_a_sequence(data: bytes) -> None:
    value: Any = cbor.decode(data)
    if value is not None:
        assert items(data, 3) == [data]
