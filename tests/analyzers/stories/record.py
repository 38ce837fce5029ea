"""Records the stories of this folder from a running kube-apiserver: ``python record.py STATE_DIR KUBECTL [NAME…]``.

STATE_DIR is what tests/cluster/up.py made. kubectl talks plain HTTP to a small proxy in this file, which puts the
identity on (a client certificate, or none), passes requests on over TLS and writes both sides as wire text. Nothing
secret is written: no key, no Authorization header. Bodies of discovery are cut, nobody reads them.
"""

from __future__ import annotations

import gzip
import http.client
import json
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from analyzers.exchange import Connection, Exchange, Headers, Request, Response, Timing
from analyzers.readers import wire_text

HERE = Path(__file__).parent
_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "host", "authorization"}
_CUT = 120
_DISCOVERY = re.compile(r"^/(openapi|(api|apis|version)(/[^/]+){0,2}(\?.*)?$)")


class Recorder:
    """A listener that passes requests on as one identity and keeps them as wire text."""

    def __init__(self, state: Path, identity: str) -> None:
        self.server = (state / "READY").read_text().strip()
        self.target = urlsplit(self.server)
        self.identity = identity
        self.context = ssl.create_default_context(cafile=str(state / "pki/ca.crt"))
        self.certificates: tuple[bytes, ...] = ()
        if identity:
            self.context.load_cert_chain(state / f"pki/{identity}.crt", state / f"pki/{identity}.key")
            self.certificates = (ssl.PEM_cert_to_DER_cert((state / f"pki/{identity}.crt").read_text()),)
        self.exchanges: list[Exchange] = []
        self.lock = threading.Lock()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else b""
                recorder.exchange(self, body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.listener.server_port}"
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()

    def exchange(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        started = time.time()
        upstream = http.client.HTTPSConnection(
            self.target.hostname or "", self.target.port, context=self.context, timeout=60
        )
        upstream.connect()
        connected = time.time()
        peer = upstream.sock.getpeername()
        tls, server_certificate = upstream.sock.version(), upstream.sock.getpeercert(binary_form=True)
        upstream.putrequest(handler.command, handler.path, skip_host=False, skip_accept_encoding=True)
        for name, value in handler.headers.items():
            if name.lower() not in _HOP or (name.lower() == "connection" and "upgrade" in value.lower()):
                upstream.putheader(name, value)
        upstream.endheaders(body or None)
        response = upstream.getresponse()
        answered = time.time()
        content = response.read()
        done = time.time()
        sent = Request(
            method=handler.command,
            host=self.target.hostname or "",
            port=self.target.port or 443,
            path=handler.path,
            headers=Headers(
                (name, value) for name, value in handler.headers.items() if name.lower() != "authorization"
            ),
            body=body or None,
            body_bytes=len(body),
        )
        timing = Timing(
            started=round(started, 3),
            connect=round((connected - started) / 2, 4),
            tls=round((connected - started) / 2, 4),
            wait=round(answered - connected, 4),
            receive=round(done - answered, 4),
        )
        connection = Connection(
            peer=f"{peer[0]}:{peer[1]}",
            tls_version=tls or "",
            server_certificates=(server_certificate or b"",),
            client_certificates=self.certificates,
            verified=True,
        )
        with self.lock:
            self.exchanges.append(
                Exchange(
                    id=len(self.exchanges) + 1,
                    request=sent,
                    response=_kept(handler.path, response, content),
                    timing=timing,
                    connection=connection,
                    cluster="dev",
                )
            )
        handler.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in _HOP and name.lower() != "content-length":
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
        upstream.close()

    def close(self) -> None:
        self.listener.shutdown()


def _kept(path: str, response: http.client.HTTPResponse, content: bytes) -> Response:
    body = gzip.decompress(content) if response.getheader("Content-Encoding") == "gzip" else content
    cut = bool(_DISCOVERY.match(path)) and len(body) > _CUT and response.status < 400
    events = [line for line in body.splitlines() if line.startswith(b'{"type":"ERROR"')]
    return Response(
        status=response.status,
        reason=response.reason,
        headers=Headers(response.getheaders()),
        body=body[:_CUT] if cut else body,
        body_complete=not cut,
        body_bytes=len(content),
        error_event=events[-1] if events else None,
    )


@dataclass
class Studio:
    """What a story needs to be told: an admin's kubectl for the scenery, and a recorded one."""

    state: Path
    kubectl: str
    work: Path
    written: list[str] = field(default_factory=list)

    def admin(self, *args: str, stdin: str = "") -> str:
        command = [self.kubectl, "--kubeconfig", str(self.state / "kubeconfig/admin.kubeconfig"), *args]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout

    def record(
        self,
        name: str,
        identity: str,
        *args: str,
        stdin: str = "",
        env: dict[str, str] | None = None,
        asked: Sequence[str] = (),
    ) -> None:
        """``asked`` are paths to GET afterwards, as ``run --ask`` would."""
        recorder = Recorder(self.state, identity)
        with tempfile.TemporaryDirectory() as cache:
            command = [self.kubectl, "--server", recorder.url, "--cache-dir", cache, *args]
            done = subprocess.run(
                command, input=stdin, capture_output=True, text=True, timeout=120, check=False,
                env={"HOME": cache, "PATH": "/usr/bin:/bin", "KUBECONFIG": "/dev/null", **(env or {})},
            )  # fmt: skip
        own = len(recorder.exchanges)
        for path in asked:
            ask(recorder.url, "GET", path)
        recorder.exchanges[own:] = [replace(one, asked=True) for one in recorder.exchanges[own:]]
        recorder.close()
        self._write(name, identity, ["kubectl", *args], done.returncode, recorder)
        print(f"{name}: exit {done.returncode}, {len(recorder.exchanges)} requests; {done.stderr.strip()[:150]}")

    def record_raw(
        self, name: str, identity: str, exit_status: int, program: str, requests: Callable[[str], None]
    ) -> None:
        recorder = Recorder(self.state, identity)
        requests(recorder.url)
        recorder.close()
        self._write(name, identity, [program], exit_status, recorder)
        print(f"{name}: {len(recorder.exchanges)} requests")

    def _write(self, name: str, identity: str, argv: list[str], exit_status: int, recorder: Recorder) -> None:
        told = json.dumps({"argv": argv, "exit_status": exit_status, "server": recorder.server})
        comment = f"recorded from a real kube-apiserver v1.36.3, as {identity or 'nobody'}\ncommand {told}"
        (HERE / f"{name}.http").write_text(wire_text.write(recorder.exchanges, comment))


def ask(
    url: str, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    target = urlsplit(url)
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
    payload = json.dumps(body).encode() if body is not None else None
    sent = {
        "User-Agent": "story",
        "Accept": "application/json",
        **({"Content-Type": "application/json"} if payload else {}),
    }
    connection.request(method, path, payload, sent | (headers or {}))
    response = connection.getresponse()
    return response.status, response.read()


NS = "stories"
POD = {
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": "web", "namespace": NS, "labels": {"app": "web"}},
    "spec": {"nodeName": "n0", "containers": [{"name": "c", "image": "registry.example/web:1"}]},
}  # fmt: skip
MAP = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "namespace": NS},
    "data": {"colour": "blue"},
}


