"""Rules allow each question they were made for and no other, by the API server's own way of reading a rule."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers import rbac_rules
from analyzers.attributes import Attributes
from analyzers.rbac_rules import PolicyRule, Role

VERBS = ("get", "list", "watch", "create", "patch", "deletecollection")
GROUPS = ("", "apps")
RESOURCES = (("pods", ""), ("pods", "log"), ("pods", "exec"), ("deployments", ""), ("namespaces", ""))
NAMES = ("", "web", "db")
NAMESPACES = ("", "prod", "dev")
PATHS = ("/metrics", "/metrics/slis", "/logs/")

EVERYTHING = tuple(
    Attributes(verb=verb, group=group, resource=resource, subresource=subresource, name=name, namespace=namespace)
    for verb in VERBS
    for group in GROUPS
    for resource, subresource in RESOURCES
    for name in NAMES
    for namespace in NAMESPACES
    # The API server reads a namespace's name as its namespace, and never one without the other.
    if not (resource == "namespaces" and (group or namespace != name))
) + tuple(Attributes(verb=verb, path=path) for verb in ("get", "post") for path in PATHS)


def rule_allows(asked: Attributes, rule: PolicyRule) -> bool:
    """RuleAllows of k8s.io/kubernetes, plugin/pkg/auth/authorizer/rbac/rbac.go (1.36), with its Matches functions."""
    if asked.verb not in rule.verbs and "*" not in rule.verbs:
        return False
    if asked.path:
        return any(
            url in ("*", asked.path) or (url.endswith("*") and asked.path.startswith(url.rstrip("*")))
            for url in rule.paths
        )
    if asked.group not in rule.groups and "*" not in rule.groups:
        return False
    combined = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    wanted = {"*", combined} | ({f"*/{asked.subresource}"} if asked.subresource else set())
    return bool(wanted & set(rule.resources)) and (not rule.names or asked.name in rule.names)


def authorizes(roles: tuple[Role, ...], asked: Attributes) -> bool:
    """VisitRulesFor: cluster roles count everywhere, roles in their own namespace."""
    return any(
        rule_allows(asked, rule) for role in roles if role.namespace in ("", asked.namespace) for rule in role.rules
    )


def expected(granted: tuple[Attributes, ...], asked: Attributes) -> bool:
    """Whether one of the questions, taken by itself, is this one or covers it."""
    for one in granted:
        verbs = {"get", "create"} if one.subresource == "exec" and one.verb in ("get", "create") else {one.verb}
        if asked.verb not in verbs:
            continue
        if one.path or asked.path:
            if one.path == asked.path:
                return True
            continue
        same = (one.group, one.resource, one.subresource) == (asked.group, asked.resource, asked.subresource)
        within = one.namespace in ("", asked.namespace)
        any_name = not one.name or one.verb == "deletecollection"
        if same and within and (any_name or one.name == asked.name):
            return True
    return False


@settings(deadline=None)
@given(st.lists(st.sampled_from(EVERYTHING), max_size=12))
def test_roles_allow_every_question_and_none_beside_them(asked: list[Attributes]) -> None:
    roles = rbac_rules.roles(asked)
    assert all(authorizes(roles, one) for one in asked)
    wrong = [one for one in EVERYTHING if authorizes(roles, one) != expected(tuple(asked), one)]
    assert wrong == []


@settings(deadline=None)
@given(st.lists(st.sampled_from(EVERYTHING), max_size=8), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(asked: list[Attributes], shuffle: object) -> None:
    again = [*asked, *asked]
    shuffle.shuffle(again)  # type: ignore[attr-defined]
    assert rbac_rules.roles(again) == rbac_rules.roles(asked)


@settings(deadline=None)
@given(st.lists(st.sampled_from(EVERYTHING), max_size=12))
def test_no_rule_can_be_left_out(asked: list[Attributes]) -> None:
    roles = rbac_rules.roles(asked)
    allowed = [one for one in EVERYTHING if authorizes(roles, one)]
    for place, role in enumerate(roles):
        for at in range(len(role.rules)):
            fewer = replace(role, rules=role.rules[:at] + role.rules[at + 1 :])
            rest = (*roles[:place], fewer, *roles[place + 1 :])
            assert not all(authorizes(rest, one) for one in allowed)


def pods(verb: str, **other: str) -> Attributes:
    return Attributes(**{"verb": verb, "resource": "pods", "namespace": "prod", **other})


def test_verbs_of_one_resource_are_one_rule() -> None:
    (role,) = rbac_rules.roles([pods("watch"), pods("list"), pods("get")])
    assert role.rules == (PolicyRule(verbs=("get", "list", "watch"), groups=("",), resources=("pods",)),)


def test_resources_with_the_same_verbs_are_one_rule() -> None:
    (role,) = rbac_rules.roles([pods("list"), pods("list", resource="services")])
    assert role.rules == (PolicyRule(verbs=("list",), groups=("",), resources=("pods", "services")),)


def test_resources_with_other_verbs_stay_apart() -> None:
    (role,) = rbac_rules.roles([pods("list"), pods("get", resource="services")])
    assert [(rule.resources, rule.verbs) for rule in role.rules] == [(("pods",), ("list",)), (("services",), ("get",))]


def test_groups_are_joined_only_for_the_same_resources() -> None:
    asked = [pods("list", resource="events"), pods("list", resource="events", group="events.k8s.io")]
    assert len(rbac_rules.roles(asked)[0].rules) == 1
    assert len(rbac_rules.roles([*asked, pods("list", resource="deployments", group="apps")])[0].rules) == 2


def test_name_is_dropped_where_every_name_is_allowed() -> None:
    (role,) = rbac_rules.roles([pods("get", name="web"), pods("get"), pods("delete", name="web")])
    assert [(rule.names, rule.verbs) for rule in role.rules] == [((), ("get",)), (("web",), ("delete",))]


def test_what_is_allowed_everywhere_needs_no_role_in_a_namespace() -> None:
    (role,) = rbac_rules.roles([pods("list"), pods("list", namespace="")])
    assert role.kind == "ClusterRole"


def test_each_namespace_has_a_role_and_the_cluster_one() -> None:
    roles = rbac_rules.roles([pods("list"), pods("list", namespace="dev"), Attributes(verb="get", path="/metrics")])
    assert [role.namespace for role in roles] == ["", "dev", "prod"]


def test_namespace_is_granted_by_a_clusterrole_that_names_it() -> None:
    (role,) = rbac_rules.roles([Attributes(verb="get", resource="namespaces", namespace="prod", name="prod")])
    assert role.kind == "ClusterRole"
    assert role.rules[0].names == ("prod",)


@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward"])
@pytest.mark.parametrize("verb", ["get", "create"])
def test_upgrade_needs_both_verbs(subresource: str, verb: str) -> None:
    (role,) = rbac_rules.roles([pods(verb, subresource=subresource, name="web")])
    assert role.rules[0].verbs == ("get", "create")


@pytest.mark.parametrize(
    "asked",
    [
        pods("*"),
        pods("get", resource="*"),
        pods("get", group="*"),
        pods("get", resource="*", subresource="exec"),
        pods("get", subresource="*"),
        Attributes(verb="get", path="/*"),
        Attributes(verb="get", path="*"),
        pods(""),
        pods("list", user="system:anonymous"),
        pods("get", user="system:node:n1"),
        pods("impersonate-on:user-info:list"),
        Attributes(verb="impersonate:user-info", group="authentication.k8s.io", resource="users", name="bob"),
    ],
)
def test_what_no_rule_grants_exactly_is_left_out_with_a_reason(asked: Attributes) -> None:
    assert rbac_rules.why_not(asked)
    assert rbac_rules.roles([asked]) == ()


def test_star_in_the_middle_of_a_path_and_in_a_name_is_no_wildcard() -> None:
    assert rbac_rules.why_not(Attributes(verb="get", path="/a*b")) == ""
    assert rbac_rules.why_not(pods("get", name="*")) == ""
