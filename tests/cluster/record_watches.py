"""Records tests/analyzers/decode/watch from a cluster of its own: ``python -m tests.cluster.record_watches``.

The same few changes are watched in every form that a client can ask for at once, so that what is read out of the forms
can be compared.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from analyzers.exchange import Exchange
from analyzers.readers import wire_text
from tests.cluster import binaries
from tests.cluster.api import wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.record import Recorder
from tests.cluster.recordings.case import MERGE

FOLDER = Path(__file__).parents[1] / "analyzers" / "decode" / "watch"

_SECONDS = 3
_CONFIGMAPS = "/api/v1/namespaces/watching/configmaps"
_WIDGETS = "/apis/example.com/v1/namespaces/watching/widgets"
_WATCH = f"?watch=1&timeoutSeconds={_SECONDS}"
_WATCH_LIST = f"{_WATCH}&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
# Events are not cached: the answer comes from etcd, which has forgotten.
_EXPIRED = f"/api/v1/events{_WATCH}&resourceVersion=1"
_FORMS = {
    "json": "application/json",
    "protobuf": "application/vnd.kubernetes.protobuf;stream=watch",
    "cbor": "application/cbor;stream=watch",
    "table": "application/json;as=Table;v=v1;g=meta.k8s.io",
    "metadata": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
}
# What a careless reader would take for the object's own, or for the end of the event.
_MISLEADING = '}}{"type":"ERROR","object":{"metadata":{"name":"not-me"}}} "\\'


def main() -> None:
    """Start a cluster that speaks CBOR too, record, stop it."""
    flags = ("--feature-gates=CBORServingAndStorage=true",)
    with Cluster(binaries.binaries(), controllers=False, nodes=False, apiserver_flags=flags) as cluster:
        cluster.arrange("POST", "/api/v1/namespaces", {"metadata": {"name": "watching"}})
        _define_widgets(cluster)
        recorder = Recorder(cluster)
        watches = {f"changes_{form}": (f"{_CONFIGMAPS}{_WATCH}", media) for form, media in _FORMS.items()}
        watches |= {f"list_{form}": (f"{_CONFIGMAPS}{_WATCH_LIST}", media) for form, media in _FORMS.items()}
        watches |= {f"expired_{form}": (_EXPIRED, media) for form, media in _FORMS.items()}
        watches["custom"] = (f"{_WIDGETS}{_WATCH_LIST}", _FORMS["json"])
        cluster.arrange("POST", _CONFIGMAPS, _configmap("first", {"text": _MISLEADING}))
        cluster.arrange("POST", _WIDGETS, _widget("gear"))
        cluster.compact()
        with ThreadPoolExecutor(len(watches)) as pool:
            running = {
                name: pool.submit(recorder.send, "GET", path, headers={"Accept": media})
                for name, (path, media) in watches.items()
            }
            time.sleep(1)
            _change(cluster)
            for name, one in running.items():
                save(name, one.result(), f"recorded from kube-apiserver {recorder.version}")


def _change(cluster: Cluster) -> None:
    cluster.arrange("PATCH", f"{_CONFIGMAPS}/first", {"data": {"more": "ü"}}, headers=MERGE)
    cluster.arrange("POST", _CONFIGMAPS, _configmap("second", {}))
    cluster.arrange("DELETE", f"{_CONFIGMAPS}/first")
    cluster.arrange("PATCH", f"{_WIDGETS}/gear", {"spec": {"teeth": 12}}, headers=MERGE)


def _configmap(name: str, data: Mapping[str, str]) -> dict[str, object]:
    annotations = {"example.com/notes": _MISLEADING}
    return {"metadata": {"name": name, "annotations": annotations}, "data": data}


def _widget(name: str) -> dict[str, object]:
    metadata = {"name": name, "annotations": {"example.com/notes": _MISLEADING}}
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, "spec": {"name": "not-me"}}


def _define_widgets(cluster: Cluster) -> None:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget"}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {"group": "example.com", "names": names, "scope": "Namespaced", "versions": [version]}
    definition = {"metadata": {"name": "widgets.example.com"}, "spec": spec}
    cluster.arrange("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    wait_until("widgets served", lambda: cluster.call("GET", _WIDGETS).status == 200)


def save(name: str, one: Exchange, comment: str) -> None:
    """Write one watch."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.http").write_text(wire_text.write([replace(one, id=1)], comment), "utf-8")
    print(name, one.response.status if one.response else "-", flush=True)


if __name__ == "__main__":
    main()
