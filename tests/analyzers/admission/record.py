"""Records what a real API server makes of what it is sent: ``python -m tests.analyzers.admission.record``.

Its mutating webhook does to pods, deployments and secrets of its namespace what a mesh or a policy engine does to them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from analyzers.exchange import Exchange
from analyzers.readers import wire_text
from tests.cluster.api import wait_until
from tests.cluster.binaries import binaries
from tests.cluster.cluster import Cluster
from tests.cluster.record import Recorder
from tests.cluster.webhook import Decision, Review, allow, webhook

HERE = Path(__file__).parent
NS = "hooked"
PODS, SECRETS, CONFIGMAPS, SERVICES = (
    f"/api/v1/namespaces/{NS}/{resource}" for resource in ("pods", "secrets", "configmaps", "services")
)
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NS}/deployments"
# Made up for the tests, which look for it in every output.
CANARY = "canary-5up3r-s3cr3t"
HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
MERGE = {"Content-Type": "application/merge-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}


def pod(name: str) -> dict[str, Any]:
    container = {
        "name": "web", "image": "registry.example/web:1", "args": ["--listen=:8080"],
        "env": [{"name": "LEVEL", "value": "info"}, {"name": "DB_PASSWORD", "value": CANARY}],
        "ports": [{"containerPort": 8080}],
        "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": 0.5}},
    }  # fmt: skip
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [container], "hostNetwork": False, "nodeSelector": {}},
    }  # fmt: skip


def deployment(name: str) -> dict[str, Any]:
    template = pod(name)
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "creationTimestamp": None},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "strategy": {},
            "template": {"metadata": {"labels": {"app": "web"}, "creationTimestamp": None}, "spec": template["spec"]},
        },
        "status": {},
    }  # fmt: skip


def mutating() -> Decision:
    """An image from a mirror, a proxy beside every container, a label, a password of the webhook's own choice."""

    def decide(review: Review) -> tuple[int, bytes]:
        found = review["request"]["object"]
        operations: list[dict[str, Any]] = []
        if found["kind"] == "Pod" and review["request"]["operation"] == "CREATE":
            image = found["spec"]["containers"][0]["image"].replace("registry.example", "mirror.example")
            sidecar = {"name": "istio-proxy", "image": "mirror.example/proxy:1"}
            operations = [
                {"op": "replace", "path": "/spec/containers/0/image", "value": image},
                {"op": "replace", "path": "/spec/containers/0/env/1/value", "value": f"{CANARY}-other"},
                {"op": "add", "path": "/spec/containers/0/env/-", "value": {"name": "ZONE", "value": "a"}},
                {"op": "add", "path": "/spec/containers/0", "value": sidecar},
                {"op": "add", "path": "/metadata/labels/team", "value": "web"},
            ]
        elif found["kind"] == "Deployment":
            operations = [
                {"op": "replace", "path": "/spec/replicas", "value": 2},
                {"op": "add", "path": "/metadata/annotations", "value": {"policy.example/checked": "yes"}},
            ]
        elif found["kind"] == "Secret":
            value = base64.b64encode(f"{CANARY}-other".encode()).decode()
            operations = [
                {"op": "replace", "path": "/data/password", "value": value},
                {"op": "add", "path": "/data/salt", "value": value},
            ]
        if not operations:
            return allow()(review)
        patch = base64.b64encode(json.dumps(operations).encode()).decode()
        return allow(patchType="JSONPatch", patch=patch)(review)

    return decide


def save(name: str, exchanges: Iterable[Exchange], comment: str) -> None:
    numbered = [replace(one, id=number) for number, one in enumerate(exchanges, start=1)]
    assert numbered, name
    (HERE / f"{name}.http").write_text(wire_text.write(numbered, comment), "utf-8")
    print(name, *(one.response.status if one.response else "-" for one in numbered), flush=True)


