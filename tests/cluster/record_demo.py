"""Records what the API server of ``mitmkube demo`` answers: ``python -m tests.cluster.record_demo``.

A cluster of its own gets a namespace with a deployment and its pods, and a webhook that nobody serves; then every
request that kubectl 1.27 to 1.33 makes in the demo is sent to it, with the media types that kubectl asks for. The
folder says who asked: ``everyone`` holds what every known user is answered alike, ``unknown`` is a token that the API
server does not know. Only the request and the answer are kept; no credential is part of a recording.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from analyzers import redact
from analyzers.exchange import Exchange, Headers, Request, Response
from analyzers.readers import wire_text
from tests.cluster.api import wait_until
from tests.cluster.binaries import binaries
from tests.cluster.cluster import Cluster

RECORDINGS = Path(__file__).parents[2] / "mitmkube" / "demo" / "recordings"

JSON = "application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

PODS = "/api/v1/namespaces/prod/pods"
CONFIGMAPS = "/api/v1/namespaces/prod/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/prod/deployments"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


class Recorder:
    """Sends requests to ``cluster`` and writes what came back into ``folder``."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        self._version = str(cluster.arrange("GET", "/version")["gitVersion"])

    def send(
        self, identity: str, method: str, path: str, body: object = None, *, accept: str = JSON, expect: int = 200
    ) -> Exchange:
        """One request, which has to be answered with the status ``expect``."""
        answer = self._cluster.call(method, path, body, identity=identity, headers={"Accept": accept})
        if answer.status != expect:
            raise RuntimeError(f"{method} {path} as {identity}: {answer.status}, not {expect}: {answer.text[:300]}")
        sent = [("Accept", accept), *([("Content-Type", JSON)] if body is not None else [])]
        data = None if body is None else json.dumps(body).encode()
        return Exchange(
            id=1,
            request=Request(
                method=method,
                host="127.0.0.1",
                port=self._cluster.port,
                path=path,
                headers=Headers(sent),
                body=data,
                body_bytes=len(data or b""),
            ),
            response=Response(
                status=answer.status,
                reason=_REASONS[answer.status],
                headers=Headers(answer.headers),
                body=answer.body,
                body_bytes=len(answer.body),
            ),
        )

    def save(self, asker: str, name: str, what: str, exchanges: list[Exchange]) -> None:
        """Write ``asker/name.http``; ``what`` says what it was recorded from. Raises when it holds a secret."""
        for exchange in exchanges:
            _check(exchange)
        numbered = [replace(exchange, id=number) for number, exchange in enumerate(exchanges, start=1)]
        file = self._folder / asker / f"{name}.http"
        file.parent.mkdir(exist_ok=True)
        comment = f"recorded from kube-apiserver {self._version}: {what}"
        file.write_text(wire_text.write(numbered, comment), "utf-8")
        print(f"{asker}/{name}: {len(numbered)} answers, {file.stat().st_size} bytes", flush=True)


_REASONS = {
    200: "OK",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    500: "Internal Server Error",
}


def main() -> int:
    """Record everything anew, and put it in the place of what was there only when all of it succeeded."""
    with tempfile.TemporaryDirectory() as temporary:
        # An API server without that flag would dial the service's address and wait for nobody to answer.
        with Cluster(binaries(), apiserver_flags=["--enable-aggregator-routing"]) as cluster:
            _record(cluster, Path(temporary))
        shutil.rmtree(RECORDINGS, ignore_errors=True)
        shutil.copytree(temporary, RECORDINGS)
    return 0


def _record(cluster: Cluster, folder: Path) -> None:
    recorder = Recorder(cluster, folder)
    stale = _arrange(cluster)
    recorder.save(
        "everyone",
        "discovery",
        "the version and what it serves, in one answer and (as kubectl before 1.30 asks) one by one",
        _discovery(recorder),
    )
    recorder.save(
        "admin",
        "pods",
        "the pods in namespace prod, as admin (client certificate, system:masters)",
        [recorder.send("admin", "GET", f"{PODS}?limit=500", accept=TABLE)],
    )
    recorder.save(
        "jane",
        "pods",
        "the pods in namespace prod, as jane (client certificate, group dev), who has no role there",
        [recorder.send("jane", "GET", f"{PODS}?limit=500", accept=TABLE, expect=403)],
    )
    recorder.save(
        "unknown",
        "unauthorized",
        "requests with a bearer token that it does not know",
        [
            recorder.send("badtoken", "GET", path, accept=accept, expect=401)
            for path, accept in (
                ("/version", JSON),
                ("/api", AGGREGATED),
                ("/api", JSON),
                ("/apis", AGGREGATED),
                ("/apis", JSON),
                (f"{PODS}?limit=500", TABLE),
            )
        ],
    )
    recorder.save(
        "admin",
        "stale_deployment",
        "a PUT of the deployment web as it was before somebody else scaled it",
        [
            recorder.send(
                "admin",
                "PUT",
                f"{DEPLOYMENTS}/web?fieldManager=kubectl-replace&fieldValidation=Ignore",
                stale,
                expect=409,
            )
        ],
    )
    recorder.save(
        "admin",
        "no_such_deployment",
        "a deployment that does not exist in a namespace that does",
        [
            recorder.send("admin", "GET", f"{DEPLOYMENTS}/wbe", accept=TABLE, expect=404),
            recorder.send("admin", "GET", "/api/v1/namespaces/prod", accept=TABLE),
        ],
    )
    with _webhook_without_pods(cluster):
        settings = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "settings"}, "data": {"color": "red"}}
        recorder.save(
            "admin",
            "webhook_down",
            "a new ConfigMap while the service of a validating webhook has no endpoints",
            [
                recorder.send(
                    "admin",
                    "POST",
                    f"{CONFIGMAPS}?fieldManager=kubectl-create&fieldValidation=Strict",
                    settings,
                    accept=accept,
                    expect=500,
                )
                for accept in (JSON, PROTOBUF)
            ],
        )


