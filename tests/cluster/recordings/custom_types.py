"""What the API server says of custom resources in words of its own."""

from __future__ import annotations

import base64
from typing import Any

from tests.cluster.api import wait_until
from tests.cluster.record import Recorder, save
from tests.cluster.recordings.case import MERGE, records

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "stable.example.com"
WIDGETS = f"/apis/{GROUP}/v1/namespaces/prod/widgets"


@records(
    "request-admission-denied",
    "request-invalid",
    "request-media-type",
    "request-method",
    "request-no-such-type",
    "request-not-found",
)
def custom(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    _define(r, "widgets", "Widget")
    widget = {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}}
    r.cluster.arrange("POST", WIDGETS, widget)
    save(
        "request-invalid",
        "hit_no_version",
        [r.send("PUT", f"{WIDGETS}/w", widget)],
        f"{said}: a replacement of a custom resource without resourceVersion",
    )
    wrong = {**widget, "metadata": {"name": "x"}, "spec": {"size": "large"}}
    save(
        "request-invalid",
        "hit_schema",
        [r.send("POST", WIDGETS, wrong)],
        f"{said}: a custom resource that does not fit its schema",
    )
    save(
        "request-media-type",
        "hit_406_custom",
        [r.send("GET", WIDGETS, headers={"Accept": "application/vnd.kubernetes.protobuf"})],
        f"{said}: custom resources in protobuf",
    )
    save(
        "request-media-type",
        "hit_415_custom",
        [
            r.send(
                "PATCH",
                f"{WIDGETS}/w",
                {"spec": {"size": 2}},
                headers={"Content-Type": "application/strategic-merge-patch+json"},
            )
        ],
        f"{said}: a strategic merge patch of a custom resource",
    )
    save(
        "request-method",
        "hit_custom",
        [r.send("OPTIONS", f"{WIDGETS}/w")],
        f"{said}: a method that custom resources do not have",
    )
    save(
        "request-method",
        "hit_custom_status",
        [r.send("DELETE", f"{WIDGETS}/w/status")],
        f"{said}: a DELETE of the status of a custom resource",
    )
    save(
        "request-no-such-type",
        "hit_custom_version",
        [r.send("GET", f"/apis/{GROUP}/v2/namespaces/prod/widgets")],
        f"{said}: a version that the CustomResourceDefinition does not have",
    )
    save(
        "request-no-such-type",
        "hit_no_namespace",
        [r.send("POST", f"/apis/{GROUP}/v1/widgets", widget)],
        f"{said}: a custom resource of a namespace, made without one",
    )
    save(
        "request-not-found",
        "hit_custom_subresource",
        [r.send("GET", f"{WIDGETS}/w/scale")],
        f"{said}: a subresource that the type does not have",
    )
    held = {**widget, "metadata": {"name": "held", "finalizers": ["mitmkube.test/held"]}}
    r.cluster.arrange("POST", WIDGETS, held)
    r.cluster.arrange("DELETE", f"{CRDS}/widgets.{GROUP}")
    new = {**widget, "metadata": {"name": "new"}}
    wait_until("the type is going", lambda: r.cluster.call("POST", f"{WIDGETS}?dryRun=All", new).status == 403)
    save(
        "request-admission-denied",
        "hit_type_terminating",
        [r.send("POST", WIDGETS, new)],
        f"{said}: a custom resource whose CustomResourceDefinition is being deleted",
    )
    r.cluster.arrange("PATCH", f"{WIDGETS}/held", {"metadata": {"finalizers": None}}, headers=MERGE)


@records("health-webhook")
def conversion(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    webhook = {
        "strategy": "Webhook",
        "webhook": {
            "conversionReviewVersions": ["v1"],
            "clientConfig": {"url": "https://127.0.0.1:1/convert", "caBundle": _bundle(r)},
        },
    }
    _define(r, "gadgets", "Gadget", conversion=webhook)
    path = f"/apis/{GROUP}/{{}}/namespaces/prod/gadgets"
    gadget = {"apiVersion": f"{GROUP}/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": {"size": 1}}
    r.cluster.arrange("POST", path.format("v1"), gadget)
    save(
        "health-webhook",
        "hit_conversion",
        [r.send("GET", path.format("v1beta1") + "/g")],
        f"{said}: a conversion webhook where nobody listens",
    )


def _bundle(r: Recorder) -> str:
    return base64.b64encode(r.cluster.ca_file.read_bytes()).decode()


def _define(r: Recorder, plural: str, kind: str, **spec: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
    }
    versions = [
        {"name": name, "served": True, "storage": name == "v1", "schema": {"openAPIV3Schema": schema}}
        for name in (("v1", "v1beta1") if spec else ("v1",))
    ]
    versions[0]["subresources"] = {"status": {}}
    r.cluster.arrange(
        "POST",
        CRDS,
        {
            "metadata": {"name": f"{plural}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "scope": "Namespaced",
                "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
                "versions": versions,
                **spec,
            },
        },
    )
    path = f"/apis/{GROUP}/v1/namespaces/prod/{plural}"
    wait_until(f"{plural} are served", lambda: r.cluster.call("GET", path).status == 200)
