"""Two states of one object, field by field, under the names of managed fields."""

from __future__ import annotations

from typing import Any

from analyzers.changed_fields import Changed, changed_fields


def pod(**container: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", **container}, {"name": "d"}]}}


def paths(*found: Changed) -> list[str]:
    return [one.path for one in found]


def test_numbers_and_truth_values_are_shown_and_other_values_are_not() -> None:
    first = {"spec": {"replicas": 1, "paused": False, "x": "a"}}
    second = {"spec": {"replicas": 2, "paused": True, "x": "b"}}
    assert changed_fields(first, second) == (
        Changed(".spec.replicas", "1", "2"),
        Changed(".spec.paused", "false", "true"),
        Changed(".spec.x", "", ""),
    )


def test_items_of_a_list_are_known_by_their_key_whatever_their_order() -> None:
    first, second = pod(image="a"), pod(image="b")
    second["spec"]["containers"].reverse()
    assert paths(*changed_fields(first, second)) == ['.spec.containers[name="c"].image']


def test_ports_are_known_by_number_and_protocol() -> None:
    port = {"containerPort": 80, "protocol": "TCP"}
    first, second = pod(ports=[port]), pod(ports=[{**port, "hostPort": 8080}])
    path = '.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"].hostPort'
    assert changed_fields(first, second) == (Changed(path, "absent", "8080"),)


def test_field_that_one_side_lacks_is_absent() -> None:
    assert changed_fields({"a": 1}, {}) == (Changed(".a", "1", "absent"),)


def test_patch_is_compared_by_what_it_holds() -> None:
    assert changed_fields({"spec": {"replicas": 1}}, {"spec": {"replicas": 1, "paused": True}}, only_sent=True) == ()


def test_what_the_server_keeps_about_an_object_is_no_change() -> None:
    one = {"metadata": {"resourceVersion": "1", "generation": 1, "managedFields": [{"manager": "a"}]}}
    other = {"metadata": {"resourceVersion": "2", "generation": 2, "managedFields": [{"manager": "b"}]}}
    assert changed_fields(one, other) == ()


def test_status_is_left_out_where_it_is_not_written() -> None:
    assert changed_fields({"status": {"a": 1}}, {"status": {"a": 2}}, status=False) == ()


def test_what_is_nested_too_deep_is_not_compared() -> None:
    one: dict[str, Any] = {"a": 1}
    other: dict[str, Any] = {"a": 2}
    for _ in range(5000):
        one, other = {"a": one}, {"a": other}
    assert changed_fields(one, other) == ()
