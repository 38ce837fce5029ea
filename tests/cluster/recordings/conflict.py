"""Two writers, old versions, namespaces that go."""

from __future__ import annotations

import json

from tests.cluster import faults
from tests.cluster.record import Recorder, save
from tests.cluster.recordings.case import (
    APPLY,
    CONFIGMAPS,
    MERGE,
    NEW,
    deployment,
    records,
)


@records(
    "conflict-stale",
    "conflict-exists",
    "conflict-precondition",
    "conflict-apply",
    "conflict-other",
    "conflict-future-version",
)
def conflicts(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    path = "/apis/apps/v1/namespaces/prod/deployments"
    stale = r.cluster.arrange("GET", f"{path}/web")
    r.cluster.arrange("PATCH", f"{path}/web", {"metadata": {"labels": {"a": "1"}}}, headers=MERGE)
    save(
        "conflict-stale",
        "hit",
        [r.send("PUT", f"{path}/web", stale)],
        f"{said}: a replacement with an old resourceVersion",
    )
    settings = CONFIGMAPS.format("prod") + "/settings"
    with_version = {"metadata": {"resourceVersion": "1"}, "data": {"a": "2"}}
    save(
        "conflict-stale",
        "hit_patch",
        [r.send("PATCH", settings, with_version, headers=MERGE)],
        f"{said}: a patch that carries an old resourceVersion",
    )
    fresh = r.cluster.arrange("GET", f"{path}/web")
    save(
        "conflict-stale",
        "miss_fresh",
        [r.send("PUT", f"{path}/web", fresh)],
        f"{said}: a replacement with the latest resourceVersion",
    )
    save(
        "conflict-exists",
        "hit",
        [r.send("POST", CONFIGMAPS.format("prod"), {"metadata": {"name": "settings"}})],
        f"{said}: a name that is taken",
    )
    held = {"metadata": {"name": "held", "finalizers": ["mitmkube.test/held"]}}
    r.cluster.arrange("POST", CONFIGMAPS.format("prod"), held)
    r.cluster.arrange("DELETE", CONFIGMAPS.format("prod") + "/held")
    save(
        "conflict-exists",
        "hit_deleting",
        [r.send("POST", CONFIGMAPS.format("prod"), {"metadata": {"name": "held"}})],
        f"{said}: a name whose object is still being deleted",
    )
    r.cluster.arrange("PATCH", CONFIGMAPS.format("prod") + "/held", {"metadata": {"finalizers": None}}, headers=MERGE)
    save("conflict-exists", "miss_stale", [r.send("PUT", f"{path}/web", stale)], f"{said}: another 409")
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "11111111-2222-3333-4444-555555555555"},
    }
    save(
        "conflict-precondition",
        "hit_uid",
        [r.send("DELETE", settings, options)],
        f"{said}: delete the object with another UID",
    )
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": "1"}}
    save(
        "conflict-precondition",
        "hit_version",
        [r.send("DELETE", settings, options)],
        f"{said}: delete the object at an old resourceVersion",
    )
    other = r.cluster.arrange("GET", settings)
    other["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555"
    save(
        "conflict-precondition",
        "hit_storage",
        [r.send("PUT", settings, other)],
        f"{said}: replace the object with another UID",
    )
    gone = {"metadata": {"name": "gone", "uid": "11111111-2222-3333-4444-555555555555"}}
    save(
        "conflict-precondition",
        "hit_gone",
        [r.send("PUT", "/apis/coordination.k8s.io/v1/namespaces/prod/leases/gone", gone)],
        f"{said}: replace an object with a UID, where there is none",
    )
    save("conflict-precondition", "miss_stale", [r.send("PUT", f"{path}/web", stale)], f"{said}: another 409")
    apply = json.dumps({**deployment("web", replicas=3)}).encode()
    save(
        "conflict-apply",
        "hit",
        [r.send("PATCH", f"{path}/web?fieldManager=kubectl&fieldValidation=Strict", apply, headers=APPLY)],
        f"{said}: kubectl apply --server-side of a field that somebody else set",
    )
    r.cluster.arrange("PATCH", f"{path}/web", {"spec": {"paused": True}}, headers=MERGE)
    apply = json.dumps({**deployment("web", replicas=3, paused=False, minReadySeconds=3)}).encode()
    save(
        "conflict-apply",
        "hit_two",
        [r.send("PATCH", f"{path}/web?fieldManager=kubectl&fieldValidation=Strict", apply, headers=APPLY)],
        f"{said}: two fields",
    )
    same = json.dumps(deployment("web")).encode()
    save(
        "conflict-apply",
        "miss_shared",
        [r.send("PATCH", f"{path}/web?fieldManager=kubectl", same, headers=APPLY)],
        f"{said}: the same value may be shared",
    )
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p0"},
        "target": {"kind": "Node", "name": "n0"},
    }
    save(
        "conflict-other",
        "hit",
        [r.send("POST", "/api/v1/namespaces/default/pods/p0/binding", binding)],
        f"{said}: bind a pod that is bound already",
    )
    save(
        "conflict-other",
        "miss_exists",
        [r.send("POST", CONFIGMAPS.format("prod"), {"metadata": {"name": "settings"}})],
        f"{said}: another 409",
    )
    save(
        "conflict-future-version",
        "hit",
        [r.send("GET", CONFIGMAPS.format("prod") + "?resourceVersion=99999999&resourceVersionMatch=NotOlderThan")],
        f"{said}: a version that is not there yet",
    )
    save(
        "conflict-future-version",
        "miss_not_found",
        [r.send("GET", CONFIGMAPS.format("prod") + "/gone")],
        f"{said}: an object that is not there",
    )


@records("conflict-expired")
def expired(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    with faults.expired_resource_version(r.cluster) as past:
        save(
            "conflict-expired",
            "hit_watch",
            [r.send("GET", past.watch_path)],
            f"{said}: a watch of events from before etcd was compacted",
        )
        save(
            "conflict-expired",
            "hit_list",
            [r.send("GET", past.list_path)],
            f"{said}: a list of events as they were before",
        )
        save(
            "conflict-expired",
            "hit_continue",
            [r.send("GET", past.continue_path)],
            f"{said}: the next page of a list begun before",
        )
        path = past.watch_path.partition("?")[0]
        save(
            "conflict-expired",
            "miss_current",
            [r.send("GET", f"{path}?limit=1")],
            f"{said}: the first page of a list now",
        )


@records("conflict-namespace-terminating")
def terminating(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    with faults.terminating_namespace(r.cluster) as namespace:
        save(
            "conflict-namespace-terminating",
            "hit",
            [r.send("POST", CONFIGMAPS.format(namespace), NEW)],
            f"{said}: a namespace that is being deleted",
        )
        save(
            "conflict-namespace-terminating",
            "miss_denied",
            [r.send("POST", CONFIGMAPS.format(namespace), NEW, identity="jane")],
            f"{said}: a user who may not",
        )
