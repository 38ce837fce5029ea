"""Nodes whose kubelet is gone, or answers as the stand-in here is told to."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import threading
from collections.abc import Iterator
from typing import Any

from tests.cluster import pki, servers
from tests.cluster.record import Recorder, save
from tests.cluster.recordings.case import (
    MERGE,
    PODS,
    UPGRADE,
    pod,
    records,
)


@contextlib.contextmanager
def _kubelet(status: int, body: bytes) -> Iterator[int]:
    """A stand-in for a kubelet that answers everything alike."""
    authority = pki.Authority.create("kubelet-ca")
    leaf = authority.issue("n9", usage=pki.SERVER, names=[servers.HOST])

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer((servers.HOST, 0), Handler)
    server.socket = servers.server_context(leaf).wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _node(r: Recorder, name: str, port: int) -> None:
    """A node whose kubelet is at ``port`` of loopback, with a pod on it. For a cluster without the kubelet stand-in."""
    r.cluster.arrange("POST", "/api/v1/nodes", {"metadata": {"name": name}})
    status = {
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
    }
    r.cluster.arrange("PATCH", f"/api/v1/nodes/{name}/status", status, headers=MERGE)
    on_node = pod(f"on-{name}")
    on_node["spec"]["nodeName"] = name
    on_node["spec"]["tolerations"] = [{"operator": "Exists"}]
    r.cluster.arrange("POST", PODS, on_node)


# pkg/kubelet/kubelet_pods.go, pkg/kubelet/server/server.go and k8s.io/kubelet's cri/streaming, 1.36.
_STATES = (
    (
        "n5",
        400,
        "request-container",
        "hit_waiting",
        'container "c" in pod "on-n5" is waiting to start: ContainerCreating',
        "log",
    ),
    (
        "n6",
        400,
        "request-container",
        "hit_image",
        'container "c" in pod "on-n6" is waiting to start: trying and failing to pull image',
        "log",
    ),
    (
        "n7",
        400,
        "request-container",
        "hit_previous",
        'previous terminated container "c" in pod "on-n7" not found',
        "log?previous=true",
    ),
    ("n8", 500, "request-exec-target", "hit_container", 'container not found ("c")', "exec?command=ls&stdout=true"),
    ("n9", 404, "request-exec-target", "hit_pod", "pod does not exist", "exec?command=ls&stdout=true"),
)


@records("health-kubelet", "rbac-kubelet-forbidden", "request-container", "request-exec-target", alone=())
def kubelets(r: Recorder) -> None:
    said = f"recorded from kube-apiserver {r.version}"
    with servers.refused() as server:
        _node(r, "n1", server.port)
        save(
            "health-kubelet",
            "hit_log",
            [r.send("GET", f"{PODS}/on-n1/log")],
            f"{said}: logs of a pod whose kubelet does not listen",
        )
        save(
            "health-kubelet",
            "hit_exec",
            [
                r.send(
                    "POST",
                    f"{PODS}/on-n1/exec?command=ls&stdout=true",
                    headers={**UPGRADE, "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"},
                )
            ],
            f"{said}: exec into the same pod",
        )
    save(
        "health-kubelet",
        "miss_not_found",
        [r.send("GET", f"{PODS}/nobody/log")],
        f"{said}: logs of a pod that is not there",
    )
    words = b"Forbidden (user=kube-apiserver-kubelet-client, verb=get, resource=nodes, subresource(s)=[proxy])"
    with _kubelet(403, words) as port:
        _node(r, "n2", port)
        save(
            "rbac-kubelet-forbidden",
            "hit",
            [r.send("GET", f"{PODS}/on-n2/log")],
            f"{said}, with a stand-in for the kubelet that refuses in the kubelet's words: logs",
        )
        save(
            "rbac-kubelet-forbidden",
            "miss_denied",
            [r.send("GET", f"{PODS}/on-n2/log", identity="jane")],
            f"{said}: a user who may not read logs",
        )
    with _kubelet(500, b"failed to create fsnotify watcher: too many open files") as port:
        _node(r, "n4", port)
        save(
            "health-server-error",
            "hit",
            [r.send("GET", f"{PODS}/on-n4/log")],
            f"{said}, with a stand-in for the kubelet that fails: logs",
        )
    for node, status, rule, name, answer, what in _STATES:
        with _kubelet(status, answer.encode()) as port:
            _node(r, node, port)
            path = f"{PODS}/on-{node}/{what}"
            spdy = {**UPGRADE, "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"}
            exec_ = what.startswith("exec")
            sent = r.send("POST", path, headers=spdy) if exec_ else r.send("GET", path)
            save(
                rule,
                name,
                [sent],
                f"{said}, with a stand-in for the kubelet that answers in the kubelet's words: "
                + ("exec" if exec_ else "logs"),
            )
    with _kubelet(401, b"Unauthorized") as port:
        _node(r, "n3", port)
        save(
            "auth-unauthorized",
            "hit_kubelet",
            [r.send("GET", f"{PODS}/on-n3/log")],
            f"{said}, with a stand-in for the kubelet that knows nobody: logs",
        )
