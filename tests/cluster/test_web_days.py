"""``mitmkube web`` in front of a real API server that goes and comes back, and of credentials that are renewed."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster import pki
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import OwnCluster
from tests.cluster.kubectl import Kubectl
from tests.mitmkube.commands import SECONDS, Place, Web, free_ports, web

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def own(own_cluster: OwnCluster) -> Cluster:
    return own_cluster()


@pytest.fixture
def running(own: Cluster, tmp_path: Path) -> Iterator[Web]:
    """web for a copy of the admin's kubeconfig."""
    config = tmp_path / "kubeconfig"
    config.write_bytes(own.kubeconfig("admin").read_bytes())
    proxy, page = free_ports(2)
    with web(Place.make(tmp_path, config), "--port", proxy, "--web-port", page) as started:
        yield started


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def direct(running: Web, *command: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(word) for word in command], env=running.place.environ, capture_output=True, timeout=SECONDS, check=False
    )


def printed(done: subprocess.CompletedProcess[bytes]) -> tuple[int, bytes, bytes]:
    return done.returncode, done.stdout, done.stderr


@contextlib.contextmanager
def started(running: Web, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that goes on, ended with the block."""
    with subprocess.Popen(
        command, env=running.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_api_server_that_was_restarted_is_reached_again(own: Cluster, running: Web, kubectl: Kubectl) -> None:
    program = str(kubectl.path)
    get, down = ((program, "get", "--raw", path) for path in ("/api/v1/namespaces/default", "/version"))
    watch = (program, "get", "--raw", f"{CONFIGMAPS}?watch=true")
    assert running.run(*get).returncode == 0
    with started(running, *watch) as watching:
        until(lambda: b"watch=true" in running.get("/flows")[1], "the watch")
        own.apiserver.kill()
        watching.wait(SECONDS)
        assert printed(running.run(*down)) == printed(direct(running, *down))
        assert running.run(*down).returncode == 1
    own.restart_apiserver()
    assert running.run(*get).returncode == 0
    with started(running, *watch) as watching:
        own.arrange("POST", CONFIGMAPS, {"metadata": {"name": "after"}})
        assert watching.stdout is not None
        while b'"after"' not in (line := watching.stdout.readline()):
            assert line


def test_client_that_tries_again_by_itself_meets_the_server_that_came_back(
    own: Cluster, running: Web, kubectl: Kubectl
) -> None:
    get = f"'{kubectl.path}' get --raw {CONFIGMAPS}/awaited >/dev/null"
    with started(running, "sh", "-c", f"until {get}; do echo again; sleep 0.2; done; echo found") as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == b"again\n"
        own.apiserver.kill()
        for _ in range(3):
            assert waiting.stdout.readline() == b"again\n"
        own.restart_apiserver()
        own.arrange("POST", CONFIGMAPS, {"metadata": {"name": "awaited"}})
        while (line := waiting.stdout.readline()) == b"again\n":
            continue
        assert line == b"found\n"


def test_certificate_that_was_renewed_is_the_identity_at_once(own: Cluster, running: Web, kubectl: Kubectl) -> None:
    config = Path(running.place.environ["KUBECONFIG"])
    whoami = (str(kubectl.path), "create", "--raw", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "-f", "-")
    review = b'{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}'

    def name() -> bytes:
        return running.run(*whoami, input=review).stdout

    pair = own.identities.authority.issue("renewed-jane", ["system:masters"], usage=pki.CLIENT)
    certificate, key = pair.write(config.parent, "jane")
    document = yaml.safe_load(config.read_text())
    for user in document["users"]:
        user["user"] = {"client-certificate": certificate.name, "client-key": key.name}
    config.write_text(yaml.safe_dump(document))
    assert b'"username":"renewed-jane"' in name()
    again = own.identities.authority.issue("renewed-again", ["system:masters"], usage=pki.CLIENT)
    again.write(config.parent, "jane")
    assert b'"username":"renewed-again"' in name()


def test_cluster_that_moved_is_followed(own: Cluster, running: Web, kubectl: Kubectl) -> None:
    """Another address in the kubeconfig: what leads to the old one is refused, the new one works."""
    config = Path(running.place.environ["KUBECONFIG"])
    get = (str(kubectl.path), "get", "--raw", "/api/v1/namespaces/default")
    assert running.run(*get).returncode == 0
    config.write_text(config.read_text().replace("https://127.0.0.1:", "https://localhost:"))
    overlay = Path(running.exported.split(":")[0])
    until(lambda: "https://localhost:" in overlay.read_text(), "the new address in the overlay")
    assert running.run(*get).returncode == 0
    flow = running.flows(2)[-1]
    assert flow["request"]["host"] == "localhost"
