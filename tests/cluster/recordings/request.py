"""What is refused on its content."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from typing import Any

from tests.cluster import faults
from tests.cluster.api import wait_until
from tests.cluster.record import Recorder, save
from tests.cluster.recordings.case import (
    CONFIGMAPS,
    MERGE,
    NEW,
    PODS,
    deployment,
    pod,
    records,
    refused,
)


@records("request-disruption-budget")
def budget(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    with faults.disruption_budget(r.cluster) as one:
        save(
            "request-disruption-budget",
            "hit",
            [r.send("POST", one.eviction_path, one.eviction)],
            f"{said}: the only pod of its application",
        )
        selector = {"matchLabels": {"app": "web"}}
        r.cluster.arrange(
            "POST",
            f"/apis/policy/v1/namespaces/{one.namespace}/poddisruptionbudgets",
            {"metadata": {"name": "second"}, "spec": {"minAvailable": 1, "selector": selector}},
        )
        time.sleep(1)
        save(
            "request-disruption-budget",
            "hit_two_budgets",
            [r.send("POST", one.eviction_path, one.eviction)],
            f"{said}: a pod that two budgets cover",
        )
    with faults.throttled(r.cluster, "bob"):
        save(
            "request-disruption-budget",
            "miss_throttled",
            [r.send("POST", "/api/v1/namespaces/default/pods/p0/eviction", {}, identity="bob")],
            f"{said}: a 429 of flow control",
        )


@records("request-not-found", "request-no-such-type", "request-namespace-missing")
def not_found(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    absent = r.failing("get", "pod", "web", "-n", "prod")[-1:]
    save("request-not-found", "hit", absent, f"{said}: kubectl get pod web -n prod")
    save(
        "request-not-found",
        "hit_cluster_scoped",
        [r.send("GET", "/api/v1/nodes/n7")],
        f"{said}: an object without a namespace",
    )
    save(
        "request-not-found",
        "hit_group",
        [r.send("DELETE", "/apis/apps/v1/namespaces/prod/deployments/nobody")],
        f"{said}: an object of a group",
    )
    typeless = r.send("GET", "/apis/apps/v9/namespaces/prod/deployments")
    save("request-not-found", "miss_no_such_type", [typeless], f"{said}: a version that does not exist")
    missing = r.send("POST", CONFIGMAPS.format("staging"), NEW)
    save("request-not-found", "miss_namespace", [missing], f"{said}: a namespace that does not exist")
    save("request-no-such-type", "hit_version", [typeless], f"{said}: a version that does not exist")
    save(
        "request-no-such-type",
        "hit_group",
        [r.send("GET", "/apis/example.com/v1/namespaces/prod/widgets")],
        f"{said}: a group that does not exist",
    )
    save(
        "request-no-such-type",
        "hit_resource",
        [r.send("GET", "/api/v1/namespaces/prod/widgets")],
        f"{said}: a resource that does not exist",
    )
    save("request-no-such-type", "hit_path", [r.send("GET", "/nowhere")], f"{said}: a path that does not exist")
    save("request-no-such-type", "miss_object", absent, f"{said}: kubectl get pod web -n prod")
    save("request-namespace-missing", "hit", [missing], f"{said}: a namespace that does not exist")
    save(
        "request-namespace-missing",
        "miss_asked_for",
        [r.send("GET", "/api/v1/namespaces/staging")],
        f"{said}: the namespace itself was asked for",
    )


@records("request-invalid", "request-decoding", "request-refused")
def invalid(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    path = "/apis/apps/v1/namespaces/prod/deployments"
    save("request-invalid", "hit", [r.send("POST", path, deployment("bad", replicas=-1))], f"{said}: one wrong value")
    two = deployment("Bad_Name", replicas=-1)
    save("request-invalid", "hit_two", [r.send("POST", path, two)], f"{said}: two wrong values")
    moved = r.cluster.arrange("GET", f"{path}/web")
    moved["spec"]["selector"]["matchLabels"] = {"app": "other"}
    moved["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    save(
        "request-invalid",
        "hit_immutable",
        [r.send("PUT", f"{path}/web", moved)],
        f"{said}: a field that may not change",
    )
    save(
        "request-invalid",
        "hit_options",
        [r.send("GET", f"{PODS}?resourceVersionMatch=Exact")],
        f"{said}: options that contradict each other",
    )
    strict = f"{path}?fieldValidation=Strict"
    typo = deployment("typo", replica=2)
    unknown = r.send("POST", strict, typo)
    save("request-invalid", "miss_unknown_field", [unknown], f"{said}: a field that does not exist")
    save("request-decoding", "hit_unknown_field", [unknown], f"{said}: a field that does not exist, read strictly")
    twice = json.dumps(deployment("twice")).replace('"replicas": 0', '"replicas": 0, "replicas": 1').encode()
    save(
        "request-decoding",
        "hit_duplicate_field",
        [r.send("POST", strict, twice)],
        f"{said}: a field that is there twice",
    )
    save(
        "request-decoding",
        "hit_type",
        [r.send("POST", strict, deployment("text", replicas="two"))],
        f"{said}: a string where a number belongs",
    )
    save(
        "request-decoding",
        "hit_patch",
        [r.send("PATCH", f"{path}/web?fieldValidation=Strict", {"spec": {"replica": 2}}, headers=MERGE)],
        f"{said}: a patch of a field that does not exist",
    )
    save(
        "request-decoding", "hit_garbage", [r.send("POST", strict, b"replicas: 2")], f"{said}: YAML that is called JSON"
    )
    save(
        "request-decoding",
        "miss_warned",
        [r.send("POST", f"{path}?fieldValidation=Warn&dryRun=All", typo)],
        f"{said}: a field that does not exist, read leniently",
    )
    save(
        "request-decoding",
        "miss_value",
        [r.send("POST", path, deployment("bad", replicas=-1))],
        f"{said}: one wrong value",
    )
    save(
        "request-refused",
        "hit_name",
        [r.send("PUT", f"{path}/web", deployment("app"))],
        f"{said}: two names for one object",
    )
    save(
        "request-refused",
        "hit_continue",
        [r.send("GET", f"{PODS}?continue=nonsense")],
        f"{said}: a continue token that is none",
    )
    save("request-refused", "miss_decoding", [unknown], f"{said}: a field that does not exist, read strictly")


@records("request-quota", "request-pod-security", "request-limit-range", "request-admission-denied")
def admission(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    with faults.exhausted_quota(r.cluster) as namespace:
        pods = f"/api/v1/namespaces/{namespace}/pods"
        save("request-quota", "hit_exceeded", [r.send("POST", pods, pod("web"))], f"{said}: no pod is allowed")
        quota = {"metadata": {"name": "compute"}, "spec": {"hard": {"limits.cpu": "2"}}}
        r.cluster.arrange("POST", f"/api/v1/namespaces/{namespace}/resourcequotas", quota)
        r.cluster.arrange("DELETE", f"/api/v1/namespaces/{namespace}/resourcequotas/no-more")
        wait_until(
            "the quota asks for limits",
            lambda: "must specify" in r.cluster.call("POST", f"{pods}?dryRun=All", pod("web")).text,
        )
        save(
            "request-quota",
            "hit_must_specify",
            [r.send("POST", pods, pod("web"))],
            f"{said}: a quota on limits, and a pod without",
        )
        save(
            "request-quota",
            "miss_denied",
            [r.send("POST", pods, pod("web"), identity="jane")],
            f"{said}: a user who may not",
        )
    with faults.restricted_namespace(r.cluster) as namespace:
        pods = f"/api/v1/namespaces/{namespace}/pods"
        save(
            "request-pod-security",
            "hit",
            [r.send("POST", pods, pod("web"))],
            f"{said}: level restricted, and a pod that says nothing",
        )
    with faults.restricted_namespace(r.cluster, "baseline") as namespace:
        pods = f"/api/v1/namespaces/{namespace}/pods"
        root = pod("web", securityContext={"privileged": True})
        root["spec"]["hostNetwork"] = True
        save(
            "request-pod-security",
            "hit_baseline",
            [r.send("POST", pods, root)],
            f"{said}: level baseline, and a privileged pod",
        )
        save(
            "request-pod-security",
            "miss_allowed",
            [r.send("POST", pods, pod("web"))],
            f"{said}: level baseline, and an ordinary pod",
        )
    with faults.namespace(r.cluster, "ranged") as namespace:
        pods = f"/api/v1/namespaces/{namespace}/pods"
        limits = {
            "metadata": {"name": "sizes"},
            "spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}, "min": {"memory": "10Mi"}}]},
        }
        r.cluster.arrange("POST", f"/api/v1/namespaces/{namespace}/limitranges", limits)
        large = pod("web", resources={"limits": {"cpu": "2", "memory": "1Mi"}})
        wait_until("the LimitRange counts", lambda: r.cluster.call("POST", f"{pods}?dryRun=All", large).status == 403)
        save(
            "request-limit-range",
            "hit",
            [r.send("POST", pods, large)],
            f"{said}: a container that is too large and too small",
        )
        fits = pod("web", resources={"limits": {"cpu": "1", "memory": "20Mi"}})
        save("request-limit-range", "miss_fits", [r.send("POST", pods, fits)], f"{said}: a container that fits")
    runner = pod("web")
    runner["spec"]["serviceAccountName"] = "runner"
    save(
        "request-admission-denied",
        "hit_service_account",
        [r.send("POST", PODS, runner)],
        f"{said}: a service account that does not exist",
    )
    save(
        "request-admission-denied",
        "hit_namespace",
        [r.send("DELETE", "/api/v1/namespaces/kube-system")],
        f"{said}: a namespace that may not be deleted",
    )
    important = pod("web")
    important["spec"]["priorityClassName"] = "urgent"
    save(
        "request-admission-denied",
        "hit_priority",
        [r.send("POST", PODS, important)],
        f"{said}: a priority class that does not exist",
    )
    save(
        "request-admission-denied",
        "miss_denied",
        [r.send("POST", PODS, runner, identity="jane")],
        f"{said}: a user who may not",
    )


POLICIES = "/apis/admissionregistration.k8s.io/v1"


@records("request-policy-denied")
def policies(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    for reason in ("", "Forbidden", "RequestEntityTooLarge"):
        with faults.namespace(r.cluster, "policed") as namespace:
            _policy(r, namespace, reason)
            path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
            wait_until(
                "the policy is in force",
                partial(refused, r, path, deployment("web", replicas=9)),
            )
            save(
                "request-policy-denied",
                f"hit_{reason.lower() or 'default'}",
                [r.send("POST", path, deployment("web", replicas=9))],
                f"{said}: a ValidatingAdmissionPolicy with {reason or 'no'} reason",
            )
            if not reason:
                save(
                    "request-policy-denied",
                    "miss_allowed",
                    [r.send("POST", path, deployment("web", replicas=1))],
                    f"{said}: what the policy allows",
                )


def _policy(r: Recorder, namespace: str, reason: str) -> None:
    validation = {
        "expression": "object.spec.replicas <= 5",
        **({"reason": reason, "message": "at most five replicas"} if reason else {}),
    }
    rules = [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}]
    spec = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": rules}, "validations": [validation]}
    name = f"replica-limit-{namespace}"
    r.cluster.arrange("POST", f"{POLICIES}/validatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec})
    selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": selector}
    r.cluster.arrange(
        "POST", f"{POLICIES}/validatingadmissionpolicybindings", {"metadata": {"name": name}, "spec": binding}
    )


@records("request-method", "request-media-type", "request-too-large", "health-server-error")
def formats(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    save(
        "request-method",
        "hit",
        [r.send("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")],
        f"{said}: a review that can only be created",
    )
    save(
        "request-method",
        "miss_no_such_type",
        [r.send("GET", "/apis/authorization.k8s.io/v1/widgets")],
        f"{said}: a type that does not exist",
    )
    save(
        "request-media-type",
        "hit_406",
        [r.send("GET", PODS, headers={"Accept": "text/csv"})],
        f"{said}: an answer in CSV",
    )
    settings = CONFIGMAPS.format("prod") + "/settings"
    save(
        "request-media-type",
        "hit_415",
        [r.send("PATCH", settings, b"{}", headers={"Content-Type": "text/csv"})],
        f"{said}: a patch in CSV",
    )
    save(
        "request-media-type",
        "hit_415_body",
        [r.send("POST", CONFIGMAPS.format("prod"), b"{}", headers={"Content-Type": "text/csv"})],
        f"{said}: an object in CSV",
    )
    save(
        "request-media-type",
        "miss_bad_patch",
        [r.send("PATCH", settings, b"{", headers=MERGE)],
        f"{said}: a patch that is no JSON",
    )
    big = json.dumps({"metadata": {"name": "big"}, "data": {"a": "x" * 3200000}}).encode()
    too_large = r.send("POST", CONFIGMAPS.format("prod"), big)

    save(
        "request-too-large",
        "hit",
        [replace(too_large, request=replace(too_large.request, body=None))],
        f"{said}: 3.2 MB, whose body is left out here",
    )
    for_etcd = json.dumps(
        {
            "metadata": {"name": "big", "annotations": {}},
            "data": {f"k{n}": "\\n" * 50 for n in range(1)},
            "binaryData": {"a": "AAAA" * 200000},
        }
    )
    del for_etcd
    wide = r.send("POST", "/apis/apps/v1/namespaces/prod/deployments", _wide())
    save(
        "request-too-large",
        "hit_etcd",
        [replace(wide, request=replace(wide.request, body=None))],
        f"{said}: 2 MB, too much for etcd; the body is left out here",
    )
    medium = json.dumps({"metadata": {"name": "big"}, "data": {"a": "x" * 1100000}}).encode()
    over = r.send("POST", CONFIGMAPS.format("prod"), medium)
    save(
        "request-too-large",
        "miss_invalid",
        [replace(over, request=replace(over.request, body=None))],
        f"{said}: a ConfigMap of more than 1 MiB: validation says so; the body is left out here",
    )
    save(
        "request-refused",
        "hit_version_on_create",
        [r.send("POST", CONFIGMAPS.format("prod"), {"metadata": {"name": "set", "resourceVersion": "5"}})],
        f"{said}: a resourceVersion on an object to be created",
    )
    save(
        "request-refused",
        "hit_watch_version",
        [r.send("GET", f"{PODS}?watch=1&resourceVersion=abc")],
        f"{said}: a watch from a version that is no number",
    )
    save(
        "health-server-error", "miss_not_found", [r.send("GET", f"{PODS}/web")], f"{said}: an object that is not there"
    )


def _wide() -> dict[str, Any]:
    wide = deployment("wide")
    wide["spec"]["template"]["spec"]["containers"][0]["args"] = ["x" * 1000] * 2000
    return wide
