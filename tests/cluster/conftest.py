"""The real cluster for every test below: started once, with who can ask and what to ask with."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import itertools
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests import har_schema
from tests.cluster import binaries, faults
from tests.cluster.cluster import Cluster
from tests.cluster.command import Outcome, run
from tests.cluster.explained import Explained
from tests.cluster.identities import Identity
from tests.cluster.kubectl import Kubectl, find_kubectls

HERE = Path(__file__).parent
IN_CI = os.environ.get("CI") == "true"
# One request that kubectl does not make: METHOD PATH.
RAW = (sys.executable, HERE / "raw_client.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``kubectl`` is the oldest and the newest there is, ``kubectl_of_three`` one between them too, ``every_kubectl``
    each of them."""
    for name in {"kubectl", "kubectl_of_three", "every_kubectl"} & set(metafunc.fixturenames):
        found = find_kubectls(binaries.built())
        between = {"kubectl": (), "kubectl_of_three": found[len(found) // 2 :][:1], "every_kubectl": found}[name]
        chosen = tuple(dict.fromkeys((*found[:1], *between, *found[-1:])))
        # An empty list would be a skip; this way the fixture below fails and says why.
        metafunc.parametrize(name, chosen or [None], ids=str, indirect=True)


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder with the cluster's programs. In CI they are built if need be; elsewhere that is make's business."""
    folder = binaries.built()
    if folder or IN_CI:
        return folder or binaries.binaries()
    pytest.skip("the cluster's programs are not built: make test-cluster builds them, once, in about ten minutes")


@pytest.fixture(scope="session")
def clients() -> Path:
    """The folder with helm and ``informers``, as ``programs`` is for the cluster."""
    folder = binaries.CLIENTS.built()
    if folder or IN_CI:
        return folder or binaries.CLIENTS.build()
    pytest.skip("the clients are not built: make test-cluster builds them, once, in about two minutes")


@pytest.fixture(scope="session")
def cluster(programs: Path) -> Iterator[Cluster]:
    """The cluster that tests share: leave it as you found it, and use namespaces of your own."""
    # faults.throttled lasts as long as the API server lets a request take.
    with Cluster(programs, apiserver_flags=["--request-timeout=10m"]) as started:
        yield started


@pytest.fixture(scope="session")
def fragile_cluster(programs: Path) -> Iterator[Cluster]:
    """A second one, without controllers and nodes, whose etcd may be broken. Requests time out after eight seconds:
    longer than /readyz takes to find out, and no longer than a test wants to wait."""
    with Cluster(programs, controllers=False, nodes=False, apiserver_flags=["--request-timeout=8s"]) as started:
        yield started


class OwnCluster(Protocol):
    """Starts a cluster for one test; the options are those of ``Cluster``."""

    def __call__(
        self, *, controllers: bool = False, nodes: bool = False, apiserver_flags: Sequence[str] = ()
    ) -> Cluster: ...


@pytest.fixture
def own_cluster(programs: Path) -> Iterator[OwnCluster]:
    """``own_cluster(...)`` starts a cluster that ends with the test."""
    with contextlib.ExitStack() as stack:

        def start(*, controllers: bool = False, nodes: bool = False, apiserver_flags: Sequence[str] = ()) -> Cluster:
            return stack.enter_context(
                Cluster(programs, controllers=controllers, nodes=nodes, apiserver_flags=apiserver_flags)
            )

        yield start


@pytest.fixture(scope="session")
def identities(cluster: Cluster) -> dict[str, Identity]:
    """Every identity of the shared cluster by name."""
    return cluster.identities.all


@pytest.fixture(scope="session")
def kubectls() -> tuple[Kubectl, ...]:
    """Every kubectl there is, oldest first."""
    found = find_kubectls(binaries.built())
    if len(found) < (binaries.KUBECTLS if IN_CI else 1):
        pytest.fail(f"the suite needs kubectl, in CI {binaries.KUBECTLS} versions, and found {len(found)}: {found}")
    return found


@pytest.fixture
def kubectl(request: pytest.FixtureRequest, kubectls: tuple[Kubectl, ...]) -> Kubectl:
    """The oldest and the newest kubectl in turn."""
    chosen: Kubectl = request.param
    return chosen


@pytest.fixture
def kubectl_of_three(request: pytest.FixtureRequest, kubectls: tuple[Kubectl, ...]) -> Kubectl:
    """The oldest kubectl, one in the middle and the newest in turn."""
    chosen: Kubectl = request.param
    return chosen


@pytest.fixture
def every_kubectl(request: pytest.FixtureRequest, kubectls: tuple[Kubectl, ...]) -> Kubectl:
    """Each kubectl in turn."""
    chosen: Kubectl = request.param
    return chosen


@pytest.fixture
def pod_port(cluster: Cluster) -> Iterator[bytes]:
    """What an HTTP server behind every pod's port answers with."""
    page = hashlib.shake_128(b"page").digest(400_000)

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", cluster.forward_port), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield page
        server.shutdown()


@pytest.fixture
def make_namespaces(cluster: Cluster) -> Iterator[Callable[[], tuple[str, str]]]:
    """``make_namespaces()``: two fresh ones with names of one length, for ``Sides``; nodes named after them go too."""
    with contextlib.ExitStack() as stack:

        def make() -> tuple[str, str]:
            direct = stack.enter_context(faults.namespace(cluster, "direct"))
            through = cluster.add_namespace(direct.replace("direct", "passed"))
            stack.callback(cluster.call, "DELETE", f"/api/v1/namespaces/{through}")
            for namespace in (direct, through):
                stack.callback(cluster.call, "DELETE", f"/api/v1/nodes/{namespace}")
            return direct, through

        yield make


@pytest.fixture
def namespaces(make_namespaces: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    """Two fresh ones, as ``make_namespaces`` makes them."""
    return make_namespaces()


class RunDirect(Protocol):
    """Runs kubectl straight to the cluster. ``identity`` is a name, or the path of another kubeconfig."""

    def __call__(
        self,
        kubectl: Kubectl,
        args: Sequence[str | Path],
        identity: str | Path = "admin",
        *,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        seconds: float = 120,
    ) -> Outcome: ...


class MitmkubeRun(Protocol):
    """Runs ``mitmkube run ARGS``: options of mitmkube, ``--``, and the command. The rest as in ``RunDirect``."""

    def __call__(
        self,
        args: Sequence[str | Path],
        identity: str | Path = "admin",
        *,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        seconds: float = 120,
    ) -> Outcome: ...


@pytest.fixture
def fresh_home(tmp_path: Path) -> Iterator[Path]:
    """``next(fresh_home)`` is an empty folder: a home, and with it a discovery cache, that nothing has used.

    Several threads may ask, which a generator would not bear.
    """

    def home(number: int) -> Path:
        folder = tmp_path / f"home-{number}"
        folder.mkdir(mode=0o700)
        return folder

    return map(home, itertools.count(1))


@pytest.fixture
def run_direct(request: pytest.FixtureRequest, fresh_home: Iterator[Path]) -> RunDirect:
    def direct(
        kubectl: Kubectl,
        args: Sequence[str | Path],
        identity: str | Path = "admin",
        *,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        seconds: float = 120,
    ) -> Outcome:
        return run(
            [kubectl.path, *args],
            home=next(fresh_home),
            kubeconfig=_kubeconfig(request, identity),
            env=env,
            stdin=stdin,
            seconds=seconds,
        )

    return direct


@pytest.fixture
def mitmkube_run(request: pytest.FixtureRequest, fresh_home: Iterator[Path]) -> MitmkubeRun:
    def through(
        args: Sequence[str | Path],
        identity: str | Path = "admin",
        *,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        seconds: float = 120,
    ) -> Outcome:
        outcome = run(
            [sys.executable, "-m", "mitmkube", "run", *args],
            home=next(fresh_home),
            kubeconfig=_kubeconfig(request, identity),
            env=env,
            stdin=stdin,
            seconds=seconds,
        )
        har_schema.check_written([str(argument) for argument in args], Path.cwd())
        return outcome

    return through


@dataclass(frozen=True, slots=True)
class Comparison:
    """One kubectl command, direct and through ``mitmkube run``, with what mitmkube reported as text and as JSON."""

    direct: Outcome
    through: Outcome
    report: str
    story: Any


class Compare(Protocol):
    """Runs kubectl straight to the cluster and then through mitmkube, each in a fresh home. As in ``RunDirect``."""

    def __call__(
        self,
        kubectl: Kubectl,
        args: Sequence[str | Path],
        identity: str | Path = "admin",
        *,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        seconds: float = 120,
    ) -> Comparison: ...


@pytest.fixture
def compare(run_direct: RunDirect, mitmkube_run: MitmkubeRun, tmp_path: Path) -> Compare:
    def both(
        kubectl: Kubectl,
        args: Sequence[str | Path],
        identity: str | Path = "admin",
        *,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        seconds: float = 120,
    ) -> Comparison:
        direct = run_direct(kubectl, args, identity, env=env, stdin=stdin, seconds=seconds)
        report, story = tmp_path / "report.txt", tmp_path / "report.json"
        outputs = [f"--report={report}", f"--json={story}"]
        command = [*outputs, "--", kubectl.path, *args]
        through = mitmkube_run(command, identity, env=env, stdin=stdin, seconds=seconds)
        return Comparison(direct, through, report.read_text(), json.loads(story.read_text()))

    return both


class Explain(Protocol):
    """Runs a command through mitmkube with all reports. ``program`` is a kubectl, the newest by default, or the first
    words of another command line, such as ``RAW``; ``options`` are mitmkube's. The rest as in ``RunDirect``."""

    def __call__(
        self,
        args: Sequence[str | Path],
        identity: str | Path = "admin",
        *,
        program: Kubectl | Sequence[str | Path] | None = None,
        options: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        seconds: float = 120,
    ) -> Explained: ...


@pytest.fixture
def explain(mitmkube_run: MitmkubeRun, kubectls: tuple[Kubectl, ...], fresh_home: Iterator[Path]) -> Explain:
    def explained(
        args: Sequence[str | Path],
        identity: str | Path = "admin",
        *,
        program: Kubectl | Sequence[str | Path] | None = None,
        options: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        seconds: float = 120,
    ) -> Explained:
        folder = next(fresh_home)
        report, story, har = (folder / name for name in ("report.txt", "report.json", "traffic.har"))
        outputs = [f"--report={report}", f"--json={story}", f"--har={har}", "--bodies", *options]
        program = program or kubectls[-1]
        words = [program.path] if isinstance(program, Kubectl) else program
        outcome = mitmkube_run([*outputs, "--", *words, *args], identity, env=env, stdin=stdin, seconds=seconds)
        documents = (json.loads(file.read_text()) for file in (story, har))
        found = Explained(outcome, report.read_text(), *documents)
        found.check_har()
        return found

    return explained


def _kubeconfig(request: pytest.FixtureRequest, identity: str | Path) -> Path:
    """The shared cluster is started only for who names one of its identities."""
    if isinstance(identity, Path):
        return identity
    shared: Cluster = request.getfixturevalue("cluster")
    return shared.kubeconfig(identity)
