"""The API server and what it depends on, made to fail."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import signal
import time

from analyzers.exchange import Exchange
from tests.cluster import faults
from tests.cluster.api import wait_until
from tests.cluster.record import Recorder, exchange, save
from tests.cluster.recordings.case import (
    CONFIGMAPS,
    NEW,
    PODS,
    records,
)


@records("health-service-proxy")
def service_proxy(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    r.cluster.arrange(
        "POST",
        "/api/v1/namespaces/prod/services",
        {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], "selector": {"app": "nobody"}}},
    )
    time.sleep(2)
    save(
        "health-service-proxy",
        "hit_no_endpoints",
        [r.send("GET", "/api/v1/namespaces/prod/services/web/proxy/")],
        f"{said}: a Service without pods",
    )
    save(
        "health-service-proxy",
        "miss_no_service",
        [r.send("GET", "/api/v1/namespaces/prod/services/nobody/proxy/")],
        f"{said}: a Service that is not there",
    )


@records("health-aggregated-api")
def aggregated(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    with faults.unavailable_api(r.cluster) as path:
        save(
            "health-aggregated-api",
            "hit",
            [r.send("GET", f"{path}/namespaces/prod/pods")],
            f"{said}: a type of an aggregated API whose Service does not exist",
        )
        save("health-aggregated-api", "hit_discovery", [r.send("GET", path)], f"{said}: discovery of the same API")
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"

        def stale() -> Exchange | None:
            found = r.send("GET", "/apis", headers={"Accept": accept})
            return found if found.response and b'"Stale"' in (found.response.body or b"") else None

        all_groups = wait_until("discovery knows", stale)
        save("health-aggregated-api", "hit_stale", [all_groups], f"{said}: discovery of all groups, a 200")
    save(
        "health-aggregated-api",
        "miss_no_such_group",
        [r.send("GET", "/apis/metrics.k8s.io/v1beta1/nodes")],
        f"{said}: a group that nobody registered",
    )


@records("health-throttled")
def throttled(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    with faults.throttled(r.cluster, "bob"):
        save(
            "health-throttled",
            "hit",
            [r.send("GET", PODS, identity="bob")],
            f"{said}: a priority level without a free seat",
        )
    with faults.disruption_budget(r.cluster) as budget:
        save(
            "health-throttled",
            "miss_eviction",
            [r.send("POST", budget.eviction_path, budget.eviction)],
            f"{said}: an eviction that the disruption budget forbids",
        )


@records("health-etcd", "health-timeout", "health-check-failing", alone=())
def broken(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    cluster = r.cluster
    save("health-check-failing", "miss_ready", [r.send("GET", "/readyz?verbose")], f"{said}: all is well")
    save(
        "health-timeout",
        "miss_well",
        [r.send("POST", CONFIGMAPS.format("prod") + "?timeout=2s", NEW)],
        f"{said}: all is well",
    )
    alarm = {
        "action": "ACTIVATE",
        "memberID": cluster._etcd("/v3/maintenance/status", {})["header"]["member_id"],
        "alarm": "NOSPACE",
    }
    cluster._etcd("/v3/maintenance/alarm", alarm)
    save(
        "health-etcd",
        "hit_no_space",
        [r.send("POST", CONFIGMAPS.format("prod"), {"metadata": {"name": "more"}})],
        f"{said}: etcd with the alarm NOSPACE",
    )
    cluster._etcd("/v3/maintenance/alarm", {**alarm, "action": "DEACTIVATE"})
    with faults.etcd_killed(cluster):
        timed_out = r.send("POST", CONFIGMAPS.format("prod") + "?timeout=2s", {"metadata": {"name": "late"}})
        save("health-timeout", "hit_filter", [timed_out], f"{said}: etcd is gone, a write with timeout=2s")
        save("health-etcd", "miss_timeout", [timed_out], f"{said}: etcd is gone, which the answer does not say")
        save(
            "health-timeout",
            "hit",
            [r.send("POST", CONFIGMAPS.format("prod"), {"metadata": {"name": "late"}})],
            f"{said}: etcd is gone, a write",
        )
        save("health-check-failing", "hit", [r.send("GET", "/readyz")], f"{said}: etcd is gone")
        save(
            "health-check-failing",
            "hit_one_check",
            [r.send("GET", "/livez/etcd")],
            f"{said}: etcd is gone, one check alone",
        )
        save(
            "health-check-failing",
            "hit_kubectl",
            r.failing("get", "--raw", "/livez?verbose")[:1],
            f"{said}: etcd is gone, kubectl get --raw /livez?verbose",
        )


@records("health-shutting-down", alone=("--shutdown-send-retry-after=true",))
def shutdown(r: Recorder) -> None:
    """A request on a connection that is kept, while the API server waits for one that hangs."""
    said = f"recorded from kube-apiserver {r.version} with --shutdown-send-retry-after"
    held = r.cluster.api.connect(r.cluster.identity("admin"))
    kept = r.cluster.api.connect(r.cluster.identity("admin"))
    kept.request("GET", "/version", headers={"Accept": "application/json"})
    kept.getresponse().read()
    held.putrequest("POST", CONFIGMAPS.format("prod"))
    held.putheader("Content-Type", "application/json")
    held.putheader("Content-Length", "1000")
    held.endheaders(b"{")
    time.sleep(1)

    os.kill(r.cluster.apiserver.pid, signal.SIGTERM)
    sock = kept.sock

    class Kept(http.client.HTTPSConnection):
        def connect(self) -> None:
            self.sock = sock

    seen: list[int] = []
    for _ in range(400):
        again = Kept("127.0.0.1", r.cluster.port, timeout=5)
        again.close = lambda: None  # type: ignore[method-assign]
        fields = {"Accept": "application/json"}
        try:
            found = exchange(again, "GET", PODS, None, fields, r.cluster.identity("admin"))
        except (OSError, http.client.HTTPException) as error:
            print(f"shutdown: {error!r}", flush=True)
            break
        if found.response is not None and found.response.status >= 429:
            save("health-shutting-down", "hit", [found], f"{said}: it was told to end")
            break
        seen.append(found.response.status if found.response else 0)
        time.sleep(0.05)
    else:
        raise RuntimeError(f"it kept answering {set(seen)}")
    held.close()


@records("health-shutting-down")
def not_shutting_down(r: Recorder) -> None:
    with faults.throttled(r.cluster, "bob"):
        save(
            "health-shutting-down",
            "miss_throttled",
            [r.send("GET", PODS, identity="bob")],
            f"recorded from kube-apiserver {r.version}: a 429 of flow control",
        )


@records("health-starting", alone=())
def starting(r: Recorder) -> None:
    """Stop the API server, start it again by hand, and ask all the while."""
    said = f"recorded from kube-apiserver {r.version}"
    cluster = r.cluster
    save(
        "health-starting",
        "miss_started",
        [r.send("GET", "/apis/apps/v1/namespaces/prod/deployments")],
        f"{said}: it has started",
    )
    cluster.apiserver.kill()
    again = cluster._part(*cluster._apiserver_command())
    cluster.apiserver = again
    end = time.monotonic() + 30
    seen: set[str] = set()
    while time.monotonic() < end and len(seen) < 2:
        for path in ("/apis/example.com/v1/widgets", CONFIGMAPS.format("prod") + "?resourceVersion=0"):
            with contextlib.suppress(OSError, http.client.HTTPException):
                found = r.send("GET", path, seconds=5)
                text = (found.response.body or b"").decode() if found.response else ""
                if "before all known HTTP paths" in text and "hit" not in seen:
                    seen.add("hit")
                    save("health-starting", "hit", [found], f"{said}: it was started a moment ago")
                if "(re)initializing" in text and "hit_cache" not in seen:
                    seen.add("hit_cache")
                    save("health-starting", "hit_cache", [found], f"{said}: its cache is still being filled")
    if not seen:
        raise RuntimeError("it was ready at once")
