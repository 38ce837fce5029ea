"""Streams pass: watches, logs, exec, attach, cp and port-forward, with every kubectl; a dead peer is noticed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster import faults, pki
from tests.cluster.cluster import Cluster
from tests.cluster.command import environment
from tests.cluster.conftest import Compare, MitmkubeRun
from tests.cluster.kubectl import Kubectl

SECONDS = 30


class Running:
    """A command through mitmkube that goes on until ``end``."""

    def __init__(self, process: subprocess.Popen[bytes], report: Path) -> None:
        self.process = process
        self._report = report
        self._seen = b""

    def line(self) -> str:
        """The next line of its stdout; fails when none comes."""
        assert self.process.stdout is not None
        while b"\n" not in self._seen:
            ready, _, _ = select.select([self.process.stdout], [], [], SECONDS)
            assert ready, f"nothing came within {SECONDS} s"
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, "it has ended"
            self._seen += data
        line, _, self._seen = self._seen.partition(b"\n")
        return line.decode()

    def waits(self, seconds: float) -> bool:
        """Whether there is output to read within that time; fails when the command has ended."""
        assert self.process.poll() is None
        assert self.process.stdout is not None
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def end(self, number: int = signal.SIGTERM) -> str:
        """Send a signal to mitmkube, which passes it on; what it then reported."""
        assert self.process.poll() is None
        self.process.send_signal(number)
        self.process.wait(SECONDS)
        return self._report.read_text()


type Start = Callable[..., Running]


@pytest.fixture
def start(cluster: Cluster, fresh_home: Iterator[Path], tmp_path: Path) -> Iterator[Start]:
    with contextlib.ExitStack() as started:

        def begin(*command: str | Path, identity: str = "admin") -> Running:
            report = tmp_path / "report"
            process = subprocess.Popen(
                [sys.executable, "-m", "mitmkube", "run", f"--report={report}", "--", *command],
                env=environment(next(fresh_home), cluster.kubeconfig(identity)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            )
            started.callback(_stop, process)
            return Running(process, report)

        yield begin


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        process.wait(SECONDS)
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[str]:
    with faults.namespace(cluster, "streams") as name:
        yield name


def add(cluster: Cluster, namespace: str, name: str, data: str = "") -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    cluster.arrange("POST", path, {"metadata": {"name": name}, "data": {"data": data}})


# A peer that is gone. It takes 45 s to notice, so it is begun first and looked at last.

_PEER = """\
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("peer.crt", "peer.key")
listener = socket.create_server(("192.0.2.2", 6443))
print("listening", flush=True)
kept = []
while True:
    connection = context.wrap_socket(listener.accept()[0], server_side=True)
    connection.recv(65536)
    event = b'{"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"first"}}}\\n'
    head = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
    connection.sendall(head + b"%x\\r\\n%s\\r\\n" % (len(event), event))
    kept.append(connection)
"""
_CUT = """\
set -e
mount -t tmpfs tmpfs /run
ip link set lo up
ip netns add peer
ip link add near type veth peer name far netns peer
ip addr add 192.0.2.1/24 dev near
ip link set near up
ip netns exec peer ip addr add 192.0.2.2/24 dev far
ip netns exec peer ip link set far up
ip netns exec peer "$PYTHON" peer.py > peer.out &
peer=$!
trap 'kill $peer' EXIT
until grep -q listening peer.out; do sleep 0.1; done
"$@" > out 2> err &
watch=$!
until grep -q first out; do sleep 0.1; done
ip netns exec peer ip link set far down
date +%s.%N > cut
wait $watch || true
date +%s.%N > ended
"""


@pytest.fixture(scope="module", autouse=True)
def cut_off(kubectls: tuple[Kubectl, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """The folder of a watch through mitmkube whose server's link was cut after the first event."""
    if sys.platform != "linux":
        yield None
        return
    folder = tmp_path_factory.mktemp("peer")
    authority = pki.Authority.create("mitmkube-test-ca")
    authority.issue("peer", usage=pki.SERVER, names=["192.0.2.2"]).write(folder, "peer")
    pki.write_private(folder / "ca.crt", authority.certificate_pem)
    (folder / "peer.py").write_text(_PEER)
    stanza = "{server: 'https://192.0.2.2:6443', certificate-authority: ca.crt}"
    (folder / "config").write_text(f"clusters: [{{name: c, cluster: {stanza}}}]\n")
    watch = [str(kubectls[-1].path), "--cluster=c", "--token=x", "get", "--raw", "/api/v1/configmaps?watch=1"]
    mitmkube = [sys.executable, "-m", "mitmkube", "run", f"--json={folder / 'json'}", "--", *watch]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--map-root-user", "--net", "--mount", "sh", "-c", _CUT, "cut", *mitmkube],
            env={**environment(folder, folder / "config"), "PYTHON": sys.executable, "PYTHONPATH": str(Path.cwd())},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield folder
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


