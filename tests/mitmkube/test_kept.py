"""What stays in memory of a long session: the beginning, the end, the failures, and a count of everything else."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Iterable

import pytest

from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange, Failure, Headers, Request, Response
from analyzers.left_out import NOTHING, Span
from mitmkube.kept import MOST_BODY_BYTES, Kept

MIB = 1 << 20


def exchange(
    number: int, *, status: int = 200, method: str = "GET", path: str = "", body: bytes = b"{}", sent: bytes = b""
) -> Exchange:
    path = path or f"/api/v1/namespaces/default/pods/p{number}"
    request = Request(method=method, host="10.0.0.1", path=path, body=sent, body_bytes=len(sent))
    headers = Headers((("Content-Type", "application/json"), ("Audit-Id", f"audit-{number}")))
    response = Response(status=status, headers=headers, body=body, body_bytes=len(body))
    return Exchange(id=number, request=request, response=response)


def kept(exchanges: Iterable[Exchange], most: int = 400) -> Kept:
    held = Kept(most)
    for one in exchanges:
        held.add(one)
    return held


def ids(held: Kept) -> list[int]:
    return [one.id for one in held.exchanges]


def body(held: Kept, number: int) -> bytes | None:
    (response,) = (one.response for one in held.exchanges if one.id == number)
    assert response is not None
    return response.body


# Which


def test_short_session_is_kept_whole() -> None:
    held = kept(map(exchange, range(1, 401)))
    assert ids(held) == list(range(1, 401))
    assert held.left_out.spans == NOTHING.spans
    assert not held.left_out.anything


def test_beginning_and_end_are_kept_and_the_oldest_between_them_goes() -> None:
    held = kept(map(exchange, range(1, 1001)), most=500)
    assert ids(held) == [*range(1, 101), *range(601, 1001)]
    assert held.left_out.spans == (Span(first=101, last=600, count=500),)


def test_smallest_limit_keeps_beginning_and_end() -> None:
    assert ids(kept(map(exchange, range(1, 1001)), most=100)) == [*range(1, 26), *range(926, 1001)]


def test_failures_are_kept_while_there_is_room() -> None:
    held = kept(exchange(number, status=403 if number % 100 == 0 else 200) for number in range(1, 2001))
    assert set(range(100, 2001, 100)) <= set(ids(held))
    assert len(held) == 400
    assert [span.count for span in held.left_out.spans] == [99] * 16 + [16]


@pytest.mark.parametrize("most", [100, 150, 600])
def test_oldest_failures_go_where_there_is_nothing_else(most: int) -> None:
    held = kept((exchange(number, status=500) for number in range(1, 1001)), most=most)
    edge = min(100, most // 4)
    assert ids(held) == [*range(1, edge + 1), *range(1001 - most + edge, 1001)]
    assert held.left_out.failures == 1000 - most


def test_failure_without_an_answer_is_a_failure() -> None:
    lost = Exchange(id=500, request=Request(method="GET"), failure=Failure(phase="response", message="EOF"))
    assert 500 in ids(kept(lost if number == 500 else exchange(number) for number in range(1, 2001)))


def test_page_for_a_browser_is_kept_like_a_failure() -> None:
    headers = Headers([("Content-Type", "text/html")])
    page = Exchange(id=500, request=Request(method="GET"), response=Response(status=200, headers=headers))
    assert 500 in ids(kept(page if number == 500 else exchange(number) for number in range(1, 2001)))


def test_requests_that_end_out_of_order_are_counted_where_they_began() -> None:
    order = [number ^ 1 for number in range(2, 1002)]
    held = kept(map(exchange, order))
    assert sum(span.count for span in held.left_out.spans) == held.left_out.requests == 600
    assert sorted([*ids(held), *(n for s in held.left_out.spans for n in range(s.first, s.last + 1))]) == sorted(order)


def test_ids_that_are_no_request_are_not_counted() -> None:
    held = kept(exchange(2 * number) for number in range(1, 1001))
    assert held.left_out.spans == (Span(first=202, last=1400, count=600),)


def test_what_was_left_out_is_added_up() -> None:
    told = kept(exchange(number, body=b"x" * 10, sent=b"y") for number in range(1, 1001)).left_out
    assert (told.requests, told.request_bytes, told.response_bytes, told.failures) == (600, 600, 6000, 0)


# Failures that were cured


@pytest.mark.parametrize(
    ("failed", "cure"),
    [
        (exchange(300, status=503, path="/api/v1/nodes"), exchange(301, path="/api/v1/nodes")),
        (
            exchange(300, status=410, path="/api/v1/nodes?watch=true&resourceVersion=1"),
            exchange(301, path="/api/v1/nodes"),
        ),
        (exchange(300, status=404, path="/api/v1/nodes/n"), exchange(301, method="POST", path="/api/v1/nodes")),
        (exchange(300, status=404, path="/api/v1/nodes/n"), exchange(301, method="PATCH", path="/api/v1/nodes/n")),
        (
            exchange(
                300,
                status=409,
                method="POST",
                path="/api/v1/nodes",
                body=b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"AlreadyExists","code":409,'
                b'"details":{"name":"n","kind":"nodes"}}',
            ),
            exchange(301, method="PUT", path="/api/v1/nodes/n"),
        ),
        (
            Exchange(
                id=300,
                request=Request(method="CONNECT", host="10.0.0.1", path="10.0.0.1:443"),
                failure=Failure(phase="dial", message="dial tcp 10.0.0.1:443: connect: connection refused"),
            ),
            exchange(301, path="/version"),
        ),
    ],
    ids=["asked again", "listed again", "created", "applied", "replaced", "connected"],
)
def test_answer_that_cures_a_failure_is_kept_with_it(failed: Exchange, cure: Exchange) -> None:
    between = {300: failed, 301: cure}
    held = kept(between.get(number) or exchange(number) for number in range(1, 2001))
    story = Story.of(held.exchanges, CommandInfo(signal="SIGINT"), left_out=held.left_out)
    (verdict,) = (verdict for verdict in story.verdicts if verdict.failed)
    assert verdict.exchange is failed
    assert not verdict.raised
    assert "301" in verdict.notes[0] or failed.tunnel


def test_polling_for_what_is_not_there_does_not_fill_the_memory() -> None:
    def poll(number: int) -> Exchange:
        return exchange(number, status=404 if number % 2 else 200, path=f"/api/v1/nodes?poll={number}")

    assert len(kept(map(poll, range(1, 5001)))) == 400


# Bodies


def test_bodies_of_early_successes_go_first_and_never_those_of_the_latest_hundred() -> None:
    number = MOST_BODY_BYTES // MIB
    held = kept(exchange(n, body=b"x" * MIB) for n in range(1, 2 * number + 73))
    last = 2 * number + 72
    assert [n for n in ids(held) if body(held, n)] == list(range(last - 99, last + 1))
    assert held.left_out.bodies == last - 100
    response = held.exchanges[0].response
    assert response is not None
    assert (response.body_complete, response.body_bytes) == (False, MIB)


def test_body_of_a_failure_outlives_those_of_successes() -> None:
    status = b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403}'
    failed = exchange(3, status=403, body=status)
    held = kept(failed if n == 3 else exchange(n, body=b"x" * MIB) for n in range(1, 301))
    assert body(held, 3) == status


def test_long_bodies_of_failures_are_bounded_too() -> None:
    held = kept((exchange(n, status=500, body=b"x" * MIB) for n in range(1, 501)), most=5000)
    assert sum(len(body(held, n) or b"") for n in ids(held)) <= 200 * MIB
    assert held.left_out.requests == held.left_out.failures == 300


def test_body_that_was_empty_stays_complete() -> None:
    def one(n: int) -> Exchange:
        return exchange(n, sent=b"x" * MIB, body=b"") if n < 300 else exchange(n)

    first = kept(map(one, range(1, 400)), most=5000).exchanges[0]
    assert (first.request.body, first.request.body_complete) == (None, False)
    assert first.response is not None
    assert first.response.body_complete


# Long sessions


def size_after(number: int) -> int:
    tracemalloc.start()
    try:
        held = kept((exchange(n, status=404 if n % 7 == 0 else 200) for n in range(1, number + 1)), most=1000)
        assert len(held) == 1000
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_session() -> None:
    size_after(2_000)  # what is made once
    assert size_after(20_000) < 1.2 * size_after(5_000) + 100_000


def test_ids_of_what_was_dropped_take_next_to_nothing() -> None:
    held = kept((exchange(n) for n in range(1, 20_001)), most=100)
    assert held.left_out.requests == 19_900
    assert sys.getsizeof(held._dropped._bits) < 4_000
