"""Webhooks that cannot be asked, and webhooks that say no."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from tests.cluster import faults, webhook
from tests.cluster.api import wait_until
from tests.cluster.record import Recorder, save
from tests.cluster.recordings.case import (
    CONFIGMAPS,
    NEW,
    records,
    refused,
)

# Gatekeeper: pkg/webhook/policy.go, 3.14. Kyverno: pkg/webhooks/utils/block.go, 1.11.
_POLICY_ENGINES = (
    (
        "gatekeeper",
        403,
        '[ns-must-have-gk] you must provide labels: {"gatekeeper"}\n[only-our-registry] container <c> has an invalid '
        'image repo <busybox>, allowed repos are ["registry.example.com/"]',
    ),
    (
        "kyverno",
        0,
        "\n\nresource ConfigMap/prod/new was blocked due to the following policies \n\nrequire-labels:\n"
        "  check-team: 'validation error: label team is required. rule check-team failed at path "
        "/metadata/labels/team/'\n",
    ),
    ("silent", 0, ""),
)


@records("health-webhook", "request-webhook-denied")
def webhooks(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"

    def post(namespace: str) -> Any:
        return r.send("POST", CONFIGMAPS.format(namespace), NEW)

    with faults.unreachable_webhook(r.cluster) as namespace:
        save("health-webhook", "hit_refused", [post(namespace)], f"{said}: a webhook where nobody listens")
    with faults.refusing_webhook(r.cluster, webhook.deny("nothing new here"), trusted=False) as namespace:
        save("health-webhook", "hit_x509", [post(namespace)], f"{said}: a webhook whose certificate another CA signed")
    over = threading.Event()
    with faults.refusing_webhook(r.cluster, webhook.hang(over), seconds=1) as namespace:
        save("health-webhook", "hit_timeout", [post(namespace)], f"{said}: a webhook that does not answer")
        over.set()
    with faults.refusing_webhook(r.cluster, webhook.fail()) as namespace:
        save("health-webhook", "hit_500", [post(namespace)], f"{said}: a webhook that answers 500")
    with faults.refusing_webhook(r.cluster, webhook.garbage()) as namespace:
        save("health-webhook", "hit_garbage", [post(namespace)], f"{said}: a webhook that answers with a page")
    with faults.refusing_webhook(r.cluster, webhook.deny("x509: only certificates of our own CA, please")) as namespace:
        denied_ = post(namespace)
    save("health-webhook", "miss_denied", [denied_], f"{said}: a webhook that says no, and whose message says x509")
    for rule, code, why in (
        ("request-webhook-denied", None, ""),
        ("request-webhook-denied", 409, "Conflict"),
        ("request-webhook-denied", 422, "Invalid"),
        ("request-webhook-denied", 500, "InternalError"),
        ("request-webhook-denied", 401, "Unauthorized"),
    ):
        status = {} if code is None else {"code": code, "reason": why}
        with faults.refusing_webhook(r.cluster, webhook.deny("label team is missing", **status)) as namespace:
            save(
                rule,
                f"hit_{code or 'default'}",
                [post(namespace)],
                f"{said}: a webhook that refuses with {code or 'no code of its own'}",
            )
    for name, code, words in _POLICY_ENGINES:
        with faults.refusing_webhook(r.cluster, webhook.deny(words, **({"code": code} if code else {}))) as namespace:
            save(
                "request-webhook-denied",
                f"hit_{name}",
                [post(namespace)],
                f"{said}: a webhook that refuses in the words of {name.capitalize()}"
                if words
                else f"{said}: a webhook that refuses without a word",
            )
    with faults.unreachable_webhook(r.cluster) as namespace:
        save("request-webhook-denied", "miss_unreachable", [post(namespace)], f"{said}: a webhook where nobody listens")


@records("health-webhook", alone=("--enable-aggregator-routing=true",))
def service_webhooks(r: Recorder) -> None:
    """Webhooks that are named by a Service: one that does not exist, one without pods."""
    hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    said = f"recorded from kube-apiserver {r.version} with --enable-aggregator-routing"
    r.cluster.arrange(
        "POST",
        "/api/v1/namespaces/prod/services",
        {"metadata": {"name": "policy"}, "spec": {"ports": [{"port": 443}], "selector": {"app": "nobody"}}},
    )
    for service, name, words in (
        ("gone", "hit_no_service", "that does not exist"),
        ("policy", "hit_no_endpoints", "without pods"),
    ):
        with faults.namespace(r.cluster, "hooked") as namespace:
            hook = {
                "name": "policy.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "failurePolicy": "Fail",
                "clientConfig": {"service": {"namespace": "prod", "name": service, "path": "/validate"}},
                "rules": [
                    {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}, "timeoutSeconds": 3,
            }  # fmt: skip
            r.cluster.arrange("POST", hooks, {"metadata": {"name": namespace}, "webhooks": [hook]})
            path = CONFIGMAPS.format(namespace)
            wait_until(
                "the webhook is asked",
                partial(refused, r, path, NEW),
            )
            save("health-webhook", name, [r.send("POST", path, NEW)], f"{said}: a webhook behind a Service {words}")
            r.cluster.arrange("DELETE", f"{hooks}/{namespace}")