def stories(studio: Studio) -> dict[str, Callable[[], None]]:
    s = studio

    def text(*objects: object) -> str:
        return "\n---\n".join(json.dumps(found) for found in objects)

    def conflict() -> None:
        s.admin("apply", "-f", "-", stdin=text(MAP))
        got = json.loads(s.admin("get", "configmap", "settings", "-n", NS, "-o", "json"))
        s.admin("annotate", "configmap", "settings", "-n", NS, f"touched={time.time()}", "--overwrite")
        got["data"]["colour"] = "red"
        s.record("replace_conflict", "admin", "replace", "-f", "-", stdin=text(got))

    def created() -> None:
        s.admin("delete", "configmap", "settings", "-n", NS, "--ignore-not-found")
        s.record("apply_creates", "admin", "apply", "-f", "-", stdin=text(MAP))

    def server_side_conflict() -> None:
        s.admin("apply", "--server-side", "--force-conflicts", "--field-manager=first", "-f", "-", stdin=text(MAP))
        other = {**MAP, "data": {"colour": "green"}}
        s.record("apply_server_side_conflict", "admin", "apply", "--server-side", "-f", "-", stdin=text(other))

    def evictions(url: str) -> None:
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web", "namespace": NS}}
        for _ in range(3):
            ask(url, "POST", f"/api/v1/namespaces/{NS}/pods/web/eviction", body)
        s.admin("delete", "pdb", "web", "-n", NS)
        time.sleep(1)
        ask(url, "POST", f"/api/v1/namespaces/{NS}/pods/web/eviction", body)

    def eviction(name: str, requests: Callable[[str], None]) -> None:
        s.admin("wait", "pod", "web", "-n", NS, "--for=condition=Ready", "--timeout=20s")
        s.admin("create", "pdb", "web", "-n", NS, "--selector=app=web", "--min-available=1")
        time.sleep(1)
        s.record_raw(name, "admin", 0, "drainer", requests)
        s.admin("wait", "pod", "web", "-n", NS, "--for=delete", "--timeout=20s")
        s.admin("apply", "-f", "-", stdin=text(POD))

    def expired_watch(url: str) -> None:
        ask(url, "GET", f"/api/v1/namespaces/{NS}/events?watch=1&resourceVersion=1&timeoutSeconds=1")
        ask(url, "GET", f"/api/v1/namespaces/{NS}/events?limit=2")

    def short_watch(url: str) -> None:
        ask(url, "GET", f"/api/v1/namespaces/{NS}/pods?watch=1&timeoutSeconds=1")

    def already(url: str) -> None:
        ask(url, "POST", f"/api/v1/namespaces/{NS}/configmaps", MAP)
        ask(url, "PUT", f"/api/v1/namespaces/{NS}/configmaps/settings", MAP)

    def future_version(url: str) -> None:
        ask(url, "GET", "/api/v1/namespaces?resourceVersion=99999999&resourceVersionMatch=NotOlderThan")

    settings = f"/api/v1/namespaces/{NS}/configmaps/settings"
    web = f"/apis/apps/v1/namespaces/{NS}/deployments/web"

    def fresh_deployment() -> None:
        s.admin("delete", "deployment", "web", "-n", NS, "--ignore-not-found")
        s.admin("create", "deployment", "web", "-n", NS, "--image=registry.example/web:1", "--replicas=0")
        time.sleep(2)  # until the controller has written its status

    def conflict_asked() -> None:
        s.admin("apply", "-f", "-", stdin=text(MAP))
        got = json.loads(s.admin("get", "configmap", "settings", "-n", NS, "-o", "json"))
        s.admin("annotate", "configmap", "settings", "-n", NS, f"touched={time.time()}", "--overwrite")
        s.record("replace_conflict_asked", "admin", "replace", "-f", "-", stdin=text(got), asked=[settings])

    def overtaken(url: str) -> None:
        _, body = ask(url, "GET", web)
        s.admin("scale", "deployment", "web", "-n", NS, "--replicas=1")
        time.sleep(1.5)
        changed = json.loads(body)
        changed["spec"]["paused"] = True
        ask(url, "PUT", web, changed)
        ask(url, "GET", web)

    def own_write(url: str) -> None:
        _, body = ask(url, "GET", web)
        first = json.loads(body)
        ask(url, "PUT", web, {**first, "spec": {**first["spec"], "minReadySeconds": 3}})
        ask(url, "PUT", web, {**first, "spec": {**first["spec"], "paused": True}})

    def owned_by_autoscaler() -> None:
        fresh_deployment()
        applied = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": NS}}
        spec = {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
                {"name": "web", "image": "registry.example/web:2"}
            ]}},
        }  # fmt: skip
        s.admin("scale", "deployment", "web", "-n", NS, "--replicas=1")
        document = text({**applied, "spec": spec})
        s.record("apply_conflict_asked", "admin", "apply", "--server-side", "-f", "-", stdin=document, asked=[web])

    def made_again(url: str) -> None:
        _, body = ask(url, "GET", settings)
        s.admin("delete", "configmap", "settings", "-n", NS)
        s.admin("create", "-f", "-", stdin=text(MAP))
        preconditions = {"uid": json.loads(body)["metadata"]["uid"]}
        ask(url, "DELETE", settings, {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions})
        ask(url, "GET", settings)

    def on_deployment(name: str, requests: Callable[[str], None]) -> None:
        fresh_deployment()
        s.record_raw(name, "admin", 1, "operator", requests)

    def on_config_map() -> None:
        s.admin("apply", "-f", "-", stdin=text(MAP))
        s.record_raw("delete_made_again", "admin", 1, "operator", made_again)

    def expired_for_good(url: str) -> None:
        ask(url, "GET", f"/api/v1/namespaces/{NS}/events?watch=1&resourceVersion=1&timeoutSeconds=1")

    bad = {**POD, "metadata": {"name": "Bad_Name", "namespace": NS}}
    held = {**MAP, "metadata": {"name": "held", "namespace": NS, "finalizers": ["example.com/keep"]}}

    def held_delete() -> None:
        s.admin("apply", "-f", "-", stdin=text(held))
        s.record("delete_waits_for_finalizer", "admin", "delete", "configmap", "held", "-n", NS, "--wait=false")
        s.admin("patch", "configmap", "held", "-n", NS, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')

    return {
        "get_pods": lambda: s.record("get_pods", "admin", "get", "pods", "-n", NS),
        "get_pods_forbidden": lambda: s.record("get_pods_forbidden", "jane", "get", "secrets", "-n", "prod"),
        "expired_certificate": lambda: s.record("expired_certificate", "expired", "get", "pods"),
        "anonymous": lambda: s.record("anonymous", "", "get", "pods"),
        "apply_creates": created,
        "apply_server_side_conflict": server_side_conflict,
        "replace_conflict": conflict,
        "replace_conflict_asked": conflict_asked,
        "update_overtaken": lambda: on_deployment("update_overtaken", overtaken),
        "update_own_write": lambda: on_deployment("update_own_write", own_write),
        "apply_conflict_asked": owned_by_autoscaler,
        "delete_made_again": on_config_map,
        "create_exists_asked": lambda: s.record(
            "create_exists_asked", "admin", "create", "configmap", "settings", "-n", NS, asked=[settings]
        ),
        "watch_expired_for_good": lambda: s.record_raw(
            "watch_expired_for_good", "admin", 1, "informer", expired_for_good
        ),
        "exec_forbidden": lambda: s.record("exec_forbidden", "jane", "exec", "-n", NS, "web", "--", "date"),
        "get_pod_not_found": lambda: s.record("get_pod_not_found", "admin", "get", "pod", "nope", "-n", NS),
        "get_secret": lambda: s.record("get_secret", "admin", "get", "secret", "db", "-n", NS, "-o", "yaml"),
        "unknown_type": lambda: s.record("unknown_type", "admin", "get", "foos"),
        "create_invalid": lambda: s.record("create_invalid", "admin", "create", "-f", "-", stdin=text(bad)),
        "create_exists": lambda: s.record("create_exists", "admin", "create", "namespace", NS),
        "create_dry_run": lambda: s.record(
            "create_dry_run", "admin", "create", "configmap", "dry", "-n", NS, "--dry-run=server", "--from-literal=a=b"
        ),
        "create_pod_security": lambda: s.record(
            "create_pod_security", "admin", "run", "bare", "-n", "strict", "--image=registry.example/x:1"
        ),
        "delete_waits_for_finalizer": held_delete,
        "eviction_retried": lambda: eviction("eviction_retried", evictions),
        "watch_expired_then_list": lambda: s.record_raw(
            "watch_expired_then_list", "admin", 0, "informer", expired_watch
        ),
        "watch_ends": lambda: s.record_raw("watch_ends", "admin", 0, "watcher", short_watch),
        "create_exists_then_update": lambda: s.record_raw("create_exists_then_update", "admin", 0, "operator", already),
        "list_from_the_future": lambda: s.record_raw("list_from_the_future", "admin", 1, "lister", future_version),
    }


def main() -> None:
    state, kubectl, *names = sys.argv[1:]
    with tempfile.TemporaryDirectory() as work:
        studio = Studio(Path(state), kubectl, Path(work))
        studio.admin("create", "namespace", NS)
        studio.admin("create", "namespace", "strict")
        studio.admin("label", "namespace", "strict", "pod-security.kubernetes.io/enforce=restricted", "--overwrite")
        studio.admin("delete", "pod", "web", "-n", NS, "--ignore-not-found")
        studio.admin("apply", "-f", "-", stdin=json.dumps(POD))
        studio.admin("create", "role", "read-pods", "-n", NS, "--verb=get,list", "--resource=pods")
        studio.admin("create", "rolebinding", "jane-read-pods", "-n", NS, "--role=read-pods", "--user=jane")
        # Made up for the tests, which look for it in every output.
        studio.admin("create", "secret", "generic", "db", "-n", NS, "--from-literal=password=canary-5up3r-s3cr3t")
        for name, tell in stories(studio).items():
            if not names or name in names:
                tell()


if __name__ == "__main__":
    main()
