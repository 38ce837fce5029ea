from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers.decode.watch import LONGEST_EVENT, WatchReader
from analyzers.exchange import Exchange
from analyzers.readers import wire_text
from analyzers.streams.watch import KEPT, Watch

Recorded = Callable[[str], tuple[Exchange, ...]]
WATCHES = Path(__file__).parent / "watch"
ERROR = b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"code":410}}'
ADDED = b'{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"\\"ERROR\\""}}}'
FORMS = ("json", "protobuf", "cbor", "table", "metadata")
steady = settings(derandomize=True, deadline=None, max_examples=200)


def content_of(exchange: Exchange) -> bytes:
    response = exchange.response
    assert response is not None
    assert response.body is not None
    return response.body


def content(recorded: Recorded, name: str) -> bytes:
    return content_of(recorded(name)[0])


def watched(name: str) -> bytes:
    return content_of(wire_text.read((WATCHES / f"{name}.http").read_text("utf-8"))[0])


def chunks(data: bytes, step: int) -> Iterable[bytes]:
    return (data[at : at + step] for at in range(0, len(data), step))


def read(data: bytes, step: int = 1 << 30) -> Watch:
    return seen(chunks(data, step))


def seen(parts: Iterable[bytes]) -> Watch:
    reader = WatchReader()
    for part in parts:
        reader.feed(part, 1.0)
    assert reader.events == reader.watch.events
    return reader.watch


def scan(data: bytes, step: int) -> bytes | None:
    return read(data, step).error_event


def told(watch: Watch) -> list[tuple[str, str, str]]:
    return [(event.type, event.object_name, event.resource_version) for event in (*watch.first, *watch.last)]


def kept_bytes(reader: WatchReader) -> int:
    assert reader._form is not None
    return len(reader._form.reader._kept)


# The ERROR event


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
    reader = WatchReader()
    for part in chunks(huge + ERROR + b"\n", step):
        reader.feed(part, 1.0)
        assert kept_bytes(reader) <= LONGEST_EVENT
    assert reader.watch.error_event == ERROR


def test_line_that_never_ends_is_not_kept() -> None:
    reader = WatchReader()
    for _ in range(20):
        reader.feed(b'{"type":"ERROR"' + b" " * 65536, 1.0)
    assert kept_bytes(reader) <= LONGEST_EVENT
    assert reader.watch.error_event is None


def test_half_an_error_event_is_none() -> None:
    assert scan(ERROR[:-3], 1000) is None


def test_frame_longer_than_a_status_is_passed_over(recorded: Recorded) -> None:
    long_frame = (2 * LONGEST_EVENT).to_bytes(4, "big") + b"x" * (2 * LONGEST_EVENT)
    told = seen([long_frame[:1000], long_frame[1000:] + content(recorded, "watch_expired_protobuf")]).error_event
    assert told is not None
    assert json.loads(told)["object"]["code"] == 410


def test_no_content_has_none() -> None:
    assert seen([]).error_event is None
    assert seen([b""]).error_event is None


@pytest.mark.parametrize(
    "broken", [b"no JSON", b"it's \"broken", b"{broken", b'{"type":"ADDED', b'{"type":"ADDED","a":[{}']
)
@pytest.mark.parametrize("step", [1, 2, 1000])
def test_error_event_behind_a_line_that_is_no_event_is_found(broken: bytes, step: int) -> None:
    data = broken + b"\n" + ERROR + b"\n"
    assert scan(data, step) == ERROR
    assert read(data, step).events == 1


@pytest.mark.parametrize("form", FORMS)
def test_expired_watch_is_one_error_event_in_every_form(form: str) -> None:
    found = read(watched(f"expired_{form}"))
    assert [(event.type, event.kind, event.name) for event in found.first] == [("ERROR", "Status", "")]
    assert found.resource_version == ""
    assert found.error_event is not None
    assert json.loads(found.error_event)["object"]["reason"] == "Expired"


# Events


