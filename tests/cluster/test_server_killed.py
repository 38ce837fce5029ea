"""The API server is killed while a command is at it, and comes back: nothing hangs or is lost, the cause is told."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests import har_schema
from tests.cluster.cluster import Cluster
from tests.cluster.command import environment
from tests.cluster.conftest import OwnCluster
from tests.cluster.kubectl import Kubectl

SECONDS = 120
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def own(own_cluster: OwnCluster) -> Cluster:
    return own_cluster()


class Command:
    """One that goes on: directly, or through mitmkube with everything asked for."""

    def __init__(self, own: Cluster, home: Path, out: Path, argv: Sequence[str | Path], *, direct: bool) -> None:
        self._out = out
        outputs = ["--har", out / "har", "--json", out / "json", "--report", out / "report"]
        whole = argv if direct else [sys.executable, "-m", "mitmkube", "run", *outputs, "--", *argv]
        self.process = subprocess.Popen(
            [str(word) for word in whole],
            env=environment(home, own.kubeconfig("admin")),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self) -> tuple[int, str, str]:
        """Its status and what it printed from now on."""
        out, err = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out, err

    @property
    def entries(self) -> list[dict[str, Any]]:
        text = (self._out / "har").read_text()
        found: list[dict[str, Any]] = har_schema.check(text)["entries"]
        return found

    @property
    def story(self) -> Any:
        return json.loads((self._out / "json").read_text())

    @property
    def noted(self) -> set[str]:
        """The rules of what failed and did the command no harm."""
        return {rule for note in self.story["notes"] for rule in note["rules"]}

    @property
    def report(self) -> str:
        return " ".join((self._out / "report").read_text().split())


def test_watch_ends_as_it_does_directly_and_says_why(
    own: Cluster, kubectl: Kubectl, fresh_home: Iterator[Path]
) -> None:
    own.arrange("POST", CONFIGMAPS, {"metadata": {"name": "seen"}})
    argv: Sequence[str | Path] = [kubectl.path, "get", "configmaps", "-w", "-o", "name"]
    both = [Command(own, next(fresh_home), next(fresh_home), argv, direct=direct) for direct in (True, False)]
    direct, through = both
    for name in ("seen", "watched"):  # the second comes in an event: from then on there is a watch
        if name == "watched":
            own.arrange("POST", CONFIGMAPS, {"metadata": {"name": name}})
        for command in both:
            while command.line() != f"configmap/{name}\n":
                assert command.process.poll() is None
    own.apiserver.kill()
    ends = [direct.end(), through.end()]
    assert ends[0] == ends[1]
    own.restart_apiserver()
    watch = next(entry for entry in reversed(through.entries) if "watch=true" in entry["request"]["url"])
    assert watch["response"]["status"] == 200
    told = watch["_mitmkube"]
    assert told["failure"]["phase"] == "response"
    assert "watch" in through.report
    # The command ended well all the same, so it is noted.
    assert "network-connection-lost" in through.noted


def test_every_write_that_failed_is_named_and_those_after_the_restart_work(
    own: Cluster, kubectl: Kubectl, fresh_home: Iterator[Path], tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    script = """
        for n in 1 2 3; do "$0" create configmap before-$n; done
        echo killed?
        while [ ! -e "$1.killed" ]; do sleep 0.1; done
        for n in 1 2 3; do "$0" create configmap during-$n 2>/dev/null; done
        echo restarted?
        while [ ! -e "$1" ]; do sleep 0.1; done
        for n in 1 2 3; do "$0" create configmap after-$n; done
    """
    command = Command(own, next(fresh_home), next(fresh_home), ["sh", "-c", script, kubectl.path, go_on], direct=False)
    while command.line() != "killed?\n":
        assert command.process.poll() is None
    own.apiserver.kill()
    go_on.with_name("go-on.killed").touch()
    while command.line() != "restarted?\n":
        assert command.process.poll() is None
    own.restart_apiserver()
    go_on.touch()
    status, printed, _ = command.end()
    assert status == 0
    assert [line for line in printed.splitlines() if "created" in line] == [
        f"configmap/after-{number} created" for number in (1, 2, 3)
    ]
    assert {entry["response"]["status"] for entry in command.entries if "configmaps" in entry["request"]["url"]} == {
        201
    }
    assert command.noted == {"network-refused"}
    assert sum(entry["request"]["method"] == "CONNECT" for entry in command.entries) >= 3
    names = {item["metadata"]["name"] for item in own.call("GET", CONFIGMAPS).json["items"]}
    assert {f"before-{number}" for number in (1, 2, 3)} | {f"after-{number}" for number in (1, 2, 3)} <= names


def test_server_that_dies_under_many_writes_loses_no_answer_that_came(
    own: Cluster, kubectl: Kubectl, fresh_home: Iterator[Path], tmp_path: Path
) -> None:
    """Killed in the middle of an apply of many: what kubectl says was created is so in the HAR, and is there."""
    manifests = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"many-{n}"}} for n in range(150)]
    file = tmp_path / "many.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
    argv: Sequence[str | Path] = [kubectl.path, "apply", "--server-side", "-f", file]
    command = Command(own, next(fresh_home), next(fresh_home), argv, direct=False)
    first = [command.line() for _ in range(10)]
    own.apiserver.kill()
    watcher = threading.Timer(SECONDS, command.process.kill)
    watcher.start()
    status, printed, stderr = command.end()
    watcher.cancel()
    assert status == 1
    assert stderr
    own.restart_apiserver()
    said = {line.split()[0] for line in [*first, *printed.splitlines()] if "serverside-applied" in line}
    answered = [entry for entry in command.entries if entry["request"]["method"] == "PATCH"]
    created = [entry for entry in answered if entry["response"]["status"] == 201]
    assert len(said) <= len(created) < 150
    assert command.story["cause"] is not None
    names = {item["metadata"]["name"] for item in own.call("GET", CONFIGMAPS).json["items"]}
    assert {one.removeprefix("configmap/") for one in said} <= names