# Watches and lists


def test_watch_event_arrives_at_once(cluster: Cluster, kubectl: Kubectl, start: Start, place: str) -> None:
    """Each is made only after the one before was seen, so that none can have waited for the next."""
    name = f"watched-{kubectl.version[1]}"
    path = f"/api/v1/namespaces/{place}/configmaps/{name}"
    add(cluster, place, name)
    selected = f"--field-selector=metadata.name={name}"
    watch = start(kubectl.path, "get", "configmaps", "-n", place, "-w", "-o", "name", selected)
    assert watch.line() == f"configmap/{name}"
    for number in range(3):
        patch = {"data": {"data": str(number)}}
        cluster.arrange("PATCH", path, patch, headers={"Content-Type": "application/merge-patch+json"})
        assert watch.line() == f"configmap/{name}"
    assert f"watch configmaps {name} in {place}" in watch.end()
    # kubectl catches the signal and ends by itself.
    assert watch.process.returncode == 1


def test_watch_that_the_server_ends_prints_the_same(
    cluster: Cluster, kubectl: Kubectl, compare: Compare, place: str
) -> None:
    path = f"/api/v1/namespaces/{place}/configmaps?watch=1&timeoutSeconds=1&resourceVersion=1"
    with faults.expired_resource_version(cluster) as expired:
        for watched in (expired.watch_path, path.replace("&resourceVersion=1", "&labelSelector=none")):
            outcome = compare(kubectl, ["get", "--raw", watched])
            assert outcome.through.masked == outcome.direct.masked
    assert outcome.through.status == 0


def test_long_list_is_the_same(cluster: Cluster, kubectl: Kubectl, compare: Compare) -> None:
    with faults.namespace(cluster, "long") as name:
        for number in range(6):
            add(cluster, name, f"long-{number}", hashlib.shake_128(bytes([number])).hexdigest(200_000))
        outcome = compare(kubectl, ["get", "configmaps", "-n", name, "-o", "json", "--chunk-size=0"])
    assert len(outcome.through.stdout) > 2_400_000
    assert outcome.through.masked == outcome.direct.masked


def test_wait_and_rollout_status_end_when_they_should(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], compare: Compare, start: Start
) -> None:
    with faults.namespace(cluster, "rollout") as name:
        container = {"name": "c", "image": "busybox"}
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"nodeName": "n0", "containers": [container]}}
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
        path = f"/apis/apps/v1/namespaces/{name}/deployments"
        cluster.arrange("POST", path, {"metadata": {"name": "web"}, "spec": spec})
        status = start(kubectls[-1].path, "rollout", "status", "deployment/web", "-n", name)
        assert status.process.wait(60) == 0
        for args in (
            ["rollout", "status", "deployment/web"],
            ["wait", "--for=condition=Available", "deployment/web"],
            ["wait", "--for=condition=Never", "deployment/web", "--timeout=1s"],
            ["wait", "--for=delete", "deployment/none", "--timeout=5s"],
        ):
            outcome = compare(kubectls[-1], [*args, "-n", name])
            assert outcome.through.masked == outcome.direct.masked
        gone = start(kubectls[-1].path, "wait", "--for=delete", "deployment/web", "-n", name)
        cluster.arrange("DELETE", f"{path}/web")
        assert gone.process.wait(60) == 0


