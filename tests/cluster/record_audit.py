"""Records what an audit log says of requests whose answers are known: ``python -m tests.cluster.record_audit``.

The cases of ``tests.cluster.recordings`` are run against a cluster that logs every stage. ``audit.log`` gets the events
of the requests that were refused, between some of those that were not; ``answers.http`` what the clients got, told
apart by Audit-Id. ``event_list.json`` is what the same server sends to a webhook in the place of a log.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from analyzers.exchange import Connection, Exchange, Headers
from analyzers.readers import wire_text
from tests.cluster import record
from tests.cluster.binaries import binaries
from tests.cluster.cluster import Cluster
from tests.cluster.recordings import __main__ as recordings
from tests.cluster.recordings.case import CASES, arrange

RECORDING = Path(__file__).parents[1] / "analyzers" / "readers" / "audit"
_OF_A_RULE = 3
_AMONG = 60
_KEPT = frozenset({"audit-id", "content-type", "retry-after", "warning", "date"})
_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "rules": [
        {"level": "None", "users": ["system:apiserver"]},
        {"level": "RequestResponse", "verbs": ["update"], "resources": [{"group": "apps"}]},
        {"level": "Metadata"},
    ],
}


def main() -> int:
    """Record everything anew."""
    for module in ("auth", "conflict", "health", "rbac", "request", "webhooks"):
        import_module(f"tests.cluster.recordings.{module}")
    with tempfile.TemporaryDirectory() as temporary, _sink() as (url, batches):
        folder = Path(temporary)
        record.FIXTURES = folder / "rules"
        (folder / "policy.json").write_text(json.dumps(_POLICY))
        (folder / "webhook.json").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [],
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}],
        }))  # fmt: skip
        flags = (
            f"--audit-policy-file={folder / 'policy.json'}",
            f"--audit-webhook-config-file={folder / 'webhook.json'}",
            "--audit-webhook-batch-max-size=20",
        )
        with Cluster(binaries(), apiserver_flags=flags) as cluster:
            arrange(cluster)
            recorder = record.Recorder(cluster)
            for case, alone in [(case, alone) for _, case, alone in CASES]:
                if alone is None:
                    recordings._recorded(case, recorder)
            seen = [*_one_client(recorder)]
            time.sleep(2)
            events = cluster.audit_events()
        refused = list(_refused(folder / "rules"))
    _write(refused, seen, events, recorder.version)
    _write_list(batches)
    return 0


def _one_client(recorder: record.Recorder) -> Iterator[Exchange]:
    """What one client does that looks like a failure and is none: a look before it creates, and a second attempt."""
    folder = Path(tempfile.mkdtemp())
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"a": "1"}}
    (folder / "applied.json").write_text(json.dumps(wanted))
    yield from recorder.kubectl("apply", "-n", "prod", "-f", str(folder / "applied.json"))
    path = "/api/v1/namespaces/prod/configmaps/applied"
    stale = recorder.cluster.arrange("GET", path)
    recorder.cluster.arrange("PUT", path, {**stale, "data": {"a": "2"}})
    yield recorder.send("PUT", path, {**stale, "data": {"a": "3"}})
    yield recorder.send("PUT", path, {**recorder.cluster.arrange("GET", path), "data": {"a": "3"}})


def _refused(folder: Path) -> Iterator[Exchange]:
    for rule in sorted(folder.iterdir()):
        of_rule = 0
        for file in sorted(rule.glob("hit*.http")):
            for exchange in wire_text.read(file.read_text()):
                response = exchange.response
                if response is None or response.status < 400 or not response.headers.get("Audit-Id"):
                    continue
                if of_rule < _OF_A_RULE:
                    of_rule += 1
                    yield exchange


def _write(refused: list[Exchange], seen: list[Exchange], events: list[dict[str, Any]], version: str) -> None:
    RECORDING.mkdir(parents=True, exist_ok=True)
    answers = {_audit_id(one): one for one in refused}
    wanted = answers.keys() | {_audit_id(one) for one in seen}
    lines: list[str] = []
    among = 0
    for number, event in enumerate(events):
        others = event["responseStatus"]["code"] < 400 if "responseStatus" in event else False
        if event["auditID"] in wanted or (others and number % 7 == 0 and among < _AMONG):
            among += event["auditID"] not in wanted
            lines.append(json.dumps(event, ensure_ascii=False, separators=(",", ":")))
    (RECORDING / "audit.log").write_text("".join(f"{line}\n" for line in lines))
    logged = {event["auditID"] for event in events}
    told = [replace(_short(one), id=n) for n, (key, one) in enumerate(answers.items(), start=1) if key in logged]
    comment = f"What the clients got whose requests are in audit.log, recorded from kube-apiserver {version}."
    (RECORDING / "answers.http").write_text(wire_text.write(told, comment))
    print(f"{len(lines)} events, {len(told)} answers")


def _audit_id(exchange: Exchange) -> str:
    return exchange.response.headers.get("Audit-Id") if exchange.response is not None else ""


def _short(exchange: Exchange) -> Exchange:
    """Without what says nothing of the failure; the certificates matter to a 401 only."""
    assert exchange.response is not None
    connection = exchange.connection
    if connection is not None:
        shown = connection.client_certificates if exchange.response.status == 401 else ()
        connection = Connection(peer=connection.peer, verified=connection.verified, client_certificates=shown)
    headers = Headers((name, value) for name, value in exchange.response.headers if name.lower() in _KEPT)
    return replace(exchange, connection=connection, response=replace(exchange.response, headers=headers))


def _write_list(batches: list[bytes]) -> None:
    """The first batch that has a refusal in it, as it was sent."""
    for batch in batches:
        if b'"code":403' in batch:
            (RECORDING / "event_list.json").write_bytes(batch)
            return


@contextlib.contextmanager
def _sink() -> Iterator[tuple[str, list[bytes]]]:
    """A webhook that keeps what it is sent."""
    batches: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            batches.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", batches
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    sys.exit(main())
