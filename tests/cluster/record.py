"""Records what a real API server, a real client or a real peer says, as wire text that a rule's fixtures are made of.

``python -m tests.cluster.recordings`` makes every fixture anew, with rule names behind it those of some.

Requests go straight to the cluster (or, for kubectl, through a relay in this process, which adds the identity that
kubectl does not send over plain HTTP). Credentials are lifted: an Authorization header becomes what it claims, a client
certificate stays as the public document that it is, keys and tokens never get into an Exchange.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from analyzers.decode import credential
from analyzers.exchange import Connection, Exchange, Failure, FailurePhase, Headers, Request, Response, Timing
from analyzers.readers import wire_text
from tests.cluster.cluster import Cluster
from tests.cluster.identities import Identity

FIXTURES = Path(__file__).parents[1] / "analyzers" / "rules"
KUBECTL = os.environ.get("KUBECTL", "kubectl")

_HOP_BY_HOP = frozenset({"connection", "host", "content-length", "transfer-encoding", "accept-encoding", "keep-alive"})
_SECRET = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_CONNECTION_ERROR = re.compile(r'Connection error: \w+ "?(?P<url>https?://[^\s"]+)"?: (?P<error>.*)')
_UNABLE = re.compile(r"^(?:error: |Unable to connect to the server: )(?P<error>.*)", re.MULTILINE)


class Recorder:
    """Sends requests to ``cluster`` as its identities and keeps what went over the wire."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.version = str(cluster.arrange("GET", "/version")["gitVersion"])

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        identity: str | Identity = "admin",
        headers: Mapping[str, str] | None = None,
        seconds: float = 90,
    ) -> Exchange:
        """One request to the API server, whatever comes of it. A ``body`` that is no bytes is sent as JSON."""
        who = self.cluster.identity(identity) if isinstance(identity, str) else identity
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        fields = {"Accept": "application/json", "User-Agent": "mitmkube-record", **who.headers}
        if data is not None:
            fields["Content-Type"] = "application/json"
        connection = self.cluster.api.connect(who, seconds)
        return exchange(connection, method, path, data, {**fields, **(headers or {})}, who)

    def kubectl(self, *arguments: str, identity: str | Identity = "admin", stdin: str = "") -> tuple[Exchange, ...]:
        """What a real kubectl sent and got, in order."""
        who = self.cluster.identity(identity) if isinstance(identity, str) else identity
        with _relay(self, who) as (url, seen):
            command = [KUBECTL, f"--server={url}", "--kubeconfig=/dev/null", *arguments]
            subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=90, env=_environment())
        return tuple(seen)

    def failing(self, *arguments: str, identity: str = "admin") -> tuple[Exchange, ...]:
        """Like ``kubectl``, only the exchanges that were refused."""
        found = self.kubectl(*arguments, identity=identity)
        return tuple(one for one in found if one.response is None or one.response.status >= 400)


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    data: bytes | None,
    fields: Mapping[str, str],
    who: Identity | None = None,
) -> Exchange:
    """One request over ``connection``, which is closed afterwards. Raises OSError where there is no answer."""
    secure = isinstance(connection, http.client.HTTPSConnection)
    started = time.time()
    try:
        connection.connect()
        connected = time.time()
        server_certificates, version = _peer(connection.sock)
        connection.request(method, path, data, dict(fields))
        response = connection.getresponse()
        answered = time.time()
        upgraded = response.status == 101
        body = b"" if upgraded else response.read()
        answer = Response(
            status=response.status,
            reason=response.reason,
            headers=without_secrets(response.getheaders()),
            body=None if upgraded else body,
            body_bytes=len(body),
            error_event=_error_event(body) if response.status == 200 and "watch=" in path else None,
        )
    finally:
        connection.close()
    return Exchange(
        id=1,
        request=Request(
            method=method,
            scheme="https" if secure else "http",
            host=connection.host,
            port=connection.port,
            path=path,
            headers=without_secrets([("Host", f"{connection.host}:{connection.port}"), *fields.items()]),
            body=data,
            body_bytes=len(data or b""),
        ),
        response=answer,
        credential=credential.decode(fields.items()),
        connection=Connection(
            peer=connection.host,
            tls_version=version,
            server_certificates=server_certificates,
            client_certificates=certificates_of(who),
            verified=True if secure else None,
        ),
        timing=Timing(started=started, connect=round(connected - started, 4), wait=round(answered - connected, 4)),
    )


