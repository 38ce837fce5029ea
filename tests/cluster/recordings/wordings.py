"""Every way in which the API server says that a request is wrong: its body, its patch, its options, its media types."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.cluster.record import Recorder, save
from tests.cluster.recordings.case import APPLY, CONFIGMAPS, MERGE, PODS, UPGRADE, deployment, pod, records

DEPLOYMENTS = "/apis/apps/v1/namespaces/prod/deployments"
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}


@records("request-decoding")
def bodies(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    rule = "request-decoding"
    settings = CONFIGMAPS.format("prod") + "/settings"
    save(
        rule,
        "hit_other_kind",
        [r.send("POST", CONFIGMAPS.format("prod"), deployment("web"))],
        f"{said}: a Deployment where a ConfigMap belongs",
    )
    save(
        rule,
        "hit_other_version",
        [r.send("POST", CONFIGMAPS.format("prod"), {"apiVersion": "v2", "kind": "ConfigMap"})],
        f"{said}: a version that does not exist",
    )
    save(
        rule,
        "hit_no_kind",
        [r.send("POST", DEPLOYMENTS, b"\x00\x01")],
        f"{said}: bytes that are no JSON",
    )
    wrong = {**deployment("web"), "spec": [1]}
    save(rule, "hit_list", [r.send("PUT", f"{DEPLOYMENTS}/web", wrong)], f"{said}: a list where an object belongs")
    save(
        rule,
        "hit_merge_patch",
        [r.send("PATCH", settings, b'{"data": ', headers=MERGE)],
        f"{said}: a merge patch that ends early",
    )
    save(
        rule,
        "hit_json_patch",
        [r.send("PATCH", settings, {"op": "add"}, headers=JSON_PATCH)],
        f"{said}: a JSON patch that is no list",
    )
    typo = json.dumps({**deployment("web"), "specs": {}}).encode()
    save(
        rule,
        "hit_apply",
        [r.send("PATCH", f"{DEPLOYMENTS}/web?fieldManager=me&fieldValidation=Strict", typo, headers=APPLY)],
        f"{said}: kubectl apply --server-side of a field that does not exist",
    )
    twice = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1'}\ndata: {b: '2'}\n"
    save(
        rule,
        "hit_apply_duplicate",
        [r.send("PATCH", f"{settings}?fieldManager=me&fieldValidation=Strict", twice, headers=APPLY)],
        f"{said}: kubectl apply --server-side of a field that is there twice",
    )
    save(
        rule,
        "hit_apply_yaml",
        [r.send("PATCH", f"{settings}?fieldManager=me", b"a: b: c", headers=APPLY)],
        f"{said}: an apply that is no YAML",
    )


@records("request-invalid")
def patches(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    settings = CONFIGMAPS.format("prod") + "/settings"
    missing = [{"op": "remove", "path": "/data/nothing"}]
    save(
        "request-invalid",
        "hit_json_patch",
        [r.send("PATCH", settings, missing, headers=JSON_PATCH)],
        f"{said}: a JSON patch of a field that is not there",
    )
    tested = [{"op": "test", "path": "/data/a", "value": "nothing"}]
    save(
        "request-invalid",
        "hit_json_patch_test",
        [r.send("PATCH", settings, tested, headers=JSON_PATCH)],
        f"{said}: a JSON patch whose test fails",
    )
    save(
        "request-invalid",
        "hit_patch_options",
        [r.send("PATCH", settings, b"{}", headers=APPLY)],
        f"{said}: an apply without a field manager",
    )
    save(
        "request-invalid",
        "hit_strategic_patch",
        [r.send("PATCH", f"{DEPLOYMENTS}/web", {"spec": "none"}, headers=STRATEGIC)],
        f"{said}: a strategic merge patch with a string where an object belongs",
    )
    review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    save(
        "request-invalid",
        "hit_review",
        [r.send("POST", review, {"spec": {}})],
        f"{said}: a review that asks about nothing",
    )
    save(
        "request-invalid",
        "hit_dry_run",
        [r.send("POST", CONFIGMAPS.format("prod") + "?dryRun=yes", {"metadata": {"name": "new"}})],
        f"{said}: a dry run that is not called All",
    )


@records("request-refused")
def contradictions(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    rule = "request-refused"

    def refused(name: str, words: str, method: str, path: str, body: object = None, **options: Any) -> None:
        save(rule, f"hit_{name}", [r.send(method, path, body, **options)], f"{said}: {words}")

    settings = CONFIGMAPS.format("prod")
    renamed = {"metadata": {"name": "other"}}
    refused("name_patch", "a patch of the name", "PATCH", f"{settings}/settings", renamed, headers=MERGE)
    other = {"metadata": {"name": "new", "namespace": "default"}}
    refused("namespace", "two namespaces for one object", "POST", settings, other)
    other = {"metadata": {"name": "settings", "namespace": "default"}}
    refused("namespace_put", "two namespaces in a replacement", "PUT", f"{settings}/settings", other)
    refused("field_selector", "a field that cannot be selected by", "GET", f"{PODS}?fieldSelector=spec.image%3Dx")
    refused("label_selector", "a label selector that cannot be read", "GET", f"{PODS}?labelSelector=a%3D%3D%3Db")
    refused("timeout", "a timeout that is none", "GET", f"{PODS}?timeout=soon")
    refused("limit", "a limit that is no number", "GET", f"{PODS}?limit=many")
    refused("list_version", "a list of a version that is no number", "GET", f"{PODS}?resourceVersion=abc")
    page = r.cluster.arrange("GET", "/api/v1/configmaps?limit=1")["metadata"]["continue"]
    refused(
        "continue_and_version",
        "the next page of a list, and a version",
        "GET",
        f"/api/v1/configmaps?limit=1&resourceVersion=5&continue={page}",
    )
    refused(
        "watch_version_huge",
        "a number too large to be a version",
        "GET",
        f"{PODS}?resourceVersion=99999999999999999999",
    )
    refused(
        "binding",
        "two names in a binding",
        "POST",
        "/api/v1/namespaces/default/pods/p0/binding",
        {"metadata": {"name": "p1"}, "target": {"kind": "Node", "name": "n0"}},
    )
    refused(
        "token_review",
        "a token review without a token",
        "POST",
        "/apis/authentication.k8s.io/v1/tokenreviews",
        {"spec": {}},
    )


@records("request-container", "request-exec-target")
def containers(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    rule = "request-container"
    pods = "/api/v1/namespaces/default/pods"
    two = pod("two")
    two["spec"]["containers"].append({"name": "sidecar", "image": "busybox"})
    two["spec"]["nodeName"] = "n0"
    r.cluster.arrange("POST", pods, two)
    lonely = pod("lonely")
    lonely["spec"]["nodeSelector"] = {"nobody": "has-this"}
    r.cluster.arrange("POST", pods, lonely)
    save(rule, "hit_which", [r.send("GET", f"{pods}/two/log")], f"{said}: logs of a pod with two containers")
    unknown = r.send("GET", f"{pods}/p0/log?container=nobody")
    save(rule, "hit_unknown", [unknown], f"{said}: a container that the pod does not have")
    save("request-exec-target", "miss_unknown", [unknown], f"{said}: a container that the pod does not have")
    save(
        rule,
        "hit_unscheduled",
        [
            r.send(
                "POST",
                f"{pods}/lonely/exec?command=ls&stdout=true",
                headers={**UPGRADE, "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"},
            )
        ],
        f"{said}: exec into a pod that no node has taken",
    )
    save(rule, "miss_no_pod", [r.send("GET", f"{pods}/nobody/log")], f"{said}: a pod that is not there")
    for name in ("two", "lonely"):
        r.cluster.arrange("DELETE", f"{pods}/{name}?gracePeriodSeconds=0")


@records("request-method", "request-too-large")
def formats(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    settings = CONFIGMAPS.format("prod") + "/settings"
    save(
        "request-method",
        "hit_put_list",
        [r.send("PUT", CONFIGMAPS.format("prod"), {"metadata": {"name": "all"}})],
        f"{said}: a replacement of a whole list",
    )
    save(
        "request-method",
        "hit_watch",
        [r.send("GET", "/api/v1/componentstatuses?watch=1")],
        f"{said}: a watch of what cannot be watched",
    )
    operations = [{"op": "test", "path": "/data/a", "value": "1"}] * 10001
    many = r.send("PATCH", settings, operations, headers=JSON_PATCH)
    save(
        "request-too-large",
        "hit_json_patch",
        [replace(many, request=replace(many.request, body=None))],
        f"{said}: a JSON patch of more than 10000 operations; the body is left out here",
    )
