"""What is told of streams: watches, exec, port-forward, logs and lists, from the traffic of real kubectls alone."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import har_schema
from tests.cluster import faults
from tests.cluster.cluster import Cluster, free_ports
from tests.cluster.command import environment
from tests.cluster.conftest import MitmkubeRun
from tests.cluster.kubectl import Kubectl
from tests.mitmkube.commands import Place, web

SECONDS = 30


class Told:
    """What a run wrote of itself."""

    def __init__(self, folder: Path) -> None:
        self.report = folder / "report"
        self.har = folder / "out.har"
        self.json = folder / "out.json"
        self.options = [f"--report={self.report}", f"--har={self.har}", f"--json={self.json}"]

    def story(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.json.read_bytes())
        return found

    def streams(self, kind: str) -> list[dict[str, Any]]:
        told = [one["stream"] for one in self.story()["requests"] if one["stream"]]
        in_har = [entry["_mitmkube"].get("stream") for entry in entries(self.har)]
        assert [one for one in in_har if one] == told
        return [one for one in told if one["type"] == kind]


def entries(har: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = har_schema.check(har.read_bytes())["entries"]
    return found


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


type Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(cluster: Cluster, fresh_home: Iterator[Path], told: Told) -> Iterator[Start]:
    """Runs a command through mitmkube until the test ends it."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(*command: str | Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "mitmkube", "run", *told.options, "--", *command],
            env=environment(next(fresh_home), cluster.kubeconfig("admin")),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait(SECONDS)
        assert process.stdout is not None
        process.stdout.close()


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def open_watch(har: Path) -> dict[str, Any]:
    """What the HAR of a run that goes on tells of its watch; empty while it tells nothing."""
    partial = har.with_name(har.name + ".partial")
    if not partial.exists():
        return {}
    try:
        found = entries(partial)
    except ValueError:  # it was written while it was read
        return {}
    for entry in found:
        own = entry["_mitmkube"]
        if own.get("live") and own.get("stream", {}).get("type") == "watch":
            return dict(own["stream"])
    return {}


def add(cluster: Cluster, namespace: str, name: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    cluster.arrange("POST", path, {"metadata": {"name": name}, "data": {"text": name}})


def changed(cluster: Cluster, namespace: str, har: Path) -> dict[str, Any]:
    """Add something to see, and say what is seen."""
    add(cluster, namespace, f"n{time.monotonic_ns()}")
    return open_watch(har)


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(SECONDS)


# Watches


def test_watch_tells_its_events_while_it_is_open_and_after(
    cluster: Cluster, every_kubectl: Kubectl, start: Start, told: Told
) -> None:
    with faults.namespace(cluster, "watched") as name:
        running = start(every_kubectl.path, "get", "configmaps", "-n", name, "-w", "-o", "name")
        wait_for(lambda: told.har.with_name("out.har.partial").exists(), "the HAR")
        wait_for(lambda: changed(cluster, name, told.har), "the open watch")
        add(cluster, name, "last")
        wait_for(lambda: "last" in [one.get("name") for one in _events(open_watch(told.har))], "the last event")
        end(running)
    (watch,) = told.streams("watch")
    events = _events(watch)
    assert {one["type"] for one in events} <= {"ADDED", "BOOKMARK"}
    assert events[-1]["name"] == "last"
    assert watch["resourceVersion"] == events[-1]["resourceVersion"]
    assert [one["at"] for one in events] == sorted(one["at"] for one in events)
    assert re.search(r"inside +\d+: \d+ events? ", told.report.read_text())


def _events(watch: dict[str, Any]) -> list[dict[str, Any]]:
    return [*watch.get("first", ()), *watch.get("last", ())]


def test_error_inside_a_watch_is_a_finding_in_the_har_while_the_run_goes_on(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], start: Start, told: Told
) -> None:
    partial = told.har.with_name("out.har.partial")

    def rules() -> list[str]:
        try:
            found = entries(partial) if partial.exists() else []
        except ValueError:  # it was written while it was read
            return []
        return [one["rule"] for entry in found for one in entry["_mitmkube"]["findings"]]

    with faults.expired_resource_version(cluster) as past:
        running = start("sh", "-c", f"{kubectls[-1].path} get --raw '{past.watch_path}'; sleep 60")
        wait_for(rules, "a finding")
    assert running.poll() is None
    assert rules() == ["conflict-expired"]
    end(running)
    (watch,) = told.streams("watch")
    assert watch["eventCounts"] == {"ERROR": 1}


