"""Records what the API server answers to lists: ``python -m tests.cluster.record_lists``.

A cluster of its own gets a namespace with some ConfigMaps, pods and custom resources that ``kubectl apply`` made, so
that every object has managedFields and the annotation that repeats it as JSON in a string. Kept are the bodies, as they
came. Nothing in them grants access to anything.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.cluster.api import wait_until
from tests.cluster.binaries import binaries
from tests.cluster.cluster import Cluster

RECORDINGS = Path(__file__).parents[1] / "analyzers" / "decode" / "list_page"
COUNT = 8

_NAMESPACE = "lists"
_JSON = "application/json"
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_GROUP = "stable.example.com"


def main() -> int:
    """Record everything anew."""
    RECORDINGS.mkdir(exist_ok=True)
    with Cluster(binaries()) as cluster:
        cluster.add_namespace(_NAMESPACE)
        _apply(cluster, [_definition()])
        wait_until("custom resources served", lambda: cluster.call("GET", f"/apis/{_GROUP}/v1/crontabs").status == 200)
        numbers = range(COUNT)
        _apply(cluster, [make(number) for make in (_config_map, _pod, _cron_tab) for number in numbers])
        _record(cluster)
    return 0


def _record(cluster: Cluster) -> None:
    core = f"/api/v1/namespaces/{_NAMESPACE}"
    custom = f"/apis/{_GROUP}/v1/namespaces/{_NAMESPACE}/crontabs"
    for name, path, accept in (
        ("configmaps.json", f"{core}/configmaps", _JSON),
        ("configmaps.pb", f"{core}/configmaps", _PROTOBUF),
        ("pods.json", f"{core}/pods", _JSON),
        ("pods.pb", f"{core}/pods", _PROTOBUF),
        ("pods_pretty.json", f"{core}/pods?pretty=true&limit=3", _JSON),
        ("pods_metadata.json", f"{core}/pods", _METADATA),
        ("pods_table.json", f"{core}/pods", _TABLE),
        ("pods_table_page.json", f"{core}/pods?limit=3", _TABLE),
        ("crontabs.json", custom, _JSON),
        ("crontabs_page.json", f"{custom}?limit=3", _JSON),
        ("crontab.json", f"{custom}/crontab-0", _JSON),
        ("pod.json", f"{core}/pods/pod-0", _JSON),
        ("pod.pb", f"{core}/pods/pod-0", _PROTOBUF),
        ("none.json", "/api/v1/namespaces/default/replicationcontrollers", _JSON),
        ("none.pb", "/api/v1/namespaces/default/replicationcontrollers", _PROTOBUF),
        ("selected_page.json", f"{core}/pods?limit=3&fieldSelector=spec.nodeName%3Dn0", _JSON),
        ("resources.json", f"/apis/{_GROUP}/v1", _JSON),
        ("groups.json", "/apis", _JSON),
        ("missing.json", f"{core}/pods/nosuch", _JSON),
    ):
        _save(cluster, name, path, accept)
    for ending, accept in (("json", _JSON), ("pb", _PROTOBUF)):
        token = ""
        for number in (1, 2, 3):
            page = cluster.arrange("GET", f"{core}/pods?limit=3{token}")
            _save(cluster, f"pods_page_{number}.{ending}", f"{core}/pods?limit=3{token}", accept)
            token = f"&continue={quote(page['metadata'].get('continue', ''))}"


def _save(cluster: Cluster, name: str, path: str, accept: str) -> None:
    answer = cluster.call("GET", path, headers={"Accept": accept})
    (RECORDINGS / name).write_bytes(answer.body)
    print(name, answer.status, len(answer.body), flush=True)


def _apply(cluster: Cluster, objects: list[dict[str, Any]]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"kind": "List", "apiVersion": "v1", "items": objects}, file)
        file.flush()
        environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig())}
        subprocess.run(["kubectl", "apply", "-f", file.name], env=environment, check=True, stdout=subprocess.DEVNULL)


def _config_map(number: int) -> dict[str, Any]:
    # What a reader of braces and quotes has to tell apart from the document's own.
    config = 'if (a["b"] == \'}\') {\n\tprint("\\\\ [{\\"c\\":") }\n' + "# größer ⎈\n" * (number % 4)
    data = {"app.conf": config, "users.json": json.dumps([{"name": "a", "path": "C:\\"}]), "quote": '"', "brace": "{"}
    metadata = {"name": f"config-{number}", "namespace": _NAMESPACE, "labels": {"app": "web"}}
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": data}


def _pod(number: int) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10}
    container = {
        "name": "web",
        "image": "registry.example.com/shop/web:1.4.2",
        "args": ["--config=/etc/web/app.conf", '--labels={"a":"b"}'],
        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "ports": [{"containerPort": 8080, "name": "http"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": probe,
        "livenessProbe": probe,
    }
    metadata = {"name": f"pod-{number}", "namespace": _NAMESPACE, "labels": {"app": "web", "tier": "front"}}
    spec = {"nodeName": "n0", "containers": [container]}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec}


def _cron_tab(number: int) -> dict[str, Any]:
    metadata = {"name": f"crontab-{number}", "namespace": _NAMESPACE}
    # Field names that a list has too.
    spec = {"items": [{"kind": "PodList"}] * (number % 3), "metadata": {"continue": "x"}, "kind": "]}"}
    return {"kind": "CronTab", "apiVersion": f"{_GROUP}/v1", "metadata": metadata, "spec": spec}


def _definition() -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "kind": "CustomResourceDefinition",
        "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": {"name": f"crontabs.{_GROUP}"},
        "spec": {
            "group": _GROUP,
            "scope": "Namespaced",
            "names": {"kind": "CronTab", "plural": "crontabs", "singular": "crontab"},
            "versions": [version],
        },
    }


if __name__ == "__main__":
    sys.exit(main())
