from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest

from analyzers.decode.watch import LONGEST_EVENT, ErrorEventScanner
from analyzers.exchange import Exchange

Recorded = Callable[[str], tuple[Exchange, ...]]
ERROR = b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"code":410}}'
ADDED = b'{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"\\"ERROR\\""}}}'


def content(recorded: Recorded, name: str) -> bytes:
    response = recorded(name)[0].response
    assert response is not None
    assert response.body is not None
    return response.body


def scan(data: bytes, step: int) -> bytes | None:
    return scanned(data[at : at + step] for at in range(0, len(data), step))


def scanned(chunks: Iterable[bytes]) -> bytes | None:
    scanner = ErrorEventScanner()
    for chunk in chunks:
        scanner.feed(chunk)
    return scanner.error_event


@pytest.mark.parametrize("step", [1, 3, 40, 100_000])
def test_error_event_of_an_expired_watch_is_found(recorded: Recorded, step: int) -> None:
    data = content(recorded, "watch_expired")
    assert scan(data, step) == data.strip()


@pytest.mark.parametrize("step", [1, 3, 40, 100_000])
def test_error_event_in_protobuf_is_told_in_json(recorded: Recorded, step: int) -> None:
    told = scan(content(recorded, "watch_expired_protobuf"), step)
    assert told is not None
    assert json.loads(told) == json.loads(content(recorded, "watch_expired"))


@pytest.mark.parametrize("step", [1, 3, 40, 100_000])
def test_error_event_in_cbor_is_told_in_json(recorded: Recorded, step: int) -> None:
    told = scan(content(recorded, "watch_cbor") + content(recorded, "watch_expired_cbor"), step)
    assert told is not None
    assert json.loads(told) == json.loads(content(recorded, "watch_expired"))


@pytest.mark.parametrize("name", ["watch_json", "watch_cbor"])
@pytest.mark.parametrize("step", [1, 40, 100_000])
def test_watch_that_ended_well_has_none(recorded: Recorded, name: str, step: int) -> None:
    assert scan(content(recorded, name), step) is None


@pytest.mark.parametrize("step", [1, 5, 1000])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_error_event_at_the_end_is_found(step: int, end: bytes) -> None:
    assert scan(ADDED + b"\n" + ADDED + b"\n" + ERROR + end, step) == ERROR


def test_last_of_several_is_kept() -> None:
    assert scan(ERROR.replace(b"410", b"500") + b"\n" + ADDED + b"\n" + ERROR + b"\n" + ADDED + b"\n", 9) == ERROR


def test_event_may_name_its_object_first() -> None:
    event = b'{"object": {"kind": "Status", "code": 410}, "type": "ERROR"}'
    assert scan(ADDED + b"\n" + event + b"\n", 10) == event


@pytest.mark.parametrize("step", [1000, 65536])
def test_error_after_a_huge_object_is_found_and_the_object_is_not_kept(step: int) -> None:
    huge = b'{"type":"ADDED","object":{"data":"' + b"x" * (4 * LONGEST_EVENT) + b'"}}\n'
    scanner = ErrorEventScanner()
    data = huge + ERROR + b"\n"
    for at in range(0, len(data), step):
        scanner.feed(data[at : at + step])
        assert len(scanner._pending) <= LONGEST_EVENT + step
    assert scanner.error_event == ERROR


def test_line_that_never_ends_is_not_kept() -> None:
    scanner = ErrorEventScanner()
    for _ in range(20):
        scanner.feed(b'{"type":"ERROR"' + b" " * 65536)
    assert len(scanner._pending) == 0
    assert scanner.error_event is None


def test_half_an_error_event_is_none() -> None:
    assert scanned([ERROR[:-3]]) is None


def test_frame_longer_than_a_status_is_passed_over(recorded: Recorded) -> None:
    long_frame = (2 * LONGEST_EVENT).to_bytes(4, "big") + b"x" * (2 * LONGEST_EVENT)
    told = scanned([long_frame[:1000], long_frame[1000:] + content(recorded, "watch_expired_protobuf")])
    assert told is not None
    assert json.loads(told)["object"]["code"] == 410


def test_no_content_has_none() -> None:
    assert scanned([]) is None
    assert scanned([b""]) is None