def test_end_of_the_initial_events_of_a_watch_list_is_told(
    kubectls: tuple[Kubectl, ...], mitmkube_run: MitmkubeRun, told: Told
) -> None:
    query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=2"
    outcome = mitmkube_run([*told.options, "--", kubectls[-1].path, "get", "--raw", f"/api/v1/namespaces?{query}"])
    assert outcome.status == 0
    (watch,) = told.streams("watch")
    assert watch["initialEventsEnd"] >= watch["first"][0]["at"]
    assert watch["eventCounts"]["ADDED"] >= 4
    assert watch["eventCounts"]["BOOKMARK"] >= 1


def test_run_that_is_killed_leaves_its_open_watch_in_a_whole_har(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], start: Start, told: Told
) -> None:
    with faults.namespace(cluster, "killed") as name:
        running = start(kubectls[-1].path, "get", "configmaps", "-n", name, "-w")
        wait_for(lambda: told.har.with_name("out.har.partial").exists(), "the HAR")
        wait_for(lambda: changed(cluster, name, told.har), "the open watch")
        running.kill()
        running.wait(SECONDS)
    found = entries(told.har.with_name("out.har.partial"))
    assert [bool(entry["_mitmkube"].get("live")) for entry in found] == [False] * (len(found) - 1) + [True]
    assert found[-1]["_mitmkube"]["stream"]["eventCounts"]["ADDED"] >= 1


# Pods


def test_exit_code_of_ones_own_program_is_told_and_is_no_finding(
    every_kubectl: Kubectl, mitmkube_run: MitmkubeRun, told: Told
) -> None:
    script = "read -r line; echo four; echo err >&2; exit 3"
    outcome = mitmkube_run(
        [*told.options, "--", every_kubectl.path, "exec", "-i", "p0", "--", "sh", "-c", script],
        stdin="typed-and-never-kept\n",
    )
    assert outcome.status == 1 if "exit status" in outcome.stderr else outcome.status == 3
    story = told.story()
    assert story["findings"] == []
    assert "the program in the pod ended with exit code 3." in " ".join(told.report.read_text().split())
    stream = told.streams("upgraded")[-1]
    assert stream["exitCode"] == 3
    by_name = {channel["name"]: channel for channel in stream["channels"]}
    assert by_name["stdin"]["clientBytes"] == len("typed-and-never-kept\n")
    assert by_name["stdout"]["serverBytes"] == len("four\n")
    assert by_name["stderr"]["serverBytes"] == len("err\n")
    for file in (told.report, told.har, told.json):
        assert "typed-and-never-kept" not in file.read_text()
        assert "four" not in file.read_text().replace(script, "")


def test_messages_of_an_exec_stand_in_the_har_as_they_came(
    kubectls: tuple[Kubectl, ...], mitmkube_run: MitmkubeRun, told: Told
) -> None:
    script = "read -r line; echo four; sleep 0.3; echo err >&2; exit 3"
    mitmkube_run(
        [*told.options, "--", kubectls[-1].path, "exec", "-i", "p0", "--", "sh", "-c", script],
        stdin="typed-and-never-kept\n",
    )
    entry = next(one for one in entries(told.har) if "_webSocketMessages" in one)
    messages = entry["_webSocketMessages"]
    assert ("stdin", "send", 1 + len("typed-and-never-kept\n")) in _seen(messages)
    assert {("stdout", "receive", 1 + len("four\n")), ("stderr", "receive", 1 + len("err\n"))} <= set(_seen(messages))
    times = [one["time"] for one in messages]
    assert times == sorted(times)
    answered, failed = (next(one["time"] for one in messages if one["data"].startswith(f"[{name}: ") and
                             one["_bytes"] > 1) for name in ("stdout", "stderr"))  # fmt: skip
    assert failed - answered > 0.2
    begun = dt.datetime.fromisoformat(entry["startedDateTime"]).timestamp()
    assert begun <= times[0] <= times[-1] <= begun + entry["time"] / 1000 + 0.1


def _seen(messages: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(one.get("_channel", ""), one["type"], one["_bytes"]) for one in messages]


def test_port_where_nobody_listens_is_a_finding_from_the_traffic(
    cluster: Cluster, every_kubectl: Kubectl, start: Start, told: Told
) -> None:
    running = start(every_kubectl.path, "port-forward", "pod/p0", "--address=127.0.0.1", ":81")
    port = _forwarded_port(running)
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        client.settimeout(SECONDS)
        while _received(client):
            pass
    if running.poll() is None:
        end(running)
    (finding,) = told.story()["findings"]
    assert finding["category"] == "health"
    assert told.streams("upgraded")[-1]["channels"][0]["error"]