@pytest.mark.parametrize("form", FORMS)
def test_changes_are_told_the_same_in_every_form(form: str) -> None:
    found = read(watched(f"changes_{form}"))
    assert [(type, name) for type, name, _ in told(found)] == [
        ("ADDED", "watching/first"),
        ("MODIFIED", "watching/first"),
        ("ADDED", "watching/second"),
        ("DELETED", "watching/first"),
    ]
    versions = [int(event.resource_version) for event in found.first]
    assert versions == sorted(set(versions))
    assert found.resource_version == str(versions[-1])
    assert told(found) == told(read(watched("changes_json")))
    assert {event.kind for event in found.first} == {"" if form in ("table", "metadata") else "ConfigMap"}
    assert found.initial_events_end is None
    assert found.error_event is None


@pytest.mark.parametrize("form", FORMS)
def test_end_of_the_initial_events_is_told_in_every_form(form: str) -> None:
    found = read(watched(f"list_{form}"))
    assert [event.type for event in found.first] == ["ADDED", "BOOKMARK", "MODIFIED", "ADDED", "DELETED", "BOOKMARK"]
    assert [event.initial_events_end for event in found.first] == [False, True, False, False, False, False]
    assert found.initial_events_end == 1.0
    assert found.counts == (("ADDED", 2), ("MODIFIED", 1), ("DELETED", 1), ("BOOKMARK", 2))
    assert all(event.resource_version and bool(event.name) == (event.type != "BOOKMARK") for event in found.first)


def test_custom_resource_is_told_though_its_name_comes_last() -> None:
    found = read(watched("custom"))
    assert [(event.type, event.kind, event.object_name) for event in found.first] == [
        ("ADDED", "Widget", "watching/gear"),
        ("BOOKMARK", "Widget", ""),
        ("MODIFIED", "Widget", "watching/gear"),
        ("BOOKMARK", "Widget", ""),
    ]
    assert found.initial_events_end == 1.0


@pytest.mark.parametrize("name", sorted(path.stem for path in WATCHES.glob("*.http")))
def test_no_way_to_cut_a_watch_into_chunks_changes_what_is_read(name: str) -> None:
    data = watched(name)
    whole = read(data)
    assert whole.events
    assert whole.content_bytes == len(data)
    for step in range(1, len(data)):
        assert read(data, step) == whole


def test_length_of_events_is_that_in_the_stream() -> None:
    lines = watched("list_json").splitlines()
    assert [event.content_bytes for event in read(watched("list_json"), 100).first] == [len(line) for line in lines]
    frames = watched("list_protobuf")
    assert sum(event.content_bytes + 4 for event in read(frames, 100).first) == len(frames)
    items = watched("list_cbor")
    assert sum(event.content_bytes for event in read(items, 100).first) == len(items)


def test_events_have_the_time_of_their_last_byte() -> None:
    reader = WatchReader()
    reader.feed(ADDED[:30], 10.0)
    reader.feed(ADDED[30:] + b"\n" + ADDED, 11.23456)
    reader.feed(b"\n" + ADDED[:-1], 12.0)
    reader.feed(ADDED[-1:], 13.5)
    assert [event.at for event in reader.watch.first] == [11.235, 11.235, 13.5]


def test_event_is_there_before_the_line_has_ended() -> None:
    assert read(ADDED, 7).events == 1


@pytest.mark.parametrize("between", [b"", b" ", b"\n", b"\r\n", b"\n\n  "])
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_events_may_stand_next_to_each_other(between: bytes, step: int) -> None:
    lines = [*watched("list_json").splitlines(), *watched("custom").splitlines()]
    assert told(read(between.join(lines), step)) == told(read(b"\n".join(lines)))


@pytest.mark.parametrize("name", ["list_json", "custom", "list_table", "expired_json"])
@pytest.mark.parametrize("indent", [0, 2, "\t"])
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_events_may_stand_on_several_lines(name: str, indent: int | str, step: int) -> None:
    events = [json.loads(line) for line in watched(name).splitlines()]
    data = "\n".join(json.dumps(event, indent=indent) for event in events).encode()
    assert told(read(data, step)) == told(read(watched(name)))


