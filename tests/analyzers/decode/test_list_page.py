from __future__ import annotations

import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analyzers.decode.list_page import ListReader
from analyzers.streams.list_page import ListPage, continue_id

RECORDINGS = Path(__file__).parent / "list_page"
JSON = "application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
steady = settings(derandomize=True, deadline=None, max_examples=300)


def read(content: bytes, content_type: str = JSON, *, steps: tuple[int, ...] = (65536,)) -> ListPage | None:
    """What is seen of ``content`` when it comes in chunks of these sizes, over and over."""
    reader = ListReader(content_type)
    at = place = 0
    while at < len(content):
        step = steps[place % len(steps)]
        reader.feed(content[at : at + step])
        at, place = at + step, place + 1
    return reader.stream(0)


def recorded(name: str) -> tuple[bytes, str]:
    return (RECORDINGS / name).read_bytes(), PROTOBUF if name.endswith(".pb") else JSON


def known(document: dict[str, Any], size: int) -> ListPage:
    """What json reads."""
    metadata = document.get("metadata", {})
    return ListPage(
        kind=document["kind"],
        api_version=document["apiVersion"],
        items=len(document["rows" if document["kind"] == "Table" else "items"] or ()),
        resource_version=metadata.get("resourceVersion", ""),
        continue_id=continue_id(metadata.get("continue", "")),
        remaining=metadata.get("remainingItemCount"),
        content_bytes=size,
    )


LISTS = sorted(
    path.name
    for path in RECORDINGS.iterdir()
    if path.stem not in ("pod", "crontab", "missing", "resources", "groups")
)  # fmt: skip


@pytest.mark.parametrize("name", [name for name in LISTS if name.endswith(".json")])
def test_list_of_a_server_is_told_as_json_reads_it(name: str) -> None:
    content, content_type = recorded(name)
    assert read(content, content_type) == known(json.loads(content), len(content))


@pytest.mark.parametrize("name", [name for name in LISTS if name.endswith(".pb")])
def test_protobuf_tells_the_same_as_json(name: str) -> None:
    content, content_type = recorded(name)
    in_json = known(json.loads(recorded(name.replace(".pb", ".json"))[0]), len(content))
    assert read(content, content_type) == in_json


def test_pages_name_the_token_that_leads_on() -> None:
    pages = [read(*recorded(f"pods_page_{number}.json")) for number in (1, 2, 3)]
    assert [(page.items, page.continues, page.remaining) for page in pages if page] == [
        (3, True, 5),
        (3, True, 2),
        (2, False, None),
    ]


def test_page_that_a_selector_chose_does_not_say_how_many_are_left() -> None:
    page = read(*recorded("selected_page.json"))
    assert page is not None
    assert (page.continues, page.remaining) == (True, None)


@pytest.mark.parametrize(
    "name", ["pod.json", "pod.pb", "crontab.json", "missing.json", "resources.json", "groups.json"]
)
def test_what_is_no_list_of_objects_is_none(name: str) -> None:
    assert read(*recorded(name)) is None


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("step", [1, 2, 3, 7, 100, 4096, 16385])
def test_chunks_of_any_size_tell_the_same(name: str, step: int) -> None:
    content, content_type = recorded(name)
    assert read(content, content_type, steps=(step,)) == read(content, content_type, steps=(len(content),))


@pytest.mark.parametrize("name", ["crontabs_page.json", "pods_page_3.pb", "none.json", "none.pb"])
def test_one_split_anywhere_changes_nothing(name: str) -> None:
    content, content_type = recorded(name)
    whole = read(content, content_type)
    for at in range(1, len(content)):
        assert read(content, content_type, steps=(at, len(content))) == whole


@pytest.mark.parametrize("name", ["crontabs.json", "configmaps.json", "pods_table_page.json", "pods_page_3.pb"])
def test_answer_that_breaks_off_has_at_least_the_items_that_came(name: str) -> None:
    content, content_type = recorded(name)
    whole = read(content, content_type)
    assert whole is not None
    seen = 0
    for size in range(0, len(content) - 10, 7):
        page = read(content[:size], content_type)
        if page is None:
            assert seen == 0
            continue
        assert not page.complete
        assert seen <= page.items <= whole.items
        seen = page.items
    assert seen >= whole.items - 1


