"""What a real API server, with and without a mutating webhook, made of what it was sent (admission/record.py)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers import admission_diff, object_diff
from analyzers.admission_diff import AdmissionDiff
from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange, Headers, Request, Response
from analyzers.finding import Step
from analyzers.output import json as json_report
from analyzers.readers import wire_text
from analyzers.steps import steps_of

RECORDINGS = Path(__file__).parent / "admission"
CANARY = "canary-5up3r-s3cr3t"
steady = settings(derandomize=True, deadline=None, max_examples=300)


def recorded(name: str) -> tuple[Exchange, ...]:
    return wire_text.read((RECORDINGS / f"{name}.http").read_text("utf-8"))


def diff(name: str, place: int = 0) -> AdmissionDiff:
    found = admission_diff.of(recorded(name)[place])
    assert found is not None
    return found


def written(sent: object, stored: object, path: str = "/api/v1/namespaces/a/pods", **request: Any) -> Exchange:
    kind = request.pop("kind", "application/json")
    return Exchange(
        id=1,
        request=Request(
            method=request.pop("method", "POST"),
            path=path,
            headers=Headers([("Content-Type", kind)]),
            body=sent if isinstance(sent, bytes) else json.dumps(sent).encode(),
        ),
        response=Response(status=request.pop("status", 201), body=json.dumps(stored).encode()),
    )


def made(sent: object, stored: dict[str, Any], **rest: Any) -> list[tuple[str, str]]:
    found = admission_diff.of(written(sent, {"kind": "Pod", **stored}, **rest))
    assert found is not None
    return [(change.change, change.path) for change in found.changes]


# Real answers


def test_object_that_is_stored_as_sent_has_no_changes() -> None:
    assert diff("configmap_create").summary == ""
    assert diff("deployment_replace").changes == ()


@pytest.mark.parametrize(
    ("name", "summary"),
    [
        ("service_create", "8 fields filled in"),
        ("cronjob_create", "10 fields filled in"),
        ("kubectl_apply_creates", "12 fields filled in"),
        ("deployment_create_misspelt", "spec.replica not kept; 12 fields filled in"),
        (
            "deployment_create",
            "spec.replicas changed from 0 to 2; annotation policy.example/checked added; 12 fields filled in",
        ),
        ("secret_create", "data.password changed; data key salt added; 1 field filled in"),
    ],
)
def test_summary_says_what_changed_then_what_was_added_then_how_much_was_filled_in(name: str, summary: str) -> None:
    assert diff(name).summary == summary


@pytest.mark.parametrize("name", ["pod_create", "pod_create_dry_run", "pod_apply"])
def test_sidecar_in_front_does_not_make_the_other_container_look_changed(name: str) -> None:
    found = diff(name)
    changed = [change.path for change in found.changes if change.change == "changed"]
    assert changed == ["spec.containers[web].image", "spec.containers[web].env[DB_PASSWORD].value"]
    assert not [change for change in found.changes if change.change == "removed"]
    assert (
        "spec.containers[web].image changed from registry.example/web:1 to mirror.example/web:1; "
        "spec.containers[web].env[DB_PASSWORD].value changed; container istio-proxy added; label team=web added; "
        "environment variable ZONE added"
    ) in found.summary
    assert "2 tolerations" in "; ".join(admission_diff._added(found.changes))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_patch_of_any_kind_shows_only_what_it_sent_and_came_out_otherwise(place: int) -> None:
    (change,) = diff("deployment_patches", place).changes
    assert (change.path, change.sent, change.stored) == ("spec.replicas", 5, 2)


def test_apply_to_what_is_there_shows_no_additions() -> None:
    created, again = diff("deployment_apply", 0), diff("deployment_apply", 1)
    assert created.filled_in == 12
    assert again.summary == "spec.replicas changed from 0 to 2"


def test_no_value_of_a_secret_is_in_a_diff() -> None:
    for path in sorted(RECORDINGS.glob("*.http")):
        for exchange in wire_text.read(path.read_text("utf-8")):
            found = admission_diff.of(exchange)
            said = json.dumps(json_report.admission_object(found)) + repr(found)
            assert CANARY not in said
            assert "Y2FuYXJ5" not in said


def test_steps_show_it_at_admission_and_processing() -> None:
    lines = {line.step: line.text for line in steps_of(Story.of(recorded("deployment_create"), CommandInfo()))}
    assert lines[Step.ADMISSION] == "spec.replicas changed from 0 to 2; annotation policy.example/checked added"
    assert lines[Step.PROCESSING] == "created, generation 1; 12 fields filled in"


def test_json_report_has_it_for_every_write() -> None:
    requests = json_report.document(Story.of(recorded("deployment_patches"), CommandInfo()))["requests"]
    assert [request["admission"]["changes"] for request in requests] == [
        [{"path": "spec.replicas", "change": "changed", "sent": 5, "stored": 2}]
    ] * 3


# What is compared


def test_what_only_the_server_writes_is_left_out() -> None:
    metadata = {
        "name": "a",
        "namespace": "b",
        "uid": "c",
        "resourceVersion": "1",
        "generation": 1,
        "managedFields": [{}],
    }
    assert made({"metadata": {"name": "a"}}, {"metadata": metadata, "status": {"phase": "Pending"}}) == []


def test_quantity_duration_and_time_in_another_form_are_the_same() -> None:
    sent = {"spec": {"cpu": "1000m", "memory": 1024, "every": "60m", "at": "2026-01-01T01:00:00+01:00"}}
    assert made(sent, {"spec": {"cpu": "1", "memory": "1Ki", "every": "1h0m0s", "at": "2026-01-01T00:00:00Z"}}) == []


def test_label_is_compared_letter_by_letter() -> None:
    sent = {"metadata": {"labels": {"size": "1000m"}}}
    assert made(sent, {"metadata": {"labels": {"size": "1"}}}) == [("changed", "metadata.labels.size")]


def test_empty_value_that_is_left_out_is_not_removed() -> None:
    sent = {"spec": {"hostNetwork": False, "nodeSelector": {}, "tolerations": [], "a": None, "b": "", "c": 0}}
    assert made(sent, {"spec": {}}) == []


def test_key_with_a_dot_does_not_read_as_two() -> None:
    sent = {"metadata": {"annotations": {"a.b/c": "1"}}}
    assert made(sent, {"metadata": {}}) == [("removed", "metadata.annotations")]
    assert made(sent, {"metadata": {"annotations": {"d": "1"}}}) == [
        ("removed", "metadata.annotations[a.b/c]"),
        ("added", "metadata.annotations.d"),
    ]


def test_ports_are_paired_by_number_and_protocol_which_is_tcp_unless_said() -> None:
    sent = [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]
    stored = [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}]
    assert made({"spec": {"ports": sent}}, {"spec": {"ports": stored}}) == [("added", "spec.ports[53].protocol")]


def test_order_counts_in_arguments_and_not_in_finalizers() -> None:
    sent = {"metadata": {"finalizers": ["a", "b"]}, "spec": {"args": ["a", "b"]}}
    stored = {"metadata": {"finalizers": ["b", "a"]}, "spec": {"args": ["b", "a"]}}
    assert made(sent, stored) == [("changed", "spec.args[0]"), ("changed", "spec.args[1]")]


def test_argument_that_is_put_in_front_is_the_only_one_added() -> None:
    assert made({"spec": {"args": ["a", "b"]}}, {"spec": {"args": ["x", "a", "b"]}}) == [("added", "spec.args[0]")]


def test_line_breaks_in_base64_are_no_change() -> None:
    sent, stored = {"kind": "Secret", "data": {"a": "YWFh\nYmJi\n"}}, {"kind": "Secret", "data": {"a": "YWFhYmJi"}}
    assert made(sent, stored, path="/api/v1/namespaces/a/secrets") == []


def test_list_without_keys_is_paired_by_content() -> None:
    sent, stored = [{"a": {"x": 1}}], [{"b": 1}, {"a": {"x": 1, "y": 2}}]
    assert made({"spec": {"rules": sent}}, {"spec": {"rules": stored}}) == [
        ("added", "spec.rules[1].a.y"),
        ("added", "spec.rules[0]"),
    ]


def test_strategic_merge_patch_leaves_other_items_and_directives_alone() -> None:
    patch = {
        "spec": {"$retainKeys": ["a"], "containers": [{"name": "b", "$patch": "delete"}, {"name": "a", "image": "x"}]}
    }
    stored = {"spec": {"containers": [{"name": "a", "image": "y"}, {"name": "c"}]}}
    rest = {"method": "PATCH", "path": "/api/v1/namespaces/a/pods/b", "status": 200}
    strategic = made(patch, stored, kind="application/strategic-merge-patch+json", **rest)
    assert strategic == [("changed", "spec.containers[a].image")]


def test_list_of_a_merge_patch_is_the_whole_list() -> None:
    patch = {"spec": {"containers": [{"name": "a"}]}}
    stored = {"spec": {"containers": [{"name": "a"}, {"name": "c"}], "other": 1}}
    rest = {"method": "PATCH", "path": "/api/v1/namespaces/a/pods/b", "status": 200}
    assert made(patch, stored, kind="application/merge-patch+json", **rest) == [("added", "spec.containers[c]")]


def test_field_that_a_patch_takes_away_and_that_is_back_is_shown() -> None:
    rest = {"method": "PATCH", "path": "/api/v1/namespaces/a/pods/b", "status": 200}
    patch = {"spec": {"priority": None, "gone": None}}
    found = made(patch, {"spec": {"priority": 0}}, kind="application/merge-patch+json", **rest)
    assert found == [("changed", "spec.priority")]


def test_value_that_a_later_operation_of_a_json_patch_replaces_is_not_compared() -> None:
    operations = [
        {"op": "add", "path": "/spec/a", "value": 1},
        {"op": "replace", "path": "/spec/a", "value": 2},
        {"op": "add", "path": "/spec/b", "value": {"c": 1}},
        {"op": "remove", "path": "/spec/b/c"},
        {"op": "add", "path": "/spec/containers/0/image", "value": "x"},
        {"op": "add", "path": "/spec/e~1f", "value": 3},
    ]
    stored = {"spec": {"a": 2, "b": {}, "containers": [{"image": "y"}], "e/f": 4}}
    rest = {"method": "PATCH", "path": "/api/v1/namespaces/a/pods/b", "status": 200}
    assert made(operations, stored, kind="application/json-patch+json", **rest) == [("changed", "spec[e/f]")]


@pytest.mark.parametrize(
    "exchange",
    [
        written({"a": 1}, {"kind": "Status"}),
        written({"a": 1}, {"kind": "Table"}),
        written({"a": 1}, {"kind": "Pod"}, status=422),
        written({"a": 1}, {"kind": "Pod"}, method="DELETE"),
        written({"a": 1}, {"kind": "Pod"}, path="/api/v1/namespaces/a/pods/b/eviction"),
        written({"a": 1}, {"kind": "Pod"}, path="/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
        written({"kind": "Eviction"}, {"kind": "Pod"}),
        written(b"k8s\x00\n", {"kind": "Pod"}, kind="application/vnd.kubernetes.protobuf"),
        written(b"a: &a [1]\nb: *a\n", {"kind": "Pod"}, kind="application/apply-patch+yaml", method="PATCH"),
        written([1], {"kind": "Pod"}),
        written({"a": 1}, [1]),
        replace(written({"a": 1}, {"kind": "Pod"}), response=None),
    ],
)
def test_there_is_no_diff_without_two_objects(exchange: Exchange) -> None:
    assert admission_diff.of(exchange) is None


# Totality

keys = st.sampled_from(["kind", "metadata", "spec", "data", "stringData", "labels", "name", "containers", "env",
                        "value", "$patch", "protocol", "containerPort", "status", "a.b/c", "\x00"])  # fmt: skip
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("am1Kié.eT-", max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)


@steady
@given(
    sent=values | st.lists(st.fixed_dictionaries({"op": st.just("add"), "path": st.text("/a~01-"), "value": values})),
    stored=st.dictionaries(keys, values, max_size=5),
    kind=st.sampled_from(["application/json", "application/json-patch+json", "application/merge-patch+json",
                          "application/strategic-merge-patch+json", "application/apply-patch+yaml"]),
)  # fmt: skip
def test_diff_is_total(sent: Any, stored: dict[str, Any], kind: str) -> None:
    found = admission_diff.of(written(sent, {**stored, "kind": "Secret"}, kind=kind, method="PATCH", status=200))
    if found is not None:
        assert "\n" not in found.summary
        json.dumps(json_report.admission_object(found))


@steady
@given(value=values)
def test_nothing_differs_from_itself(value: Any) -> None:
    # NaN, which no JSON has, is not equal to itself.
    same = json.loads(json.dumps(value).replace("NaN", "0").replace("Infinity", "0"))
    assert object_diff.differences(same, same) == ()


def test_what_is_nested_too_deep_has_no_diff() -> None:
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
    other = b'{"kind":"Pod","a":' + b'{"a":' * 4999 + b"2" + b"}" * 5000
    exchange = written(deep, {})
    assert exchange.response is not None
    exchange = replace(exchange, response=replace(exchange.response, body=other))
    assert admission_diff.of(exchange) is None
