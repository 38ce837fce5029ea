"""The authorizer's refusals, in the words of servers of many ages."""

from __future__ import annotations

import pytest

from analyzers.attributes import Attributes, singular, unquote


def of(message: str, name: str = "") -> Attributes:
    found = Attributes.of_refusal(message, name)
    assert found is not None
    return found


def test_refusal_in_a_namespace_names_user_verb_and_resource() -> None:
    found = of('pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "prod"')
    assert found == Attributes(user="jane", verb="list", resource="pods", namespace="prod")


def test_refusal_at_the_cluster_scope_has_no_namespace() -> None:
    found = of('nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope')
    assert (found.resource, found.namespace) == ("nodes", "")


def test_subresource_is_split_from_its_resource() -> None:
    text = 'x is forbidden: User "j" cannot patch resource "deployments/scale" in API group "apps" in the namespace "p"'
    assert (of(text).resource, of(text).subresource, of(text).group) == ("deployments", "scale", "apps")


def test_path_is_no_resource() -> None:
    found = of('forbidden: User "jane" cannot get path "/metrics"')
    assert (found.verb, found.path, found.resource) == ("get", "/metrics", "")


def test_authorizers_reason_is_kept_with_its_newlines() -> None:
    text = (
        'User "j" cannot get resource "pods" in API group "" in the namespace "p": RBAC: role "x" not found\nand more'
    )
    assert of(text).reason == 'RBAC: role "x" not found\nand more'


@pytest.mark.parametrize(
    ("quoted", "user"),
    [
        (r"\"co\"", '"co"'),
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("https://login.example/#a: cannot list", "https://login.example/#a: cannot list"),
        (r"back\\slash", "back\\slash"),
        (r"caf\u00e9", "café"),
        ("arn:aws:sts::1:assumed-role/a/b@c.d", "arn:aws:sts::1:assumed-role/a/b@c.d"),
    ],
)
def test_user_may_hold_any_character(quoted: str, user: str) -> None:
    assert of(f'User "{quoted}" cannot list resource "pods" in API group "" at the cluster scope').user == user


def test_servers_before_1_12_leave_out_the_api_group() -> None:
    found = of('pods is forbidden: User "jane" cannot list deployments.extensions/scale in the namespace "prod"')
    assert (found.resource, found.group, found.subresource, found.namespace) == (
        "deployments",
        "extensions",
        "scale",
        "prod",
    )


def test_verbs_of_impersonation_hold_colons() -> None:
    text = 'User "j" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "dev"'
    assert of(text).verb == "impersonate-on:user-info:list"


@pytest.mark.parametrize(
    "message",
    [
        "",
        'pods "web" is forbidden: exceeded quota: compute',
        'user "jane" (groups=["dev"]) is attempting to grant RBAC permissions not currently held',
        'pods "web" is forbidden: ',
    ],
)
def test_other_refusals_are_none(message: str) -> None:
    assert Attributes.of_refusal(message) is None


@pytest.mark.parametrize(
    ("attributes", "phrase"),
    [
        (Attributes(verb="list", resource="pods", namespace="prod"), "list pods in namespace prod"),
        (Attributes(verb="list", resource="pods"), "list pods in all namespaces"),
        (Attributes(verb="list", resource="nodes"), "list nodes"),
        (
            Attributes(verb="get", resource="pods", subresource="log", name="web", namespace="prod"),
            "read the log of pod web in namespace prod",
        ),
        (
            Attributes(verb="create", resource="pods", subresource="exec", name="web", namespace="prod"),
            "exec into pod web in namespace prod",
        ),
        (
            Attributes(
                verb="patch", resource="deployments", group="apps", subresource="scale", name="web", namespace="p"
            ),
            "scale deployment web in namespace p",
        ),
        (
            Attributes(verb="get", resource="widgets", group="example.com", name="w", namespace="p"),
            "get widget.example.com w in namespace p",
        ),
        (Attributes(verb="deletecollection", resource="pods", namespace="p"), "delete all pods in namespace p"),
        (Attributes(verb="get", resource="namespaces", name="dev", namespace="dev"), "get namespace dev"),
        (Attributes(verb="get", path="/metrics"), "get the path /metrics"),
        (
            Attributes(verb="update", resource="pods", subresource="frob", name="w", namespace="p"),
            "update the frob of pod w in namespace p",
        ),
    ],
)
def test_phrase_is_what_a_person_would_say(attributes: Attributes, phrase: str) -> None:
    assert attributes.phrase == phrase


@pytest.mark.parametrize(
    ("plural", "one"),
    [("pods", "pod"), ("ingresses", "ingress"), ("networkpolicies", "networkpolicy"), ("endpoints", "endpoints")],
)
def test_singular_undoes_the_plural(plural: str, one: str) -> None:
    assert singular(plural) == one


@pytest.mark.parametrize("text", ["", '"', "plain", '"\\x"', '"\\u12"'])
def test_unquote_never_raises(text: str) -> None:
    assert isinstance(unquote(text), str)
