"""What the requests of a command tell together, and what the server made of what it was sent, on the real cluster."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator

import pytest

from analyzers.decode import document, status
from tests.cluster import faults
from tests.cluster.api import wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import Explain, OwnCluster
from tests.cluster.kubectl import Kubectl
from tests.cluster.webhook import Decision, Review, allow, webhook

HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


def relabelling() -> Decision:
    """A webhook that changes a value, adds a label and lets everything pass."""
    operations = [
        {"op": "replace", "path": "/immutable", "value": True},
        {"op": "add", "path": "/metadata/labels", "value": {"team": "web"}},
    ]

    def decide(review: Review) -> tuple[int, bytes]:
        patch = base64.b64encode(json.dumps(operations).encode()).decode()
        return allow(patchType="JSONPatch", patch=patch)(review)

    return decide


@contextlib.contextmanager
def mutated(cluster: Cluster) -> Iterator[str]:
    """A namespace whose new ConfigMaps that webhook changes."""
    with faults.namespace(cluster, "mutated") as name, webhook(relabelling()) as server:
        rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
        hook = {
            "name": "policy.mitmkube.test", "sideEffects": "None", "admissionReviewVersions": ["v1"], "rules": [rule],
            "clientConfig": {"url": server.url, "caBundle": base64.b64encode(server.ca).decode()},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
        }  # fmt: skip
        cluster.arrange("POST", HOOKS, {"metadata": {"name": name}, "webhooks": [hook]})
        probe = {"metadata": {"name": "probe"}, "immutable": False}
        path = f"/api/v1/namespaces/{name}/configmaps?dryRun=All"

        def asked() -> bool:
            cluster.call("POST", path, probe)
            return bool(server.reviews)

        try:
            wait_until("the webhook is asked", asked)
            yield name
        finally:
            cluster.arrange("DELETE", f"{HOOKS}/{name}")


@pytest.mark.parametrize("way", [["create"], ["apply"], ["apply", "--server-side"]], ids=" ".join)
def test_what_a_webhook_changed_is_shown(explain: Explain, kubectl: Kubectl, cluster: Cluster, way: list[str]) -> None:
    sent = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "immutable": False}
    with mutated(cluster) as namespace:
        told = explain([*way, "-n", namespace, "-f", "-"], program=kubectl, stdin=json.dumps(sent))
    told.check_works()
    assert told.step("admission") == ("passed", "immutable changed from false to true; label team=web added")
    (admission,) = [one["admission"] for one in told.story["requests"] if one["admission"]]
    assert {"path": "immutable", "change": "changed", "sent": False, "stored": True} in admission["changes"]
    assert {"path": "metadata.labels.team", "change": "added", "sent": None, "stored": "web"} in admission["changes"]


def test_object_that_is_stored_as_sent_shows_no_change(explain: Explain, cluster: Cluster) -> None:
    sent = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}
    with faults.namespace(cluster, "plain") as namespace:
        told = explain(["create", "-n", namespace, "-f", "-"], stdin=json.dumps(sent))
    told.check_works()
    (request,) = [one for one in told.story["requests"] if one["admission"]]
    assert request["admission"] == {"summary": "", "changes": []}


def test_type_that_discovery_does_not_show_is_named_with_the_nearest(explain: Explain, kubectl: Kubectl) -> None:
    told = explain(["get", "deplyoments"], program=kubectl)
    assert told.outcome.status == 1
    assert '"deplyoments" is none of the ' in told.sentence
    assert told.sentence.endswith("types that discovery showed; did you mean deployments.apps?")


def test_refusals_of_a_server_that_speaks_cbor_are_read(own_cluster: OwnCluster) -> None:
    cluster = own_cluster(apiserver_flags=["--feature-gates=CBORServingAndStorage=true"])
    path = "/api/v1/namespaces/default/configmaps/nope"
    in_json, in_cbor = (
        cluster.call("GET", path, headers={"Accept": f"application/{form}"}) for form in ("json", "cbor")
    )
    assert in_cbor.header("Content-Type") == "application/cbor"
    assert document.decode(in_cbor.body) == in_json.json
    found = status.decode(in_cbor.body, in_cbor.header("Content-Type"))
    assert found is not None
    assert (found.code, found.reason, found.name) == (404, "NotFound", "nope")