# The pod


@pytest.mark.parametrize(
    "args",
    [
        ["logs", "p0"],
        ["logs", "p0", "--tail=2", "--timestamps"],
        ["logs", "p0", "-c", "none"],
        ["exec", "p0", "--", "sh", "-c", "echo out; echo err >&2"],
        ["exec", "p0", "--", "sh", "-c", "exit 3"],
        ["exec", "p0", "--", "seq", "50000"],
        ["exec", "nobody", "--", "true"],
    ],
    ids=" ".join,
)
def test_stream_of_a_pod_prints_the_same(kubectl: Kubectl, compare: Compare, args: list[str]) -> None:
    outcome = compare(kubectl, args)
    (status, *printed), (direct, *direct_printed) = outcome.through.masked, outcome.direct.masked
    assert status == direct
    # stdout and stderr of exec are streams of their own, and each has its order.
    assert printed == direct_printed


def test_exec_works_with_every_kubectl(every_kubectl: Kubectl, compare: Compare) -> None:
    """SPDY, WebSocket, and those that try the one before the other."""
    outcome = compare(every_kubectl, ["exec", "-i", "p0", "--", "head", "-n1"], stdin="hello\nworld\n")
    assert outcome.through.status == outcome.direct.status == 0
    assert outcome.through.stdout == "hello\n"
    # 1.31 may read the first, empty message of a stream before it has made the stream.
    assert re.sub(r".*Unknown stream id \d, discarding message\n", "", outcome.through.stderr) == ""
    assert outcome.story["findings"] == []


def test_exec_is_refused_in_the_same_words(kubectl: Kubectl, compare: Compare) -> None:
    outcome = compare(kubectl, ["exec", "p0", "--", "true"], "jane")
    assert outcome.through.masked == outcome.direct.masked
    assert {finding["category"] for finding in outcome.story["findings"]} == {"rbac"}


def test_log_is_followed_while_it_is_open(kubectl: Kubectl, start: Start) -> None:
    follow = start(kubectl.path, "logs", "-f", "p0")
    assert [follow.line() for _ in range(5)] == [f"line {number}" for number in range(1, 6)]
    assert "logs" in follow.end(signal.SIGTERM)


def test_attached_output_arrives_while_it_is_open(cluster: Cluster, kubectl: Kubectl, start: Start) -> None:
    """Attached to what the container says from now on, so it is made to say something until that is seen."""
    log = cluster.run / "pod.log"
    before = log.stat().st_size
    attached = start(kubectl.path, "attach", "p0")
    try:
        while not attached.waits(0.3):
            with log.open("a") as file:
                file.write("2026-01-01T00:00:06.000000000Z stdout F news\n")
        assert attached.line() == "news"
        assert "attach" in attached.end()
    finally:
        os.truncate(log, before)


def test_exec_with_a_terminal_has_one(cluster: Cluster, kubectl: Kubectl, fresh_home: Iterator[Path]) -> None:
    """What is typed is echoed by the terminal at the far end, and a prompt is seen before its line is complete."""
    # It goes on until it is told to end: output just before the end is sometimes lost, also without mitmkube.
    script = "test -t 0 && printf 'name? '; read -r name; echo hello $name; read -r end"
    command = [sys.executable, "-m", "mitmkube", "run", "--quiet", "--", str(kubectl.path), "exec", "-it", "p0", "--"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*command, "sh", "-c", script],
        env=environment(next(fresh_home), cluster.kubeconfig("admin")),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = b""

    def read_until(expected: bytes) -> None:
        nonlocal said
        while expected not in said:
            ready, _, _ = select.select([ours], [], [], SECONDS)
            assert ready, said
            said += os.read(ours, 65536)

    try:
        read_until(b"name? ")
        os.write(ours, b"jane\n")
        read_until(b"hello jane")
        os.write(ours, b"\n")
        assert process.wait(SECONDS) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)