def client_failure(
    server: str,
    phase: FailurePhase,
    *,
    ca: bytes = b"",
    who: Identity | None = None,
    flags: Sequence[str] = (),
    proxy: str = "",
    path: str = "/api/v1/namespaces/default/pods",
    folder: Path,
) -> Exchange:
    """What a real kubectl says of a server that it cannot use, in Go's words. ``phase`` is how far it got."""
    cluster: dict[str, Any] = {"server": server}
    ca_file = folder / "server-ca.crt"
    if ca:
        ca_file.write_bytes(ca)
        cluster["certificate-authority"] = str(ca_file)
    if proxy:
        cluster["proxy-url"] = proxy
    user = {}
    if who is not None and who.certificate and who.key:
        user = {"client-certificate": str(who.certificate), "client-key": str(who.key)}
    else:
        user = {"token": "not-a-token"}
    config = folder / "failing.kubeconfig"
    config.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }))  # fmt: skip
    config.chmod(0o600)
    command = [KUBECTL, f"--kubeconfig={config}", "get", "--raw", path, "-v=5", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=_environment())
    found = _CONNECTION_ERROR.search(done.stderr) or _UNABLE.search(done.stderr)
    if found is None:
        raise RuntimeError(f"kubectl said nothing of a connection: {done.stderr[:500]}")
    parts = urlsplit(server)
    assert parts.hostname
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Exchange(
        id=1,
        request=Request(method="GET", scheme=parts.scheme, host=parts.hostname, port=port, path=path),
        failure=Failure(phase=phase, message=found["error"].strip()),
        connection=Connection(
            peer=parts.hostname,
            server_certificates=_shown(parts.hostname, port) if phase in ("tls", "request") and ca else (),
            client_certificates=certificates_of(who),
            verified=True if phase in ("request", "response") and parts.scheme == "https" else None,
        ),
        timing=Timing(started=time.time()),
    )


def save(rule: str, name: str, exchanges: Iterable[Exchange], comment: str) -> None:
    """Write a fixture of ``rule``: ``name`` begins with hit or miss."""
    folder = FIXTURES / rule.replace("-", "_")
    folder.mkdir(parents=True, exist_ok=True)
    numbered = [replace(one, id=number) for number, one in enumerate(exchanges, start=1)]
    if not numbered:
        raise RuntimeError(f"{rule}/{name}: nothing was recorded")
    (folder / f"{name}.http").write_text(wire_text.write(numbered, comment), "utf-8")
    print(f"{rule}/{name}: {', '.join(_in_short(one) for one in numbered)}", flush=True)


def _in_short(one: Exchange) -> str:
    return str(one.response.status) if one.response else one.failure.message if one.failure else "?"


@contextlib.contextmanager
def _relay(recorder: Recorder, who: Identity) -> Iterator[tuple[str, list[Exchange]]]:
    """A plain-HTTP server that passes everything on to the cluster as ``who``."""
    seen: list[Exchange] = []
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            fields = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
            if "Upgrade" in self.headers:
                fields["Connection"] = "Upgrade"
            connection = recorder.cluster.api.connect(who)
            one = exchange(connection, self.command, self.path, body, {**fields, **who.headers}, who)
            with lock:
                seen.append(one)
            assert one.response is not None
            answer = one.response.body or b""
            self.send_response(one.response.status)
            for key, value in one.response.headers:
                if key.lower() not in _HOP_BY_HOP:
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()


def _environment() -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and k != "KUBECONFIG"}
    return {**clean, "HOME": "/nonexistent"}


def without_secrets(fields: Iterable[tuple[str, str]]) -> Headers:
    return Headers([(key, value) for key, value in fields if key.lower() not in _SECRET])


def certificates_of(who: Identity | None) -> tuple[bytes, ...]:
    if who is None or who.certificate is None:
        return ()
    return tuple(
        one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(who.certificate.read_bytes())
    )


def _peer(sock: Any) -> tuple[tuple[bytes, ...], str]:
    if not isinstance(sock, ssl.SSLSocket):
        return (), ""
    der = sock.getpeercert(binary_form=True)
    return ((der,) if der else ()), sock.version() or ""


def _shown(host: str, port: int) -> tuple[bytes, ...]:
    """The certificate that a server shows, whatever it is worth."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), 5) as plain,
        context.wrap_socket(plain) as secure,
    ):
        der = secure.getpeercert(binary_form=True)
        return (der,) if der else ()
    return ()


def _error_event(body: bytes) -> bytes | None:
    """The last ERROR event of a watch's body, as a line of JSON each."""
    events = [line for line in body.splitlines() if line.startswith(b'{"type":"ERROR"')]
    return events[-1] if events else None
