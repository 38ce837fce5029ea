"""metadata.managedFields of objects that a real API server stored (stories/*.http)."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from analyzers.decode import document
from analyzers.decode.managed_fields import decode, moment, owners
from analyzers.readers import wire_text

STORIES = Path(__file__).parents[1] / "stories"


def deployment() -> object:
    *_, last = wire_text.read((STORIES / "apply_conflict_asked.http").read_text())
    assert last.response is not None
    return document.decode(last.response.body)


def test_managers_are_read_with_their_subresource_and_time() -> None:
    entries = {entry.who: entry for entry in decode(deployment())}
    assert set(entries) >= {"kubectl-create", "kubectl.1.33 (subresource scale)"}
    created = entries["kubectl-create"]
    assert (created.operation, created.api_version, created.subresource) == ("Update", "apps/v1", "")
    assert created.time == moment("2026-11-22T19:48:53Z")


def test_paths_read_as_the_api_server_writes_them_in_a_conflict() -> None:
    image = '.spec.template.spec.containers[name="web"].image'
    assert [entry.manager for entry in owners(decode(deployment()), image)] == ["kubectl-create"]
    assert [entry.who for entry in owners(decode(deployment()), ".spec.replicas")] == [
        "kubectl.1.33 (subresource scale)"
    ]


def test_what_lies_inside_an_owned_field_is_the_owners() -> None:
    owned = {"f:spec": {"f:selector": {}}}
    entries = decode({"metadata": {"managedFields": [{"manager": "a", "fieldsV1": owned}]}})
    assert [entry.manager for entry in owners(entries, ".spec.selector.matchLabels.app")] == ["a"]
    assert owners(entries, ".spec.selectors") == ()


def test_items_of_a_set_and_of_an_atomic_list_are_named() -> None:
    fields = {
        "f:metadata": {"f:finalizers": {".": {}, 'v:"a/b"': {}}},
        "f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {}}},
    }
    (entry,) = decode({"metadata": {"managedFields": [{"manager": "a", "fieldsV1": fields}]}})
    assert entry.paths == {
        ".metadata.finalizers",
        '.metadata.finalizers[="a/b"]',
        '.spec.ports[port=80,protocol="TCP"]',
    }


def test_object_without_managed_fields_has_no_managers() -> None:
    assert decode({"metadata": {}}) == decode(None) == decode([]) == ()


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["f:a", ".", "k:{", 'v:"x"', "i:0"]), inner)
    ),
    max_leaves=20,
)


@given(json_like)
def test_anything_is_read(fields: object) -> None:
    for entry in decode({"metadata": {"managedFields": [{"manager": fields, "time": fields, "fieldsV1": fields}]}}):
        assert isinstance(entry.who, str)


def test_deep_nesting_is_read_to_some_depth() -> None:
    fields: dict[str, object] = {}
    for _ in range(5000):
        fields = {"f:a": fields}
    assert decode({"metadata": {"managedFields": [{"manager": "a", "fieldsV1": fields}]}})
