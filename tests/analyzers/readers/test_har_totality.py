"""No archive makes the reader raise, or the rules behind it: any value in any place, any cut, any bytes."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analyzers.command import Story
from analyzers.exchange import Exchange, Failure, Request
from analyzers.explain import explain
from analyzers.output import explained, har
from analyzers.readers import har as reader
from analyzers.readers import wire_text
from analyzers.readers.error_codes import failure
from analyzers.readers.source import Source

RULES = Path(__file__).parents[1] / "rules"
steady = settings(derandomize=True, deadline=None, max_examples=300)

texts = st.one_of(
    st.text(alphabet='{}[]",:/?&%#@ \n\ud800\x00é\x85', max_size=30),
    st.sampled_from([
        "https://[x", "https://h:99999999/", "https://h:٣/api", "//", "CONNECT", "GET", "base64", "http://@:/?#", "-1",
        "2026-11-22T17:11:27.454Z", "9999-99-99", "0001-01-01T00:00:00+23:59", "net::ERR_ABORTED", "net::ERR_{x}",
        "tls", "service-account-token", "mitmkube", "[Fiddler] ", "{host}", "[+]ping ok",
    ]),
)  # fmt: skip
numbers = st.one_of(
    st.integers(), st.floats(), st.sampled_from([10**400, -(10**4000), 1e308, 2**63, -0.0, 404, 200, 0])
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            texts | st.sampled_from(["name", "value", "text", "encoding", "phase", "message", "kind", "complete"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def recorded(*names: str) -> list[dict[str, Any]]:
    """Archives of recordings, whole."""
    found = []
    for name in names:
        exchanges = wire_text.read((RULES / name).read_text("utf-8"))
        found.append(json.loads(har.document(Story.of(exchanges), "1")))
    return found


ARCHIVES = recorded("rbac_denied/hit_watch.http", "network_refused/hit.http", "auth_token_expired/hit.http")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside ``value``."""
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, content in inner:
        found += places(content, (*path, key))
    return found


PLACES = [(number, place) for number, archive in enumerate(ARCHIVES) for place in places(archive)]


def put(archive: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(archive)
    at: Any = changed
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    return changed


def read(content: bytes) -> None:
    """As ``mitmkube explain`` does, to the last byte of its output."""
    for item in explain(reader.read(Source(io.BytesIO(content)))):
        json.loads(explained.item_json(item, "a.har")).keys()
        explained.item_text(item, "a.har").encode()


@steady
@given(st.sampled_from(PLACES), values)
def test_any_value_in_any_place_of_our_archive_is_read(place: tuple[int, tuple[Any, ...]], value: Any) -> None:
    read(json.dumps(put(ARCHIVES[place[0]], place[1], value)).encode())


@steady
@given(st.sampled_from(PLACES), values)
def test_any_value_in_any_place_of_a_foreign_archive_is_read(place: tuple[int, tuple[Any, ...]], value: Any) -> None:
    changed = put(ARCHIVES[place[0]], place[1], value)
    text = json.dumps(changed).replace('"_mitmkube"', '"_other"').replace('"mitmkube"', '"Charles Proxy"')
    read(text.encode())


@pytest.mark.parametrize("value", [None, "", [], {}, 0, -1, True, 1e999, "x", [None], {"": None}], ids=repr)
@pytest.mark.parametrize("archive", ARCHIVES, ids=["rbac", "network", "auth"])
def test_value_of_every_type_in_every_place_is_read(archive: dict[str, Any], value: Any) -> None:
    for place in places(archive):
        changed = put(archive, place, value)
        for found in reader.read(Source(io.BytesIO(json.dumps(changed).encode()))):
            Story.of(found.exchanges, found.info)


@steady
@given(values)
@example({"log": {"entries": [{"request": {}}]}})
@example({"log": {"entries": [[]] * 3, "creator": "mitmkube", "_mitmkube": []}})
def test_any_document_is_read(document: Any) -> None:
    read(json.dumps(document).encode())
    read(json.dumps({"log": document}).encode())
    read(json.dumps({"log": {"entries": document}}).encode())
    read(json.dumps({"log": {"entries": [{"request": document, "response": document}]}}).encode())


@steady
@given(st.integers(0, 10**6), st.binary(max_size=20), st.integers(0, 100))
def test_any_bytes_in_any_place_are_read(at: int, inserted: bytes, dropped: int) -> None:
    text = json.dumps(ARCHIVES[0]).encode()
    at %= len(text)
    read(text[:at] + inserted + text[at + dropped :])


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"log": {"entries": [{"request": ' + b"[" * 100_000,
        b'{"log": {"entries": [{"request": ' + b"[" * 900 + b"]" * 900 + b"}]}}",
        b'{"log": {"entries": [{"request": {"url": "\\ud800\\udfff\\ud800", "method": "\\udc00"}}]}}',
        b'{"log": {"entries": [{"request": {"method": "GET"}, "response": {"status": ' + b"4" * 6000 + b"}}]}}",
        b'{"log": {"entries": [{"request": {}, "time": NaN, "timings": {"wait": Infinity}, "startedDateTime": NaN}]}}',
        b'{"log": {"entries": [{"request": {"method": "GET", "url": "https://h/api/v1/pods"}, "_mitmkube": {"id": 1}}, '
        b'{"request": {"method": "GET", "url": "https://h/api/v1/pods"}, "_mitmkube": {"id": 1}}]}}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b"",
        b"{",
        b'{"log"',
    ],
)
def test_archive_of_ill_will_is_read(content: bytes) -> None:
    read(content)


@steady
@given(st.text(max_size=60), texts, st.integers(), st.booleans())
def test_any_words_are_a_failure_or_none(said: str, host: str, port: int, answered: bool) -> None:
    found = failure(said, host, port, answered=answered)
    assert found is None or isinstance(found, Failure)
    if found is not None:
        Story.of([Exchange(id=1, request=Request(method="GET", host=host), failure=found)])