def plain(r: Recorder, said: str) -> None:
    """Without a webhook: what the API server does by itself."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}}
    save("configmap_create", [r.send("POST", CONFIGMAPS, config)], said)
    ports = [{"port": 80, "targetPort": 8080}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": ports}}
    save("service_create", [r.send("POST", SERVICES, service)], said)
    misspelt = {**deployment("misspelt")}
    misspelt["spec"] = {**misspelt["spec"], "replica": 3}
    save("deployment_create_misspelt", [r.send("POST", DEPLOYMENTS, misspelt)], f"{said}: a field that does not exist")
    created = r.kubectl("apply", "-n", NS, "-f", "-", stdin=json.dumps(deployment("applied")))
    save("kubectl_apply_creates", [one for one in created if one.request.method == "POST"], said)
    stored = r.cluster.arrange("GET", f"{DEPLOYMENTS}/applied")
    save("deployment_replace", [r.send("PUT", f"{DEPLOYMENTS}/applied", stored)], f"{said}: nothing is changed")
    job = {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {
            "spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}}}}},
    }  # fmt: skip
    save("cronjob_create", [r.send("POST", f"/apis/batch/v1/namespaces/{NS}/cronjobs", job)], said)


def mutated(r: Recorder, said: str) -> None:
    """With the webhook."""
    save("pod_create", [r.send("POST", PODS, pod("web"))], said)
    save("pod_create_dry_run", [r.send("POST", f"{PODS}?dryRun=All", pod("dry"))], said)
    applied = yaml.safe_dump(pod("applied"), sort_keys=False).encode()
    path = f"{PODS}/applied?fieldManager=me&force=true"
    save("pod_apply", [r.send("PATCH", path, applied, headers=APPLY)], said)
    save("deployment_create", [r.send("POST", DEPLOYMENTS, deployment("web"))], said)
    again = yaml.safe_dump(deployment("again"), sort_keys=False).encode()
    path = f"{DEPLOYMENTS}/again?fieldManager=me&force=true"
    save("deployment_apply", [r.send("PATCH", path, again, headers=APPLY) for _ in range(2)], f"{said}: applied twice")
    named = f"{DEPLOYMENTS}/web"
    container = {"name": "web", "image": "registry.example/web:2", "resources": {"limits": {"cpu": "2000m"}}}
    order = {"$setElementOrder/containers": [{"name": "web"}]}
    template = {"spec": {**order, "containers": [container]}}
    save("deployment_patches", [
        r.send("PATCH", named, {"spec": {"replicas": 5, "template": template}}, headers=STRATEGIC),
        r.send("PATCH", named, {"spec": {"replicas": 5, "minReadySeconds": None}}, headers=MERGE),
        r.send("PATCH", named, [
            {"op": "test", "path": "/spec/replicas", "value": 2},
            {"op": "replace", "path": "/spec/replicas", "value": 5},
            {"op": "replace", "path": "/spec/paused", "value": True},
        ], headers=JSON_PATCH),
    ], f"{said}: strategic merge, merge and JSON patch")  # fmt: skip
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": CANARY}}
    save("secret_create", [r.send("POST", SECRETS, secret)], said)


def main() -> None:
    with Cluster(binaries(), nodes=False) as cluster:
        r = Recorder(cluster)
        said = f"recorded from kube-apiserver {r.version}"
        cluster.add_namespace(NS)
        plain(r, said)
        with webhook(mutating()) as hooked:
            rule = {
                "operations": ["CREATE", "UPDATE"], "apiGroups": ["*"], "apiVersions": ["v1"],
                "resources": ["pods", "deployments", "secrets"],
            }  # fmt: skip
            hook = {
                "name": "policy.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": hooked.url, "caBundle": base64.b64encode(hooked.ca).decode()},
                "rules": [rule], "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NS}},
            }  # fmt: skip
            cluster.arrange("POST", HOOKS, {"metadata": {"name": NS}, "webhooks": [hook]})

            def asked() -> bool:
                r.send("POST", f"{PODS}?dryRun=All", pod("probe"))
                return bool(hooked.reviews)

            wait_until("the webhook is asked", asked)
            mutated(r, f"{said} with a mutating webhook")


if __name__ == "__main__":
    main()
