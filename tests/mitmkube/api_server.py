"""A small API server over TLS on loopback, for what needs a server's answers and not a cluster."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.cluster import pki, servers

TOKEN = "jane-s3cr3t-t0ken.of-no-known-shape"
"""The bearer token that stands in every kubeconfig of ``ApiServer.kubeconfig``."""
SECRET_VALUE = "aHVudGVyMi1odW50ZXIy"
"""What the Secret ``db`` holds, as it goes over the wire: the base64 of ``SECRET_PLAIN``."""
SECRET_PLAIN = "hunter2-hunter2"

_STALE = (
    'Operation cannot be fulfilled on pods "web": the object has been modified; '
    "please apply your changes to the latest version and try again"
)
_RESOURCES = [
    {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get", "list", "watch"]},
    {"name": "pods/exec", "singularName": "", "namespaced": True, "kind": "PodExecOptions", "verbs": ["create", "get"]},
    {"name": "secrets", "singularName": "secret", "namespaced": True, "kind": "Secret", "verbs": ["get", "list"]},
]


@dataclass(frozen=True, slots=True)
class ApiServer:
    """``requests`` fills with ``METHOD target`` of every request, ``authorization`` with what came in that header.

    Namespace ``default`` has the Secret ``db`` and the pod ``web``, which changes before anybody can replace it. In
    ``prod`` everything is refused, as RBAC would. A watch stays open until ``over`` is set or the client goes.
    """

    port: int
    ca: bytes = field(repr=False)
    requests: list[str] = field(default_factory=list)
    authorization: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def kubeconfig(self, path: Path, *, cluster: str = "dev", namespace: str = "default") -> Path:
        """Write a kubeconfig for this server to ``path``, whose credential is ``TOKEN``."""
        ca = path.with_name(f"{path.name}.{cluster}.crt")
        ca.write_bytes(self.ca)
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": cluster,
                    "clusters": [{"name": cluster, "cluster": {"server": self.url, "certificate-authority": ca.name}}],
                    "contexts": [
                        {"name": cluster, "context": {"cluster": cluster, "user": "jane", "namespace": namespace}}
                    ],
                    "users": [{"name": "jane", "user": {"token": TOKEN}}],
                }
            )
        )
        return path


@contextlib.contextmanager
def api_server() -> Iterator[ApiServer]:
    """Serve until the block ends."""
    authority = pki.Authority.create("api-server-test-ca")
    leaf = authority.issue("kube-apiserver", usage=pki.SERVER, names=["127.0.0.1", "localhost"])
    listener = _Listener(("127.0.0.1", 0), _Handler)
    listener.api = api = ApiServer(listener.server_address[1], authority.certificate_pem)
    listener.socket = servers.server_context(leaf).wrap_socket(
        listener.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.over.set()
        listener.shutdown()
        listener.end_connections()
        listener.server_close()
        thread.join()


class _Listener(http.server.ThreadingHTTPServer):
    api: ApiServer

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Let the threads of connections that their client keeps open come to an end."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is nothing to print."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def do_GET(self) -> None:
        api = self.server.api
        api.requests.append(f"{self.command} {self.path}")
        api.authorization.append(self.headers.get("Authorization", ""))
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        if "watch=true" in url.query or "watch=1" in url.query:
            self._watch()
        else:
            self._send(*_answer(self.command, url.path))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _send(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Audit-Id", "0f1e2d3c-0000-4000-8000-000000000001")
        self.end_headers()
        self.wfile.write(body)

    def _watch(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        event = json.dumps({"type": "ADDED", "object": _pod()}).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.server.api.over.wait()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _answer(method: str, path: str) -> tuple[int, dict[str, Any]]:
    match path.strip("/").split("/"):
        case ["version"]:
            return 200, {"major": "1", "minor": "33", "gitVersion": "v1.33.0", "platform": "linux/amd64"}
        case ["api"]:
            return 200, {"kind": "APIVersions", "versions": ["v1"]}
        case ["apis"]:
            return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": []}
        case ["api", "v1"]:
            return 200, {"kind": "APIResourceList", "groupVersion": "v1", "resources": _RESOURCES}
        case ["api", "v1", "namespaces", "prod", resource, *_]:
            return 403, _forbidden(resource)
        case ["api", "v1", "namespaces", "default", "pods"]:
            return 200, {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [_pod()]}
        case ["api", "v1", "namespaces", "default", "pods", "web"] if method == "GET":
            return 200, _pod()
        case ["api", "v1", "namespaces", "default", "pods", "web"] if method == "PUT":
            return 409, _status(409, "Conflict", _STALE, {"name": "web", "kind": "pods"})
        case ["api", "v1", "namespaces", "default", "secrets", "db"]:
            metadata = {"name": "db", "namespace": "default"}
            data = {"password": SECRET_VALUE}
            return 200, {"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "type": "Opaque", "data": data}
        case _:
            return 404, _status(404, "NotFound", "the server could not find the requested resource")


def _pod() -> dict[str, Any]:
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "web", "namespace": "default", "uid": "u-1", "resourceVersion": "7"},
        "spec": {"containers": [{"name": "web", "image": "nginx"}]},
        "status": {"phase": "Running"},
    }


def _forbidden(resource: str) -> dict[str, Any]:
    refused = f'{resource} is forbidden: User "jane" cannot list resource "{resource}"'
    message = f'{refused} in API group "" in the namespace "prod"'
    return _status(403, "Forbidden", message, {"kind": resource})


def _status(code: int, reason: str, message: str, details: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details or {},
        "code": code,
    }
