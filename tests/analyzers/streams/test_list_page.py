from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers.streams.list_page import ListPage, continue_id

PAGE = ListPage(
    kind="PodList",
    api_version="v1",
    items=500,
    resource_version="48211",
    continue_id="0dde148f",
    remaining=9500,
    content_bytes=1_900_000,
    wire_bytes=209_000,
)
LAST = ListPage(kind="Table", api_version="meta.k8s.io/v1", items=1, content_bytes=900, wire_bytes=900)
CUT = ListPage(kind="PodList", api_version="v1", items=120, content_bytes=400_000, complete=False)
SELECTED = ListPage(kind="PodList", api_version="v1", items=5, continue_id="0dde148f")
UNTOLD = ListPage(items=3, complete=False)


@pytest.mark.parametrize(
    ("page", "phrase"),
    [
        (PAGE, "500 items, 9,500 remaining, PodList, 1.9 MB (gzip 11 %)"),
        (LAST, "1 item, Table, 900 B"),
        (CUT, "at least 120 items, PodList, 400 KB"),
        (SELECTED, "5 items, more remaining, PodList, 0 B"),
        (UNTOLD, "at least 3 items, 0 B"),
    ],
)
def test_phrase_says_how_many_and_what_is_left(page: ListPage, phrase: str) -> None:
    assert page.phrase == phrase


def test_lines_say_everything_that_is_known() -> None:
    assert PAGE.lines() == (
        "PodList v1",
        "500 items",
        "a page of a longer list: 9,500 remaining",
        "resourceVersion 48211",
        "1.9 MB of content, 209 KB on the wire (gzip 11 %)",
    )


def test_lines_say_what_is_missing() -> None:
    assert CUT.lines() == ("PodList v1", "at least 120 items", "the answer is not whole", "400 KB of content")
    assert UNTOLD.lines()[0] == "a list whose kind was not seen"


@pytest.mark.parametrize("page", [PAGE, LAST, CUT, SELECTED, UNTOLD])
def test_document_is_read_back_as_it_was(page: ListPage) -> None:
    assert ListPage.read(json.loads(json.dumps(page.document()))) == page


def test_document_says_whether_the_list_continues() -> None:
    assert PAGE.document()["continues"] is True
    assert "remaining" not in LAST.document()


def test_continue_token_is_told_by_its_digest() -> None:
    assert continue_id("a") == "ca978112"
    assert continue_id("") == ""
    assert continue_id("a") != continue_id("b")
    assert len(continue_id("\ud800")) == 8


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "kind",
                    "apiVersion",
                    "items",
                    "resourceVersion",
                    "continueId",
                    "remaining",
                    "contentBytes",
                    "complete",
                ]
            ),
            inner,
        )
    ),
    max_leaves=8,
)


@given(anything)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_any_document_is_read_or_none(document: object) -> None:
    page = ListPage.read(document)
    if page is not None:
        assert ListPage.read(page.document()) == page
        "\n".join([page.phrase, *page.lines()]).encode()