def test_size_counts_all_that_came_and_the_wire_is_what_the_caller_says() -> None:
    content, content_type = recorded("pods.json")
    reader = ListReader(content_type)
    reader.feed(content + b"\n")
    page = reader.stream(1234)
    assert page is not None
    assert (page.content_bytes, page.wire_bytes, page.complete) == (len(content) + 1, 1234, True)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/yaml", "application/cbor", "", "application/json-patch+json"]
)
def test_text_that_looks_like_a_list_is_none(content_type: str) -> None:
    assert read(recorded("pods.json")[0], content_type) is None


def test_form_is_read_off_the_bytes() -> None:
    content, _ = recorded("pods.json")
    assert read(content, PROTOBUF) == read(content, JSON)
    assert read(b" \n" + content, f"{JSON}; charset=utf-8") is not None


def test_list_without_items_has_none() -> None:
    page = read(b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":null}')
    assert page is not None
    assert (page.items, page.complete, page.resource_version) == (0, True, "7")


def test_custom_resource_that_is_called_a_list_is_none() -> None:
    one = b'{"apiVersion":"example.com/v1","kind":"AllowList","metadata":{"name":"a"},"spec":{"items":[{}]}}'
    assert read(one) is None


def test_keys_may_be_escaped() -> None:
    page = read(b'{"k\\u0069nd":"Pod\\u004cist","apiVersion":"v1","\\u0069tems":[{},{}]}')
    assert page is not None
    assert (page.kind, page.items) == ("PodList", 2)


# Whatever an object may hold that has to do with brackets and quotation marks, at the edge of a block or not.
texts = st.text(alphabet='"\\{}[]:,nu/ \n\té⎈', max_size=12) | st.sampled_from(["items", "metadata", "kind", "x" * 50])
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
objects = st.lists(st.dictionaries(texts, values, max_size=4), max_size=6)
metadata = st.fixed_dictionaries(
    {},
    optional={
        "resourceVersion": st.sampled_from(["", "1", "48211"]),
        "continue": st.text(alphabet='abc"\\{é', max_size=8),
        "remainingItemCount": st.integers(min_value=0, max_value=10**9),
        "selfLink": texts,
    },
)
head = {"apiVersion": texts.filter(str.isalnum), "metadata": metadata}
documents = st.one_of(
    st.fixed_dictionaries({"kind": st.sampled_from(["PodList", "List"]), **head, "items": objects}),
    st.fixed_dictionaries({"kind": st.just("Table"), **head, "columnDefinitions": objects, "rows": objects}),
)


@st.composite
def written(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """A document, its keys in any order, with any space between."""
    document = draw(documents)
    order = draw(st.permutations(list(document)))
    text = json.dumps(
        {key: document[key] for key in order},
        indent=draw(st.sampled_from([None, None, 1, "\t"])),
        separators=draw(st.sampled_from([(",", ":"), (" , ", " : ")])),
        ensure_ascii=draw(st.booleans()),
    )
    return document, text.encode()


@given(written(), st.lists(st.integers(min_value=1, max_value=40), min_size=1, max_size=5))
@steady
def test_any_document_is_told_as_json_reads_it(one: tuple[dict[str, Any], bytes], steps: list[int]) -> None:
    document, content = one
    expected = known(document, len(content))
    assert read(content) == expected
    assert read(content, steps=tuple(steps)) == expected


@pytest.mark.parametrize("offset", range(0, 64, 3))
def test_strings_across_the_edge_of_a_block_stay_strings(offset: int) -> None:
    items = [{"a" * offset: "x" * 997, "\\": '"}]{[\\', "b": ["\\\\", {"c\\": {}}]} for _ in range(100)]
    document = {"kind": "PodList", "apiVersion": "v1", "items": items, "metadata": {"continue": "t"}}
    page = read(json.dumps(document).encode())
    assert page is not None
    assert (page.items, page.continues, page.complete) == (100, True, True)


pieces = st.sampled_from([
    b'{"kind":"PodList"', b'"kind":', b'"Table"', b'"items":[', b'"rows":[', b'"metadata":{', b"{}", b"{", b"}", b"[",
    b"]", b",", b":", b'"', b'\\"', b"\\\\", b"null", b"1", b" ", b"\n", b"\x00", b"\xff", b'"continue":"a"',
    b"k8s\x00", b"k8s\x00\x0a\x0d\x0a\x02v1\x12\x07PodList", b"\x12\x80\x01", b"\x0a\x02", b"\x12\x00",
    b"\x80" * 16, b"\x15",
])  # fmt: skip


@given(st.lists(pieces | st.binary(max_size=3), max_size=30).map(b"".join), st.integers(min_value=1, max_value=9))
@example(b"", 1)
@example(b'{"kind":"PodList","items":[{}]]]]}', 1)
@example(b"k8s\x00\x0a\x0d\x0a\x02v1\x12\x07PodList\x12\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x12\xff\xff\x03", 3)
@steady
def test_any_bytes_are_survived_in_any_chunks(content: bytes, step: int) -> None:
    for steps in ((len(content),), (step,)):
        page = read(content, steps=steps)
        if page is not None:
            assert page.items >= 0
            assert ListPage.read(page.document()) == page


@given(st.lists(pieces, max_size=30).map(b"".join).filter(lambda content: b"\\" not in content), st.integers(1, 9))
@steady
def test_bytes_without_a_backslash_are_told_alike_in_any_chunks(content: bytes, step: int) -> None:
    assert read(content, steps=(step,)) == read(content)


def test_field_that_is_cut_off_and_no_item_is_not_counted() -> None:
    page = read(LIST_PB + b"\x12\x10\x1a\x0e")
    assert page is not None
    assert (page.items, page.complete) == (0, False)


LIST = b'{"kind":"PodList","apiVersion":"v1","items":['
LIST_PB = b"k8s\x00\x0a\x0d\x0a\x02v1\x12\x07PodList"


@pytest.mark.parametrize(
    ("begin", "part", "content_type"),
    [
        (LIST, b"[", JSON),
        (LIST, b'{"a":', JSON),
        (LIST, b"{},", JSON),
        (LIST + b'"', b"x", JSON),
        (LIST + b'"', b"\\", JSON),
        (LIST, b'"', JSON),
        (LIST, b'"{"', JSON),
        (LIST, b"]", JSON),
        (b'{"', b"x", JSON),
        (b'{"kind":"PodList","a":', b"1", JSON),
        (b'{"kind":"PodList",', b" ", JSON),
        (b"", b" ", JSON),
        (b'{"kind":"PodList","metadata":{"continue":"', b"x", JSON),
        (b'{"kind":"PodList"', b',"a":{}', JSON),
        (b'{"kind":"PodList"', b',"items":[{}]', JSON),
        (b"k8s\x00", b"\x80", PROTOBUF),
        (b"k8s\x00\x0a\xff\xff\xff\x7f", b"x", PROTOBUF),
        (b"k8s\x00\x0a\xff\x7f", b"\x08\x01", PROTOBUF),
        (LIST_PB + b"\x12\xff\xff\xff\x7f\x0a\xff\xff\x7f", b"x", PROTOBUF),
        (LIST_PB + b"\x12\xff\xff\xff\x7f\x12\xff\xff\xff\x3f", b"x", PROTOBUF),
        (LIST_PB + b"\x12\xff\xff\xff\x7f", b"\x12\x7e" + b"x" * 126, PROTOBUF),
    ],
)
def test_little_is_kept_of_what_never_ends(begin: bytes, part: bytes, content_type: str) -> None:
    reader = ListReader(content_type)
    chunk = (part * (65536 // len(part) + 1))[:65536]
    tracemalloc.start()
    try:
        reader.feed(begin)
        for _ in range(32):
            reader.feed(chunk)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100_000
    assert most < 4_000_000
    page = reader.stream(0)
    assert page is None or not page.complete


def test_nesting_has_no_limit() -> None:
    page = read(LIST + b"[" * 100_000 + b"]" * 100_000 + b',{"a":{}}],"metadata":{"resourceVersion":"5"}}')
    assert page is not None
    assert (page.items, page.resource_version, page.complete) == (2, "5", True)


def test_item_of_any_length_is_one_item() -> None:
    long = json.dumps([{"text": "{" * 3_000_000}, {"text": '"' * 1_000_000}]).encode()
    page = read(LIST[:-1] + long + b"}")
    assert page is not None
    assert (page.items, page.complete) == (2, True)


def test_random_bytes_behind_a_beginning_are_survived() -> None:
    random_bytes = random.Random(1).randbytes
    for begin in (LIST, LIST_PB, b"{", b"k8s\x00"):
        reader = ListReader(JSON)
        reader.feed(begin + random_bytes(100_000))
        page = reader.stream(0)
        assert page is None or page.items >= 0