def _received(client: socket.socket) -> bytes:
    try:
        return client.recv(65536)
    except ConnectionError:
        return b""


def _forwarded_port(running: subprocess.Popen[bytes]) -> int:
    assert running.stdout is not None
    said = os.read(running.stdout.fileno(), 4096).decode()
    found = re.search(r"Forwarding from 127\.0\.0\.1:(\d+)", said)
    assert found is not None, said
    return int(found[1])


def test_forwarded_bytes_are_counted_by_port(
    cluster: Cluster, every_kubectl: Kubectl, start: Start, told: Told
) -> None:
    with socket.create_server(("127.0.0.1", cluster.forward_port)) as server:
        running = start(every_kubectl.path, "port-forward", "pod/p0", "--address=127.0.0.1", ":80")
        port = _forwarded_port(running)
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as client:
                client.sendall(b"question")
                peer, _ = server.accept()
                with peer:
                    peer.settimeout(SECONDS)
                    assert peer.recv(100) == b"question"
                    peer.sendall(b"a longer answer")
                assert client.recv(100) == b"a longer answer"
        end(running)
    (channel,) = told.streams("upgraded")[-1]["channels"]
    assert (channel["streams"], channel["clientBytes"], channel["serverBytes"]) == (2, 16, 30)
    assert told.story()["findings"] == []


def test_log_tells_lines_and_bytes(kubectls: tuple[Kubectl, ...], mitmkube_run: MitmkubeRun, told: Told) -> None:
    outcome = mitmkube_run([*told.options, "--", kubectls[-1].path, "logs", "p0"])
    assert outcome.status == 0
    (log,) = told.streams("log")
    assert (log["lines"], log["contentBytes"]) == (outcome.stdout.count("\n"), len(outcome.stdout))


# Lists


def test_pages_of_a_list_are_told_as_one(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], mitmkube_run: MitmkubeRun, told: Told
) -> None:
    with faults.namespace(cluster, "paged") as name:
        for number in range(10):
            add(cluster, name, f"c{number}")
        outcome = mitmkube_run(
            [*told.options, "--", kubectls[-1].path, "get", "cm", "-n", name, "-o", "name", "--chunk-size=4"]
        )
    listed = outcome.stdout.count("\n")
    pages = told.streams("list")
    assert [page["items"] for page in pages] == [4, 4, listed - 8]
    assert [page["continues"] for page in pages] == [True, True, False]
    assert f"{listed} items in 3 pages" in " ".join(told.report.read_text().split())


def test_large_list_tells_how_well_it_was_compressed(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], mitmkube_run: MitmkubeRun, told: Told
) -> None:
    with faults.namespace(cluster, "packed") as name:
        for number in range(3):
            path = f"/api/v1/namespaces/{name}/configmaps"
            cluster.arrange("POST", path, {"metadata": {"name": f"c{number}"}, "data": {"text": "x" * 100_000}})
        mitmkube_run([*told.options, "--", kubectls[-1].path, "get", "cm", "-n", name, "-o", "json"])
    (page,) = told.streams("list")
    assert page["wireBytes"] < 0.1 * page["contentBytes"]
    assert page["contentBytes"] > 300_000


# The page


def test_page_follows_a_watch_while_it_is_open(cluster: Cluster, kubectls: tuple[Kubectl, ...], tmp_path: Path) -> None:
    place = Place.make(tmp_path, cluster.kubeconfig("admin"))
    proxy, page_port = free_ports(2)
    with (
        web(place, "--port", str(proxy), "--web-port", str(page_port)) as page,
        faults.namespace(cluster, "page") as name,
        subprocess.Popen(
            [kubectls[-1].path, "get", "configmaps", "-n", name, "--watch-only"],
            env={**place.environ, "KUBECONFIG": page.exported},
            stdout=subprocess.PIPE,
        ) as watching,
    ):

        def comment() -> str:
            flows = json.loads(page.get("/flows")[1])
            return next((flow["comment"] for flow in flows if "watch=true" in flow["request"]["path"]), "")

        def grows(events: int) -> bool:
            add(cluster, name, f"n{time.monotonic_ns()}")
            found = re.search(r": (\d+) events?", comment())
            return found is not None and int(found[1]) >= events

        try:
            wait_for(lambda: grows(1), "the first event")
            wait_for(lambda: grows(4), "more events")
            (flow,) = [one for one in json.loads(page.get("/flows")[1]) if "watch=true" in one["request"]["path"]]
            shown = page.get(f"/flows/{flow['id']}/response/content/Kubernetes.json")[1].decode()
            assert re.search(r"\+\d.* ADDED ", shown)
        finally:
            watching.terminate()
