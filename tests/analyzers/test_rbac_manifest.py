"""Roles as YAML that says the same to every reader, whatever names the traffic had."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers import rbac_manifest
from analyzers.attributes import Attributes
from analyzers.rbac_manifest import Subject
from analyzers.rbac_rules import PolicyRule, Role, roles

LIST_PODS = Attributes(user="jane", verb="list", resource="pods", namespace="prod")
GET_METRICS = Attributes(user="jane", verb="get", path="/metrics")
JANE = Subject.of("jane")


def read(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


def test_role_and_binding_are_what_the_api_server_takes() -> None:
    text = rbac_manifest.compact(roles([LIST_PODS]), JANE, "jane-1")
    metadata = {"name": "jane-1", "namespace": "prod"}
    assert read(text) == [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "jane-1"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}],
        },
    ]


def test_path_is_a_clusterrole_without_a_namespace() -> None:
    role, binding = read(rbac_manifest.compact(roles([GET_METRICS]), JANE, "jane-1"))
    assert role["kind"], binding["kind"] == ("ClusterRole", "ClusterRoleBinding")
    assert role["metadata"] == {"name": "jane-1"}
    assert role["rules"] == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]


def test_compact_rule_is_one_line_with_its_comment_behind() -> None:
    text = rbac_manifest.compact(roles([LIST_PODS]), JANE, "n", lambda *_: ["request 3"])
    assert '- {apiGroups: [""], resources: [pods], verbs: [list]}  # request 3' in text.splitlines()


def test_commented_says_before_a_rule_what_it_is_for() -> None:
    lines = rbac_manifest.commented(roles([LIST_PODS]), JANE, "n", lambda *_: ["list pods"], ["Title"]).splitlines()
    assert lines[0] == "# Title"
    assert lines[lines.index("# list pods") + 1] == '- apiGroups: [""]'


def test_nobody_is_bound_where_nobody_is_known() -> None:
    (role,) = read(rbac_manifest.commented(roles([LIST_PODS]), None, "n", lambda *_: [], []))
    assert role["kind"] == "Role"


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("jane", {"kind": "User", "apiGroup": rbac_manifest.API_GROUP, "name": "jane"}),
        ("system:serviceaccount:ci:deployer", {"kind": "ServiceAccount", "name": "deployer", "namespace": "ci"}),
        ("system:serviceaccount:ci:a b", {"kind": "User", "apiGroup": rbac_manifest.API_GROUP,
                                          "name": "system:serviceaccount:ci:a b"}),
        ("https://issuer.example#jane", {"kind": "User", "apiGroup": rbac_manifest.API_GROUP,
                                         "name": "https://issuer.example#jane"}),
        ("", {"kind": "User", "apiGroup": rbac_manifest.API_GROUP, "name": "USER"}),
    ],
)  # fmt: skip
def test_user_becomes_the_subject_that_is_them(user: str, subject: dict[str, str]) -> None:
    assert rbac_manifest.subject_object(Subject.of(user)) == subject


def test_group_is_bound_as_one() -> None:
    assert rbac_manifest.subject_object(Subject(kind="Group", name="dev"))["kind"] == "Group"


def test_name_differs_with_what_is_granted_and_to_whom() -> None:
    names = {
        rbac_manifest.default_name(roles(asked), Subject.of(user))
        for asked in ([LIST_PODS], [GET_METRICS], [LIST_PODS, GET_METRICS])
        for user in ("jane", "JANE", "system:serviceaccount:a:jane", "system:serviceaccount:b:jane")
    }
    assert len(names) == 12
    assert all(name.startswith("jane-") for name in names)


@settings(deadline=None)
@given(st.text())
def test_name_is_a_path_segment_whatever_the_user_is_called(user: str) -> None:
    name = rbac_manifest.default_name(roles([LIST_PODS]), Subject.of(user))
    assert 0 < len(name) <= 63
    assert name == rbac_manifest.slug(name)
    assert not set("/%") & set(name)


# Numbers, dates and booleans in YAML 1.1, in YAML 1.2, or in Go's reading of either.
LOOKALIKES = [
    "1e3", "1E3", "0x1F", "0o17", "017", "1_000", "12:30:45", "2026-01-31", ".5", ".inf", "~", "null", "y", "N", "on",
    "No", "true", "=", "<<", "123e4567", "-", "--- ", "...", "# x", "a: b", "&a", "*a", "!x", "@x", "\u2028", "\x85",
    "a\nEOF\nb", "'", '"', "a\tb", "\u202eabc",
]  # fmt: skip


@pytest.mark.parametrize("name", LOOKALIKES)
def test_name_that_looks_like_something_else_is_quoted(name: str) -> None:
    rule = PolicyRule(verbs=("get",), groups=("",), resources=("pods",), names=(name,))
    text = rbac_manifest.compact([Role(namespace="prod", rules=(rule,))], JANE, "n")
    line = next(line for line in text.splitlines() if line.startswith("- "))
    assert re.search(r"resourceNames: \[[\"']", line)


text_of_any_kind = st.text() | st.sampled_from([*LOOKALIKES, "EOF"])


@settings(deadline=None)
@given(st.lists(text_of_any_kind, min_size=1, max_size=20), text_of_any_kind, text_of_any_kind, text_of_any_kind)
def test_no_name_and_no_comment_leaves_its_place(names: list[str], namespace: str, user: str, comment: str) -> None:
    rule = PolicyRule(verbs=("get",), groups=("",), resources=("pods",), names=tuple(names))
    granted = [Role(namespace=namespace, rules=(rule,))]
    subject = Subject(kind="User", name=user)
    compact = rbac_manifest.compact(granted, subject, "n", lambda *_: [comment])
    whole = rbac_manifest.commented(granted, subject, "n", lambda *_: [comment, comment], [comment])
    assert read(compact) == read(whole)
    assert compact.isascii()
    assert whole.isascii()
    assert read(compact)[0]["rules"][0]["resourceNames"] == names
    assert read(compact)[1]["subjects"][0]["name"] == user
    assert (
        len(compact.splitlines()) == 5 + 1 + 5
    )  # no more lines than documents have, so none that ends a here-document
    assert "EOF" not in compact.splitlines()
