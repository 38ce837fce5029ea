"""Types that discovery showed, and the one that was perhaps meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzers import asked_types
from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange, Request, Response
from analyzers.output import text
from analyzers.readers import wire_text
from analyzers.served_types import ServedTypes, nearest_name

RECORDINGS = Path(__file__).parent / "sessions"


def recorded(name: str) -> tuple[Exchange, ...]:
    return wire_text.read((RECORDINGS / f"{name}.http").read_text("utf-8"))


def served() -> ServedTypes:
    return ServedTypes.of(recorded("misspelt_type"))


def discovery(path: str, body: bytes) -> Exchange:
    return Exchange(id=1, request=Request(method="GET", path=path), response=Response(status=200, body=body))


def told(command: str, *, exit_status: int = 1) -> str:
    story = Story.of(recorded("misspelt_type"), CommandInfo(argv=tuple(command.split()), exit_status=exit_status))
    return " ".join(text.render(story).split())


# What there is


@pytest.mark.parametrize(
    ("word", "full_name"),
    [
        ("pods", "pods"),
        ("po", "pods"),
        ("Pod", "pods"),
        ("deploy", "deployments.apps"),
        ("deployments.apps", "deployments.apps"),
        ("deployments.v1.apps", "deployments.apps"),
        ("ingresses.networking", "ingresses.networking.k8s.io"),
        ("no", "nodes"),
        ("leases.coordination.k8s.io", "leases.coordination.k8s.io"),
    ],
)
def test_type_is_found_by_what_kubectl_accepts(word: str, full_name: str) -> None:
    found = served().find(word)
    assert found is not None
    assert found.full_name == full_name


@pytest.mark.parametrize("word", ["deplyoments", "foos", "deployments.batch", "", "pods.apps"])
def test_other_words_are_no_type(word: str) -> None:
    assert served().find(word) is None


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("deplyoments", "deployments.apps"),
        ("depoyment", "deployments.apps"),
        ("configmap-s", "configmaps"),
        ("ingres", "ingresses.networking.k8s.io"),
        ("statefulset.app", "statefulsets.apps"),
        ("podd", "pods"),
    ],
)
def test_nearest_type_is_the_one_that_was_meant(word: str, nearest: str) -> None:
    assert served().nearest(word)[0].full_name == nearest


@pytest.mark.parametrize("word", ["foos", "virtualservices", "xyz", ""])
def test_nothing_is_near_to_what_is_another_word(word: str) -> None:
    assert served().nearest(word) == ()


def test_category_stands_for_several_types() -> None:
    assert served().is_category("all")
    assert not served().is_category("foos")


def test_types_of_one_version_are_read_too() -> None:
    body = (
        b'{"kind":"APIResourceList","groupVersion":"apps/v1","resources":[{"name":"deployments","singularName":'
        b'"deployment","namespaced":true,"kind":"Deployment","shortNames":["deploy"],"categories":["all"]},'
        b'{"name":"deployments/scale","kind":"Scale"}]}'
    )
    found = ServedTypes.of([discovery("/apis/apps/v1", body)])
    assert [one.full_name for one in found.types] == ["deployments.apps"]
    assert found.find("deploy") == found.types[0]


@pytest.mark.parametrize(
    "exchange",
    [
        discovery("/apis", b'{"kind":"APIGroupDiscoveryList","items":['),
        discovery(
            "/apis", b'{"kind":"APIGroupDiscoveryList","items":[1,{"versions":[{"resources":[null,{"resource":2}]}]}]}'
        ),
        discovery("/apis/a/v1", b'{"kind":"APIResourceList","groupVersion":3,"resources":{"name":1}}'),
        discovery("/api/v1/pods", b'{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"a"}]}'),
        discovery("/apis", b""),
    ],
)
def test_discovery_that_makes_no_sense_shows_no_types(exchange: Exchange) -> None:
    assert ServedTypes.of([exchange]).types == ()


@pytest.mark.parametrize(
    ("word", "known", "nearest"),
    [
        ("wbe", ("web", "db"), ("web",)),
        ("web", ("web-5d9c7b6f8-x2x9z", "webhook"), ("webhook", "web-5d9c7b6f8-x2x9z")),
        ("web", ("web",), ()),
        ("web", ("database", "cache"), ()),
    ],
)
def test_nearest_name(word: str, known: tuple[str, ...], nearest: tuple[str, ...]) -> None:
    assert nearest_name(word, known) == nearest


# What was asked for


@pytest.mark.parametrize(
    ("command", "types"),
    [
        ("kubectl get pods", ("pods",)),
        ("kubectl -n prod --context=dev get pods,svc web", ("pods", "svc")),
        ("/usr/bin/kubectl.1.33 get -o wide deploy/web svc/web", ("deploy", "svc")),
        ("kubectl get -l app=web -A pods", ("pods",)),
        ("kubectl describe deployments.apps web", ("deployments.apps",)),
        ("kubectl delete pod web --now", ("pod",)),
        ("kubectl rollout status deployment/web", ("deployment",)),
        ("kubectl set image deploy/web web=nginx:1", ("deploy",)),
        ("kubectl explain pods.spec.containers", ("pods",)),
        ("kubectl label pods web a=b", ("pods",)),
        ("kubectl scale --replicas 3 rs/web", ("rs",)),
        ("kubectl logs deploy/web", ("deploy",)),
        ("kubectl logs web", ()),
        ("kubectl apply -f web.yaml", ()),
        ("kubectl get -f web.yaml", ()),
        ("kubectl get --raw /api", ()),
        ("kubectl exec web -- get pods", ()),
        ("kubectl", ()),
        ("helm get values web", ()),
        ("", ()),
    ],
)
def test_types_in_a_command_line(command: str, types: tuple[str, ...]) -> None:
    assert asked_types.of(command.split()) == types


def test_report_names_the_type_that_is_missing_and_the_nearest() -> None:
    assert '"deplyoments" is none of the 67 types that discovery showed; did you mean deployments.apps?' in told(
        "kubectl get deplyoments"
    )


def test_report_says_so_where_nothing_is_near() -> None:
    assert '"foos" is none of the 67 types that discovery showed.' in told("kubectl get foos,pods")


@pytest.mark.parametrize("command", ["kubectl get pods", "kubectl get all", "kubectl get -f a.yaml", "sh -c kubectl"])
def test_report_blames_no_type_that_is_there(command: str) -> None:
    assert "types that discovery showed" not in told(command)


def test_command_that_succeeded_missed_no_type() -> None:
    assert "types that discovery showed" not in told("kubectl get foos", exit_status=0)


def test_without_discovery_nothing_is_said_of_types() -> None:
    story = Story.of((), CommandInfo(argv=("kubectl", "get", "foos"), exit_status=1))
    assert story.notes == ()
