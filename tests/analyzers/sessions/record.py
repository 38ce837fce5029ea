"""Records what kubectl sends through mitmkube, and when: ``python -m tests.analyzers.sessions.record [NAME…]``.

Each recording is a shell script with several commands, or one command of many requests. Bodies stay where a test reads
them and where they are refusals; of the headers stay those that tell who asked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from analyzers.exchange import Connection, Exchange, Headers, Request, Response, Timing
from analyzers.readers import wire_text
from tests.cluster import binaries
from tests.cluster.api import wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.kubectl import Kubectl, find_kubectls

HERE = Path(__file__).parent
NS = "crowd"
OFF = {"KUBECTL_COMMAND_HEADERS": "false"}
_KEPT = frozenset({"user-agent", "kubectl-session", "upgrade", "retry-after"})


def exchanges(har: Mapping[str, Any], longest_body: int = 0) -> list[Exchange]:
    """The exchanges of a HAR of ours, as far as a test of times and senders needs them."""
    entries = sorted(har["log"]["entries"], key=lambda entry: str(entry["startedDateTime"]))
    return [_exchange(number, entry, longest_body) for number, entry in enumerate(entries, start=1)]


def _exchange(number: int, entry: Mapping[str, Any], longest_body: int) -> Exchange:
    url = urlsplit(entry["request"]["url"])
    answer = entry["response"]
    text = answer["content"].get("text")
    milliseconds = {name: round(value / 1000, 6) for name, value in entry["timings"].items() if value >= 0}
    body = text.encode() if text and (len(text) <= longest_body or answer["status"] >= 400) else None
    return Exchange(
        id=number,
        request=Request(
            method=entry["request"]["method"],
            scheme=url.scheme,
            host=url.hostname or "",
            port=url.port or 443,
            path=url.path + (f"?{url.query}" if url.query else ""),
            headers=_headers(entry["request"]),
        ),
        response=Response(
            status=answer["status"],
            reason=answer["statusText"],
            headers=_headers(answer),
            body=body,
            body_complete=body is not None,
            body_bytes=answer["bodySize"],
        ),
        timing=Timing(
            started=round(datetime.fromisoformat(entry["startedDateTime"]).timestamp(), 3),
            send=milliseconds.get("send"),
            wait=milliseconds.get("wait"),
            receive=milliseconds.get("receive"),
        ),
        connection=Connection(id=entry.get("connection", ""), peer="127.0.0.1", verified=True),
    )


def _headers(message: Mapping[str, Any]) -> Headers:
    return Headers((field["name"], field["value"]) for field in message["headers"] if field["name"].lower() in _KEPT)


class Studio:
    """Runs shell scripts through mitmkube against ``cluster``. ``old`` is the oldest kubectl there is."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        found = find_kubectls(binaries.built())
        self.old, self.new = found[0], found[-1]

    def record(
        self, name: str, script: str, *, kubectl: Kubectl | None = None, longest_body: int = 0,
        env: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        kubectl = kubectl or self.new
        with tempfile.TemporaryDirectory() as home:
            har = Path(home) / "traffic.har"
            clean = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "XDG_"))}
            command = [sys.executable, "-m", "mitmkube", "run", f"--har={har}", "--", "sh", "-c", script]
            environment = {
                **clean, "HOME": home, "K": str(kubectl.path), **(env or {}),
                "KUBECONFIG": str(self.cluster.kubeconfig()),
            }  # fmt: skip
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
            seen = exchanges(json.loads(har.read_text()), longest_body)
        comment = f"{kubectl} through mitmkube; exit status {done.returncode}\n{script}"
        (HERE / f"{name}.http").write_text(wire_text.write(seen, comment), "utf-8")
        print(name, len(seen), "exchanges, exit status", done.returncode, flush=True)


def crd(number: int) -> dict[str, Any]:
    group = f"group{number:03}.example.com"
    schema = {"openAPIV3Schema": {"type": "object"}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }  # fmt: skip


def recordings(s: Studio) -> dict[str, Callable[[], None]]:
    three = '"$K" get configmaps -n kube-system -o name; "$K" get pods -n default -o name; "$K" get ns -o name'
    side_by_side = (
        '"$K" get pods -n default -o name -w & W=$!; sleep 2; '
        '"$K" get ns -o name; "$K" get configmaps -o name; "$K" get secrets -n nowhere -o name; kill $W; wait'
    )
    return {
        "one_after_another": lambda: s.record("one_after_another", three),
        "without_headers": lambda: s.record("without_headers", three, kubectl=s.old, env=OFF),
        "side_by_side": lambda: s.record("side_by_side", side_by_side),
        "side_by_side_without_headers": lambda: s.record(
            "side_by_side_without_headers", side_by_side, kubectl=s.old, env=OFF
        ),
        "many_connections": lambda: crowd(s),
        "drain_held_back": lambda: drain(s),
        "misspelt_type": lambda: s.record("misspelt_type", '"$K" get deplyoments', longest_body=1 << 20),
        "misspelt_name": lambda: s.record(
            "misspelt_name",
            f'"$K" get pods -n {NS} -o yaml >/dev/null; "$K" get pod descirbed-1 -n {NS}',
            longest_body=16 << 10,
        ),
        # The last: it leaves hundreds of types behind.
        "discovery_storm": lambda: storm(s),
    }


def crowd(s: Studio) -> None:
    """Describing several pods asks for each over a connection of its own: kubectl makes a client for each."""
    for name in ("described-1", "described-2", "described-3", "described-4"):
        s.cluster.arrange(
            "POST", f"/api/v1/namespaces/{NS}/pods",
            {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        )  # fmt: skip
    s.record("many_connections", f'"$K" describe pods -n {NS} >/dev/null', kubectl=s.old, env=OFF)


def storm(s: Studio) -> None:
    """Discovery of hundreds of groups by a kubectl that asks for each by itself: more than its burst of 300."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: s.cluster.arrange("POST", path, crd(number)), range(330)))
    wait_until("every type is served", lambda: all(
        s.cluster.call("GET", f"/apis/group{number:03}.example.com/v1").status == 200 for number in range(330)
    ))  # fmt: skip
    s.record("discovery_storm", '"$K" get pods -n default -o name', kubectl=s.old)


def drain(s: Studio) -> None:
    """One client of client-go for all evictions, which run side by side: ten at once, then five a second."""
    spec = {"nodeName": "n0", "containers": [{"name": "c", "image": "i"}]}
    for number in range(25):
        pod = {"metadata": {"name": f"d{number}"}, "spec": spec}
        s.cluster.arrange("POST", f"/api/v1/namespaces/{NS}/pods", pod)
    s.record("drain_held_back", '"$K" drain n0 --force')


def main(names: Sequence[str]) -> None:
    with Cluster(binaries.binaries()) as cluster:
        cluster.add_namespace(NS)
        studio = Studio(cluster)
        for name, tell in recordings(studio).items():
            if not names or name in names:
                tell()


if __name__ == "__main__":
    main(sys.argv[1:])