@pytest.mark.parametrize("name", ["list_json", "custom", "list_table", "list_metadata"])
def test_members_may_stand_in_any_order(name: str) -> None:
    events = [json.loads(line) for line in watched(name).splitlines()]
    data = "\n".join(json.dumps(_reversed(event)) for event in events).encode()
    assert told(read(data)) == told(read(watched(name)))


def _reversed(value: object) -> object:
    if isinstance(value, dict):
        return {key: _reversed(inner) for key, inner in reversed(value.items())}
    return value


texts = st.lists(
    st.sampled_from(["{", "}", '"', "\\", "\n", "a", "ü", '}{"type":"ERROR"', "},{", '"name":"no"', ":", ","]),
    max_size=8,
).map("".join)
objects = st.recursive(
    st.none() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@steady
@given(
    events=st.lists(st.tuples(st.sampled_from(["ADDED", "MODIFIED"]), objects, objects), min_size=1, max_size=4),
    sort=st.booleans(),
    indent=st.sampled_from([None, None, 0, 1]),
    between=st.sampled_from(["\n", ""]),
    step=st.integers(1, 60),
)
def test_whatever_an_object_holds_its_event_is_read(
    events: list[tuple[str, object, object]], sort: bool, indent: int | None, between: str, step: int
) -> None:
    documents = [
        {
            "type": type,
            "object": {
                "kind": "K",
                "apiVersion": "v1",
                "metadata": {"name": f"n{place}", "namespace": "ns", "resourceVersion": str(place), "other": first},
                "name": "no",
                "spec": {"metadata": {"name": "no"}, "more": second},
            },
        }
        for place, (type, first, second) in enumerate(events)
    ]
    data = between.join(json.dumps(one, sort_keys=sort, indent=indent, ensure_ascii=False) for one in documents)
    expected = [(type, f"ns/n{place}", str(place)) for place, (type, _, _) in enumerate(events)]
    assert told(read(data.encode(), step)) == expected


def test_type_that_kubernetes_does_not_have_is_unknown() -> None:
    found = read(b'{"type":"RENAMED","object":{"kind":"Pod","metadata":{"name":"a"}}}\n' * 2)
    assert found.counts == (("UNKNOWN", 2),)
    assert found.first[0].name == "a"


@pytest.mark.parametrize(
    "data", [b'{"kind":"PodList","items":[{"type":"ADDED"}]}\n', b'{"type":"Opaque"}\n', b"[]", b"{}{}"]
)
def test_what_is_no_event_is_not_counted(data: bytes) -> None:
    assert read(data).events == read(data, 1).events == 0


def test_table_of_several_rows_is_told_by_its_first() -> None:
    rows = [{"object": {"kind": "Pod", "metadata": {"name": name, "namespace": "ns"}}} for name in "ab"]
    table = {"kind": "Table", "metadata": {"resourceVersion": "7"}, "rows": rows}
    (event,) = read(json.dumps({"type": "ADDED", "object": table}).encode()).first
    assert (event.kind, event.object_name, event.resource_version) == ("Pod", "ns/a", "7")


# What is long, or hostile


@pytest.mark.parametrize("step", [1000, 65536, 1 << 30])
@pytest.mark.parametrize("name", ["changes_json", "custom"])
def test_event_too_long_to_be_kept_is_told_by_its_beginning(name: str, step: int) -> None:
    line = watched(name).splitlines()[0]
    long = line[:-2] + b',"more":"' + b"x" * LONGEST_EVENT + b'"}}\n'
    found = read(long + line, step)
    assert told(found) == told(read(line)) * 2
    assert [event.content_bytes for event in found.first] == [len(long) - 1, len(line)]


@pytest.mark.parametrize("step", [1000, 1 << 30])
def test_long_event_in_protobuf_is_told_by_its_beginning(step: int) -> None:
    frame = watched("changes_protobuf")
    size = int.from_bytes(frame[:4], "big")
    more = b"x" * (2 * LONGEST_EVENT)
    long = _longer(frame[4 : 4 + size], more)
    found = read(len(long).to_bytes(4, "big") + long + frame, step)
    assert told(found) == [told(read(frame))[0], *told(read(frame))]
    assert found.first[0].content_bytes == len(long)
    assert found.first[0].kind == "ConfigMap"


def _longer(event: bytes, more: bytes) -> bytes:
    """A WatchEvent whose object has another field: the lengths around it are written anew."""
    begin = event.index(b"k8s\0")
    unknown = event[begin + 4 :]
    type_meta = unknown[: 2 + unknown[1]]
    object_begin = unknown.index(b"\n", len(type_meta) + 2)
    inner = unknown[object_begin:] + _field(15, more)
    raw = b"k8s\0" + type_meta + _field(2, inner)
    return _field(1, b"ADDED") + _field(2, _field(1, raw))


def _field(number: int, value: bytes) -> bytes:
    size, head = len(value), bytearray([number << 3 | 2])
    while size >= 0x80:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes(head) + bytes([size]) + value


@pytest.mark.parametrize("step", [1000, 1 << 30])
def test_long_event_in_cbor_is_counted_by_its_type(step: int) -> None:
    begin = b"\xd9\xd9\xf7\xa2\x44type\x45ADDED\x46object\xa1\x44data"
    long = begin + b"\x5a" + (2 * LONGEST_EVENT).to_bytes(4, "big") + b"x" * (2 * LONGEST_EVENT)
    found = read(long + watched("changes_cbor"), step)
    assert [event.type for event in found.first] == ["ADDED", "ADDED", "MODIFIED", "ADDED", "DELETED"]


def test_events_between_the_first_and_the_last_are_only_counted() -> None:
    lines = [ADDED.replace(b'\\"ERROR\\"', b"n%d" % number) + b"\n" for number in range(1000)]
    found = read(b"".join(lines), 65536)
    assert (found.events, len(found.first), len(found.last), found.dropped) == (1000, KEPT, KEPT, 800)
    assert (found.first[-1].name, found.last[0].name, found.last[-1].name) == ("n99", "n900", "n999")


def test_names_are_held_in_part_and_on_one_line() -> None:
    names = ["a" * 5000, "two\nlines", "\x1b[2J", "\ud800"]
    events = [{"type": "ADDED", "object": {"kind": one, "metadata": {"name": one}}} for one in names]
    found = read("\n".join(map(json.dumps, events)).encode())
    assert [event.name for event in found.first] == ["a" * 253, "two lines", "�[2J", "?"]
    assert [event.kind for event in found.first] == [event.name for event in found.first]


@pytest.mark.parametrize(
    "piece",
    [
        b"{",
        b'{"a":',
        b'{"type":"ADDED","object":{"a":[',
        b"[",
        b'"',
        b"\\",
        b"}",
        b"{}",
        b'{"',
        b'"{',
        b"}{\n",
        b'{"\\',
    ],
)
@pytest.mark.parametrize("step", [3, 65536])
def test_nothing_hostile_is_kept_or_takes_for_ever(piece: bytes, step: int) -> None:
    reader = WatchReader()
    for part in chunks(b'{"type":"ADDED","object":{"a":' + piece * (600_000 // len(piece)), step):
        reader.feed(part, 1.0)
    assert kept_bytes(reader) <= LONGEST_EVENT
    assert reader.watch.events <= 1


@steady
@given(
    data=st.lists(
        st.sampled_from([ADDED, ERROR, b"\n", b"{", b"}", b'"', b"\\", b"\0\0\0\x05", b"\xd9\xd9\xf7", b"\xff"])
        | st.binary(max_size=5),
        max_size=12,
    ).map(b"".join),
    step=st.integers(1, 50),
)
def test_any_bytes_are_taken(data: bytes, step: int) -> None:
    found = read(data, step)
    assert Watch.read(json.loads(json.dumps(found.document())), found.error_event) == found