def test_files_are_copied_both_ways(
    cluster: Cluster, kubectl: Kubectl, mitmkube_run: MitmkubeRun, tmp_path: Path
) -> None:
    # With its header and the end of the archive a whole number of tar's records: the stand-in for the kubelet does not
    # pass on the end of stdin, which tar would wait for otherwise.
    content = hashlib.shake_128(b"file").digest(70 * 10240 - 512 - 1024)
    (tmp_path / "sent").write_bytes(content)
    pod_folder = cluster.run / "exec" / kubectl.name
    pod_folder.mkdir()
    outcome = mitmkube_run(["--quiet", "--", kubectl.path, "cp", tmp_path / "sent", f"default/p0:{pod_folder}/file"])
    assert (outcome.status, outcome.stderr) == (0, "")
    assert (pod_folder / "file").read_bytes() == content
    received = tmp_path / "received"
    outcome = mitmkube_run(["--quiet", "--", kubectl.path, "cp", f"default/p0:{pod_folder}/file", received])
    assert outcome.status == 0
    assert received.read_bytes() == content
    shutil.rmtree(pod_folder)


def test_port_is_forwarded(kubectl: Kubectl, start: Start, pod_port: bytes) -> None:
    forward = start(kubectl.path, "port-forward", "pod/p0", "--address=127.0.0.1", ":80")
    port = re.search(r"Forwarding from 127\.0\.0\.1:(\d+)", forward.line())
    assert port is not None
    for _ in range(3):
        with urllib.request.urlopen(f"http://127.0.0.1:{port[1]}/", timeout=SECONDS) as answer:
            assert answer.read() == pod_port
    assert "port-forward" in forward.end()


def test_kubectl_proxy_works_as_the_child(cluster: Cluster, kubectl: Kubectl, start: Start, place: str) -> None:
    news = f"news-{kubectl.version[1]}"
    child = start(kubectl.path, "proxy", "--port=0")
    address = re.search(r"127\.0\.0\.1:\d+", child.line())
    assert address is not None
    for path in ("/version", "/api/v1/namespaces/default/pods/p0"):
        with urllib.request.urlopen(f"http://{address[0]}{path}", timeout=SECONDS) as answer:
            assert answer.status == 200
    with urllib.request.urlopen(
        f"http://{address[0]}/api/v1/namespaces/{place}/configmaps?watch=1&fieldSelector=metadata.name%3D{news}",
        timeout=SECONDS,
    ) as watch:
        add(cluster, place, news)
        assert f'"name":"{news}"'.encode() in watch.readline()
    assert "get pods p0 in default" in child.end()


# The end of it


def test_child_that_is_interrupted_ends_its_streams(cluster: Cluster, kubectl: Kubectl, start: Start) -> None:
    """Ctrl-C reaches both; mitmkube leaves it to the child and reports after it."""
    watch = start("sh", "-c", f"trap 'kill $child; exit 7' INT; {kubectl.path} get pods -w -o name & child=$!; wait")
    assert watch.line() == "pod/p0"
    (child,) = children(watch.process.pid)
    os.kill(child, signal.SIGINT)
    watch.process.send_signal(signal.SIGINT)
    assert watch.process.wait(SECONDS) == 7


def children(pid: int) -> list[int]:
    """The processes that ``pid`` started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True)
    return [int(line) for line in found.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_peer_that_is_gone_is_noticed_within_45_seconds(cut_off: Path) -> None:
    deadline = time.monotonic() + 90
    while not (cut_off / "ended").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    said = "".join((cut_off / name).read_text() for name in ("log", "err") if (cut_off / name).exists())
    assert (cut_off / "ended").exists(), said
    took = float((cut_off / "ended").read_text()) - float((cut_off / "cut").read_text())
    # Less would mean that something else ended it; the slack is for what a command takes to end on a busy machine.
    assert 30 < took < 60, said
    assert '"name":"first"' in (cut_off / "out").read_text()
