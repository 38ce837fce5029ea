"""What goes on until it is ended, or until something comes true, prints the same through mitmkube and ends the same."""

from __future__ import annotations

import re
import signal
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.cluster.api import wait_until
from tests.cluster.cluster import Cluster, free_ports
from tests.cluster.fidelity import Side, Sides
from tests.cluster.going import Going
from tests.cluster.kubectl import Kubectl
from tests.cluster.masking import ALWAYS, MADE_APART

SECONDS = 60
MERGE = {"Content-Type": "application/merge-patch+json"}

type Act = Callable[[Side, Going], object]


@pytest.fixture
def furnished(cluster: Cluster, namespaces: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Two namespaces with the same in them."""
    for name in namespaces:
        path = f"/api/v1/namespaces/{name}/configmaps"
        cluster.arrange("POST", path, {"metadata": {"name": "watched", "finalizers": ["a.example/b"]}})
        cluster.run_pod(name, "talking")
    yield namespaces
    for name in namespaces:
        path = f"/api/v1/namespaces/{name}/configmaps/watched"
        cluster.call("PATCH", path, {"metadata": {"finalizers": None}}, headers=MERGE)


@pytest.fixture
def play(cluster: Cluster, furnished: tuple[str, str], tmp_path: Path) -> Callable[..., list[str]]:
    """``play(command, act, ends)``: what differs when ``act`` is done beside the command, which ``ends`` by that."""
    user = cluster.identities.stanza("admin")
    sides = Sides(cluster, tmp_path, user=user, namespaces=furnished, masks={**MADE_APART, **ALWAYS})

    def both(command: Sequence[str], act: Act, ends: int = 0) -> list[str]:
        outcomes = []
        for side in (sides.direct, sides.through):
            going = Going(side, command)
            try:
                act(side, going)
            except BaseException:
                going.end(signal.SIGKILL)
                raise
            outcomes.append(going.end(ends))
        return sides.compare(" ".join(command), (outcomes[0], outcomes[1]))

    return both


@pytest.fixture
def free_port() -> int:
    return free_ports(1)[0]


def patch(cluster: Cluster, namespace: str, change: object) -> None:
    cluster.arrange("PATCH", f"/api/v1/namespaces/{namespace}/configmaps/watched", change, headers=MERGE)


def watchers(cluster: Cluster) -> int:
    """How many watches of a namespace's ConfigMaps, or of one of them, are open."""
    lines = cluster.call("GET", "/metrics").text.splitlines()
    open_now = [line for line in lines if re.match(r"apiserver_longrunning_requests{.*verb=\"WATCH\"", line)]
    return sum(
        int(float(line.split()[-1]))
        for line in open_now
        if 'resource="configmaps"' in line and re.search(r'scope="(namespace|resource)"', line)
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda one: one.name)
def test_watch_prints_the_same_and_is_ended_by_the_same_signal(
    cluster: Cluster, kubectl_of_three: Kubectl, play: Callable[..., list[str]], number: int
) -> None:
    def act(side: Side, going: Going) -> None:
        going.until("watched")
        patch(cluster, side.namespace, {"data": {"a": "b"}})
        going.until(r"watched +1")

    assert play([str(kubectl_of_three.path), "get", "configmap", "watched", "-w"], act, number) == []


@pytest.mark.parametrize(
    "form",
    [["--watch-only"], ["-w", "-o", "yaml"], ["-w", "--output-watch-events", "-o", "json"], ["-w", "-o", "name"]],
    ids=" ".join,
)
def test_watch_prints_the_same_in_every_form(
    cluster: Cluster, kubectl: Kubectl, play: Callable[..., list[str]], form: list[str]
) -> None:
    def act(side: Side, going: Going) -> None:
        wait_until("it watches", lambda: watchers(cluster) > before)
        for number in range(3):
            patch(cluster, side.namespace, {"data": {f"key-{number}": "value"}})
            going.until(rf"(?s)(key-{number}|watched +{number + 1}|(configmap/watched.*){{{number + 2}}})")

    before = watchers(cluster)
    assert play([str(kubectl.path), "get", "configmap", "watched", *form], act, signal.SIGTERM) == []


def test_command_that_waits_ends_when_it_comes_true(
    cluster: Cluster, kubectl: Kubectl, play: Callable[..., list[str]]
) -> None:
    def act(side: Side, going: Going) -> None:
        wait_until("it watches", lambda: watchers(cluster) > before)
        patch(cluster, side.namespace, {"data": {"a": "b"}})
        going.end()

    before = watchers(cluster)
    command = [str(kubectl.path), "wait", "--for=jsonpath={.data.a}=b", "configmap/watched"]
    assert play(command, act) == []


def test_deletion_waits_until_the_object_is_gone(
    cluster: Cluster, kubectl: Kubectl, play: Callable[..., list[str]]
) -> None:
    def act(side: Side, going: Going) -> None:
        going.until("deleted")
        patch(cluster, side.namespace, {"metadata": {"finalizers": None}})
        going.end()

    assert play([str(kubectl.path), "delete", "configmap", "watched"], act) == []


def test_log_that_is_followed_prints_the_same(kubectl_of_three: Kubectl, play: Callable[..., list[str]]) -> None:
    command = [str(kubectl_of_three.path), "logs", "-f", "talking", "--timestamps"]
    assert play(command, lambda _, going: going.until("line 5"), signal.SIGTERM) == []


def test_terminal_that_is_attached_prints_the_same(
    cluster: Cluster, kubectl_of_three: Kubectl, play: Callable[..., list[str]]
) -> None:
    """It shows what the container says from then on, so it ends before it says anything of its own accord."""
    command = [str(kubectl_of_three.path), "attach", "talking", "--pod-running-timeout=30s"]

    def act(side: Side, going: Going) -> None:
        def attached() -> bool:
            lines = cluster.call("GET", "/metrics").text.splitlines()
            return any(
                re.match(r'apiserver_longrunning_requests{.*subresource="attach".* [1-9]', line) for line in lines
            )

        wait_until("it is attached", attached)

    assert play(command, act, signal.SIGTERM) == []


def test_forwarded_port_prints_and_passes_the_same(
    kubectl_of_three: Kubectl, play: Callable[..., list[str]], pod_port: bytes, free_port: int
) -> None:
    command = [str(kubectl_of_three.path), "port-forward", "pod/talking", "--address=127.0.0.1", f"{free_port}:80"]

    def act(side: Side, going: Going) -> None:
        going.until("Forwarding from")
        for _ in range(2):
            with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/", timeout=SECONDS) as answer:
                assert answer.read() == pod_port

    assert play(command, act, signal.SIGINT) == []


def test_kubectl_proxy_prints_and_passes_the_same(
    kubectl: Kubectl, play: Callable[..., list[str]], free_port: int
) -> None:
    pages = []

    def act(side: Side, going: Going) -> None:
        going.until("Starting to serve")
        with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/api/v1/namespaces/default", timeout=SECONDS) as page:
            pages.append(page.read())

    assert play([str(kubectl.path), "proxy", f"--port={free_port}"], act, signal.SIGTERM) == []
    assert pages[0] == pages[1]