def _arrange(cluster: Cluster) -> dict[str, Any]:
    """Namespace prod with a deployment that was scaled; returns that as ``kubectl get`` showed it before."""
    cluster.add_namespace("prod")
    template = {
        "metadata": {"labels": {"app": "web"}},
        # There is no scheduler here.
        "spec": {"nodeName": "n0", "containers": [{"name": "web", "image": "nginx:1.27"}]},
    }
    selector = {"matchLabels": {"app": "web"}}
    spec = {"replicas": 2, "selector": selector, "template": template}
    cluster.arrange("POST", DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": spec})
    _until_running(cluster, 2)
    before: dict[str, Any] = cluster.arrange("GET", f"{DEPLOYMENTS}/web")
    merge = {"Content-Type": "application/merge-patch+json"}
    cluster.arrange("PATCH", f"{DEPLOYMENTS}/web", {"spec": {"replicas": 3}}, headers=merge)
    _until_running(cluster, 3)
    before["metadata"].pop("managedFields")
    before.pop("status", None)
    return before


def _until_running(cluster: Cluster, count: int) -> None:
    def running() -> bool:
        pods = cluster.arrange("GET", PODS)["items"]
        return [pod.get("status", {}).get("phase") for pod in pods] == ["Running"] * count

    wait_until(f"{count} pods run", running)


@contextlib.contextmanager
def _webhook_without_pods(cluster: Cluster) -> Iterator[None]:
    """A webhook has to allow every new ConfigMap in prod, and its service has no pod."""
    cluster.add_namespace("policy")
    cluster.arrange(
        "POST",
        "/api/v1/namespaces/policy/services",
        {"metadata": {"name": "policy-webhook"}, "spec": {"ports": [{"port": 443}], "selector": {"app": "policy"}}},
    )
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
    webhook = {
        "name": "policy.example.com",
        "clientConfig": {"service": {"namespace": "policy", "name": "policy-webhook", "path": "/validate"}},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "prod"}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
    }
    cluster.arrange("POST", WEBHOOKS, {"metadata": {"name": "policy"}, "webhooks": [webhook]})

    def asked() -> bool:
        probe = cluster.call("POST", f"{CONFIGMAPS}?dryRun=All", {"metadata": {"name": "probe"}})
        return "no endpoints available" in probe.text

    wait_until("the webhook is asked", asked)
    yield


def _discovery(recorder: Recorder) -> list[Exchange]:
    first = [
        recorder.send("admin", "GET", path, accept=accept)
        for path, accept in (
            ("/version", JSON),
            ("/api", AGGREGATED),
            ("/apis", AGGREGATED),
            ("/api", JSON),
            ("/apis", JSON),
            ("/api/v1", JSON),
        )
    ]
    assert first[4].response is not None
    groups = json.loads(first[4].response.body or b"{}")["groups"]
    versions = [version["groupVersion"] for group in groups for version in group["versions"]]
    return [*first, *(recorder.send("admin", "GET", f"/apis/{version}") for version in versions)]


def _check(exchange: Exchange) -> None:
    """What mitmkube would hide does not belong into a recording."""
    assert exchange.response is not None
    shown = redact.exchange(exchange)
    assert shown.response is not None
    if exchange.response.headers.get("Content-Type").startswith(JSON):
        said, left = (json.loads(one.body or b"null") for one in (exchange.response, shown.response))
        if said != left:
            raise RuntimeError(f"{exchange.request.url}: the answer holds something that must not be shown")
    if shown.request.headers != exchange.request.headers or shown.response.headers != exchange.response.headers:
        raise RuntimeError(f"{exchange.request.url}: a header field must not be shown")


if __name__ == "__main__":
    sys.exit(main())
