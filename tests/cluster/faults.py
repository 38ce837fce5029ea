"""Faults that the test cluster can be made to have, each undone when its block ends.

Every one waits until the API server shows it, so that the first request of a test already meets it.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.cluster.api import Answer, wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.servers import refused
from tests.cluster.webhook import Decision, hang, webhook

_numbers = itertools.count(1)

_FLOW_CONTROL = "/apis/flowcontrol.apiserver.k8s.io/v1"
_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"


def _fresh(prefix: str) -> str:
    return f"{prefix}-{next(_numbers)}"


@contextlib.contextmanager
def namespace(cluster: Cluster, prefix: str = "test", labels: dict[str, str] | None = None) -> Iterator[str]:
    """A namespace of its own, with labels; it is deleted afterwards without waiting for that."""
    name = cluster.add_namespace(_fresh(prefix), labels)
    try:
        yield name
    finally:
        cluster.call("DELETE", f"/api/v1/namespaces/{name}")


@contextlib.contextmanager
def etcd_paused(cluster: Cluster) -> Iterator[None]:
    """etcd keeps its connections and answers nothing. For a cluster that no other test uses."""
    cluster.etcd.pause()
    try:
        _until_not_ready(cluster)
        yield
    finally:
        cluster.etcd.resume()
        cluster.until_ready()


@contextlib.contextmanager
def etcd_killed(cluster: Cluster) -> Iterator[None]:
    """etcd is gone, its port refuses. For a cluster that no other test uses."""
    cluster.etcd.kill()
    try:
        _until_not_ready(cluster)
        yield
    finally:
        cluster.restart_etcd()


def _until_not_ready(cluster: Cluster) -> None:
    def failing() -> bool:
        try:
            return cluster.call("GET", "/readyz", seconds=15).status != 200
        except (OSError, http.client.HTTPException):
            return False

    wait_until("/readyz fails", failing)


@contextlib.contextmanager
def refusing_webhook(cluster: Cluster, decide: Decision, *, trusted: bool = True, seconds: int = 2) -> Iterator[str]:
    """A namespace in which a webhook called ``policy.mitmkube.test`` has to allow every new ConfigMap.

    ``decide`` is what it answers (see ``tests.cluster.webhook``), ``seconds`` how long the API server waits for it.
    """
    with webhook(decide, trusted=trusted) as server, _admission(cluster, server.url, server.ca, seconds) as name:
        yield name


@contextlib.contextmanager
def slow_webhook(cluster: Cluster, seconds: int = 1) -> Iterator[str]:
    """A namespace in which a webhook has to allow every new ConfigMap and takes longer than ``seconds`` to do so."""
    over = threading.Event()
    try:
        with refusing_webhook(cluster, hang(over), seconds=seconds) as name:
            yield name
    finally:
        over.set()


@contextlib.contextmanager
def unreachable_webhook(cluster: Cluster) -> Iterator[str]:
    """A namespace in which a webhook that nobody runs (connection refused) has to allow every new ConfigMap."""
    with refused() as server, _admission(cluster, f"{server.url}/review", server.ca, 2) as name:
        yield name


@contextlib.contextmanager
def _admission(cluster: Cluster, url: str, ca: bytes, seconds: int) -> Iterator[str]:
    with namespace(cluster, "webhook") as name:
        configuration = {
            "metadata": {"name": name},
            "webhooks": [
                {
                    "name": "policy.mitmkube.test",
                    "clientConfig": {"url": url, "caBundle": base64.b64encode(ca).decode()},
                    "rules": [
                        {
                            "operations": ["CREATE"],
                            "apiGroups": [""],
                            "apiVersions": ["v1"],
                            "resources": ["configmaps"],
                        }
                    ],
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "timeoutSeconds": seconds,
                    "failurePolicy": "Fail",
                }
            ],
        }
        cluster.arrange("POST", _WEBHOOKS, configuration)
        try:
            probe = {"metadata": {"name": "probe"}}
            path = f"/api/v1/namespaces/{name}/configmaps?dryRun=All"
            wait_until("the webhook is asked", lambda: cluster.call("POST", path, probe).status >= 400)
            yield name
        finally:
            cluster.arrange("DELETE", f"{_WEBHOOKS}/{name}")


@contextlib.contextmanager
def unavailable_api(cluster: Cluster) -> Iterator[str]:
    """An aggregated API whose service does not exist; gives its path, ``/apis/GROUP/v1``."""
    group = f"{_fresh('metrics')}.mitmkube.test"
    name = f"v1.{group}"
    service = {"namespace": "default", "name": "nobody", "port": 443}
    cluster.arrange(
        "POST",
        _API_SERVICES,
        {
            "metadata": {"name": name},
            "spec": {
                "group": group,
                "version": "v1",
                "service": service,
                "groupPriorityMinimum": 100,
                "versionPriority": 10,
                "insecureSkipTLSVerify": True,
            },
        },
    )
    path = f"/apis/{group}/v1"
    try:
        wait_until("the aggregated API answers 503", lambda: cluster.call("GET", path).status == 503)
        yield path
    finally:
        cluster.arrange("DELETE", f"{_API_SERVICES}/{name}")


@contextlib.contextmanager
def throttled(cluster: Cluster, identity: str) -> Iterator[str]:
    """Priority and fairness has no seat left for that identity's requests and queues none: each gets 429 at once.

    A level without shares still serves one request at a time, so a request of another user, whose body never comes,
    holds that seat: for the API server's --request-timeout at most. Gives the name of the FlowSchema and of the
    PriorityLevelConfiguration.
    """
    name = _fresh("throttled")
    user, holder = cluster.identity(identity).user, f"{name}-holder"
    cluster.arrange(
        "POST",
        f"{_FLOW_CONTROL}/prioritylevelconfigurations",
        {
            "metadata": {"name": name},
            "spec": {
                "type": "Limited",
                "limited": {
                    "nominalConcurrencyShares": 0,
                    "lendablePercent": 0,
                    "borrowingLimitPercent": 0,
                    "limitResponse": {"type": "Reject"},
                },
            },
        },
    )
    schema = f"{_FLOW_CONTROL}/flowschemas/{name}"
    cluster.arrange(
        "POST",
        f"{_FLOW_CONTROL}/flowschemas",
        {
            "metadata": {"name": name},
            "spec": {
                "priorityLevelConfiguration": {"name": name},
                "matchingPrecedence": 2,  # 1 is reserved for the schema "exempt"
                "rules": [
                    {
                        "subjects": [{"kind": "User", "user": {"name": name}} for name in (user, holder)],
                        "resourceRules": [
                            {
                                "verbs": ["*"],
                                "apiGroups": ["*"],
                                "resources": ["*"],
                                "namespaces": ["*"],
                                "clusterScope": True,
                            }
                        ],
                        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                    }
                ],
            },
        },
    )
    try:
        wait_until(
            f"{user} is sorted into {name}",
            lambda: cluster.call("GET", schema).json["metadata"]["uid"] == _flow_schema(cluster, identity),
        )
        with _held_seat(cluster, holder):
            wait_until(f"{user} is throttled", lambda: cluster.call("GET", "/version", identity=identity).status == 429)
            yield name
    finally:
        for kind in ("flowschemas", "prioritylevelconfigurations"):
            cluster.arrange("DELETE", f"{_FLOW_CONTROL}/{kind}/{name}")


def _flow_schema(cluster: Cluster, identity: str) -> str:
    return cluster.call("GET", "/version", identity=identity).header("X-Kubernetes-PF-FlowSchema-UID")


@contextlib.contextmanager
def _held_seat(cluster: Cluster, user: str) -> Iterator[None]:
    """A request of ``user`` that the API server waits for: every authenticated user may ask what it may do."""
    connection = cluster.api.connect(cluster.identity("admin"))
    try:
        connection.putrequest("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
        for header, value in {
            "Impersonate-User": user,
            "Impersonate-Group": "system:authenticated",
            "Content-Type": "application/json",
            "Content-Length": "1000",
        }.items():
            connection.putheader(header, value)
        connection.endheaders(b"{")
        yield
    finally:
        connection.close()


@contextlib.contextmanager
def terminating_namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace that is being deleted and cannot go, because a ConfigMap in it has a finalizer."""
    with namespace(cluster, "going") as name:
        path = f"/api/v1/namespaces/{name}/configmaps"
        cluster.arrange("POST", path, {"metadata": {"name": "held", "finalizers": ["mitmkube.test/held"]}})
        cluster.arrange("DELETE", f"/api/v1/namespaces/{name}")
        try:
            yield name
        finally:
            _patch(cluster, f"{path}/held", {"metadata": {"finalizers": None}})


