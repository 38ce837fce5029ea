from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from analyzers.decode.list_page import ListReader
from analyzers.streams.list_page import ListPage, continue_id
from analyzers.streams.pages import SeenPage, paged_lists

PODS = "/api/v1/namespaces/prod/pods"
RECORDINGS = Path(__file__).parents[1] / "decode" / "list_page"


def page(items: int, token: str = "", remaining: int | None = None, *, complete: bool = True) -> ListPage:
    return ListPage(
        kind="PodList", items=items, continue_id=continue_id(token), remaining=remaining, complete=complete,
        content_bytes=100, wire_bytes=40,
    )  # fmt: skip


def seen(number: int, found: ListPage, query: str, path: str = PODS) -> SeenPage:
    return SeenPage(id=number, path=f"{path}?{query}", page=found)


def test_pages_are_joined_by_the_tokens_that_lead_from_one_to_the_next() -> None:
    (found,) = paged_lists(
        [
            seen(5, page(4), "continue=t%2F2&limit=500"),
            seen(1, page(500, "t+1", 504), "limit=500&resourceVersion=0"),
            seen(3, page(500, "t/2", 4), "limit=500&continue=t%2B1"),
        ]
    )
    assert (found.ids, found.items, found.continues) == ((1, 3, 5), 1004, False)
    assert (found.content_bytes, found.wire_bytes) == (300, 120)
    assert found.phrase == "1,004 items in 3 pages"


def test_recorded_pages_are_one_list() -> None:
    pages, token = [], ""
    for number in (1, 2, 3):
        reader = ListReader("application/json")
        content = (RECORDINGS / f"pods_page_{number}.json").read_bytes()
        reader.feed(content)
        found = reader.stream(len(content))
        assert found is not None
        pages.append(seen(number, found, f"limit=3&continue={quote(token)}" if token else "limit=3"))
        token = content.partition(b'"continue":"')[2].partition(b'"')[0].decode()
    (joined,) = paged_lists(pages)
    assert joined.phrase == "8 items in 3 pages"


def test_lists_side_by_side_stay_apart() -> None:
    found = paged_lists(
        [
            seen(1, page(2, "a"), "limit=2"),
            seen(2, page(2, "b"), "limit=2&labelSelector=x"),
            seen(3, page(1), "limit=2&continue=b&labelSelector=x"),
            seen(4, page(1), "limit=2&continue=a"),
        ]
    )
    assert [one.ids for one in found] == [(1, 4), (2, 3)]


@pytest.mark.parametrize(
    "others",
    [
        [seen(2, page(1), "limit=2&continue=other")],
        [seen(2, page(1), "limit=2&continue=a", path="/api/v1/namespaces/dev/pods")],
        [seen(2, page(1), "limit=2&continue=a&labelSelector=x")],
        [seen(2, page(1), "limit=2")],
        [],
    ],
)
def test_one_page_alone_is_no_paged_list(others: list[SeenPage]) -> None:
    assert paged_lists([seen(1, page(2, "a"), "limit=2"), *others]) == ()


def test_client_that_stopped_early_is_told() -> None:
    first, rest = seen(1, page(2, "a", 8), "limit=2"), "limit=2&continue=a"
    assert paged_lists([first, seen(2, page(2, "b", 6), rest)])[0].phrase == "4 items in 2 pages, 6 not asked for"
    assert paged_lists([first, seen(2, page(2, "b"), rest)])[0].phrase == "4 items in 2 pages, more not asked for"


def test_page_that_was_cut_leaves_the_sum_a_lower_bound() -> None:
    (found,) = paged_lists(
        [
            seen(1, page(2, "a"), "limit=2"),
            seen(2, page(1, complete=False), "limit=2&continue=a"),
        ]
    )
    assert (found.complete, found.phrase) == (False, "at least 3 items in 2 pages")