@contextlib.contextmanager
def exhausted_quota(cluster: Cluster) -> Iterator[str]:
    """A namespace whose quota ``no-more`` allows no further ConfigMap and no Pod."""
    with namespace(cluster, "quota") as name:
        path = f"/api/v1/namespaces/{name}/resourcequotas"
        cluster.arrange("POST", path, {"metadata": {"name": "no-more"}, "spec": {"hard": {"pods": "0"}}})
        wait_until(
            "the quota is counted",
            lambda: "pods" in (cluster.arrange("GET", f"{path}/no-more").get("status", {}).get("used") or {}),
        )
        yield name


@contextlib.contextmanager
def restricted_namespace(cluster: Cluster, level: str = "restricted") -> Iterator[str]:
    """A namespace that enforces a Pod Security Standard."""
    with namespace(cluster, "secure", {"pod-security.kubernetes.io/enforce": level}) as name:
        yield name


@dataclass(frozen=True, slots=True)
class Budget:
    """The pod ``pod`` in ``namespace``, which its disruption budget ``budget`` does not let go."""

    namespace: str
    pod: str
    budget: str

    @property
    def eviction_path(self) -> str:
        """Where to POST an Eviction."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.pod}/eviction"

    @property
    def eviction(self) -> dict[str, Any]:
        """What to POST there."""
        return {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": self.pod, "namespace": self.namespace},
        }


@contextlib.contextmanager
def disruption_budget(cluster: Cluster) -> Iterator[Budget]:
    """A running pod that must not be evicted, because one of one has to be available."""
    with namespace(cluster, "budget") as name:
        cluster.run_pod(name, "web", {"app": "web"})
        path = f"/apis/policy/v1/namespaces/{name}/poddisruptionbudgets"
        selector = {"matchLabels": {"app": "web"}}
        cluster.arrange(
            "POST", path, {"metadata": {"name": "always-one"}, "spec": {"minAvailable": 1, "selector": selector}}
        )

        def counted() -> bool:
            status = cluster.arrange("GET", f"{path}/always-one").get("status", {})
            return bool(status.get("observedGeneration") and status.get("currentHealthy") == 1)

        wait_until("the disruption budget is counted", counted)
        yield Budget(name, "web", "always-one")


@dataclass(frozen=True, slots=True)
class Expired:
    """``resource_version`` is forgotten; ``continue_token`` belongs to a list of events begun before that."""

    namespace: str
    resource_version: str
    continue_token: str

    @property
    def watch_path(self) -> str:
        """A watch of events that starts at what is forgotten: an ERROR event inside a 200."""
        return f"{self._events}?watch=1&resourceVersion={self.resource_version}&timeoutSeconds=10"

    @property
    def list_path(self) -> str:
        """A list of events exactly as they were at what is forgotten."""
        return f"{self._events}?resourceVersion={self.resource_version}&resourceVersionMatch=Exact"

    @property
    def continue_path(self) -> str:
        """The next page of a list whose snapshot is forgotten."""
        return f"{self._events}?limit=1&continue={self.continue_token}"

    @property
    def _events(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/events"


@contextlib.contextmanager
def expired_resource_version(
    cluster: Cluster, events: Sequence[str] = ("first", "second", "third")
) -> Iterator[Expired]:
    """etcd is compacted, so that everything older than now is gone. Events, because the API server caches the rest."""
    with namespace(cluster, "past") as name:
        path = f"/api/v1/namespaces/{name}/events"

        def add(event: str) -> None:
            cluster.arrange(
                "POST",
                path,
                {
                    "metadata": {"name": event},
                    "involvedObject": {"kind": "Namespace", "name": name, "namespace": name},
                    "reason": "Test",
                    "message": event,
                    "type": "Normal",
                },
            )

        for event in events:
            add(event)
        page = cluster.arrange("GET", f"{path}?limit=1")["metadata"]
        # A watch begins one revision later, so two more are needed for it to begin in what is forgotten.
        cluster.arrange("DELETE", f"{path}/{events[-1]}")
        add(events[-1])
        cluster.compact()
        yield Expired(name, page["resourceVersion"], page["continue"])


def _patch(cluster: Cluster, path: str, patch: object) -> Answer:
    return cluster.call("PATCH", path, patch, headers={"Content-Type": "application/merge-patch+json"})
