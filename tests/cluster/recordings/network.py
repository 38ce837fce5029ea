"""Peers that are no API server, or none that answers, in the words of a real kubectl."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

from analyzers.exchange import Exchange, Request, Response
from tests.cluster import pki, servers
from tests.cluster.record import KUBECTL, Recorder, client_failure, exchange, save, without_secrets
from tests.cluster.recordings.case import (
    PODS,
    records,
)


@records(
    "auth-server-certificate-untrusted", "auth-server-certificate-expired", "auth-server-certificate-name",
    "network-refused", "network-dns", "network-dial-timeout", "network-unreachable", "network-tls-timeout",
    "network-not-tls", "network-tls-failed", "network-no-answer", "network-connection-lost", "health-no-answer",
    "auth-client-certificate-alert", "auth-no-kubeconfig",
)  # fmt: skip
def peers(r: Recorder) -> None:
    folder = r.cluster.run / "peers"
    folder.mkdir(mode=0o700, exist_ok=True)
    version = json.loads(
        subprocess.run([KUBECTL, "version", "--client", "-o", "json"], capture_output=True, text=True).stdout
    )
    said = f"in the words of kubectl {version['clientVersion']['gitVersion']}"
    jane = r.cluster.identity("jane")
    other = pki.Authority.create("another-cluster-ca").certificate_pem
    ours = r.cluster.ca_file.read_bytes()

    foreign = client_failure(r.cluster.url, "tls", ca=other, who=jane, folder=folder)
    save("auth-server-certificate-untrusted", "hit", [foreign], f"{said}: a kubeconfig with another cluster's CA")
    with servers.expired_certificate() as server:
        expired = client_failure(server.url, "tls", ca=server.ca, who=jane, folder=folder)
    save("auth-server-certificate-expired", "hit", [expired], f"{said}: a server certificate that has expired")
    with servers.certificate_for_another_name() as server:
        named = client_failure(server.url, "tls", ca=server.ca, who=jane, folder=folder)
    save("auth-server-certificate-name", "hit", [named], f"{said}: a server certificate for another name")
    flags = ("--tls-server-name=cluster.example.com",)
    mismatch = client_failure(r.cluster.url, "tls", ca=ours, who=jane, flags=flags, folder=folder)
    save(
        "auth-server-certificate-name", "hit_server_name", [mismatch], f"{said}: tls-server-name is cluster.example.com"
    )
    save(
        "auth-server-certificate-untrusted", "miss_expired", [expired], f"{said}: a server certificate that has expired"
    )
    save("auth-server-certificate-expired", "miss_name", [named], f"{said}: a server certificate for another name")
    save("auth-server-certificate-name", "miss_untrusted", [foreign], f"{said}: a kubeconfig with another cluster's CA")

    with servers.refused() as server:
        refused = client_failure(server.url, "dial", ca=ours, folder=folder)
    save("network-refused", "hit", [refused], f"{said}: a port that nobody listens on")
    save("network-refused", "miss_untrusted", [foreign], f"{said}: a server that is there, with another CA")
    unknown = client_failure("https://cluster.invalid:6443", "dns", ca=ours, folder=folder)
    save("network-dns", "hit", [unknown], f"{said}: a name that DNS does not know")
    save("network-dns", "miss_refused", [refused], f"{said}: a port that nobody listens on")
    with _full_backlog() as port:
        full = client_failure(f"https://127.0.0.1:{port}", "dial", ca=ours, folder=folder)
    save("network-dial-timeout", "hit", [full], f"{said}: a port that takes no further connection")
    save("network-dial-timeout", "miss_refused", [refused], f"{said}: a port that nobody listens on")
    unreachable = client_failure("https://[2001:db8::1]:6443", "dial", ca=ours, folder=folder)
    save("network-unreachable", "hit", [unreachable], f"{said}: an address without a route")
    save("network-unreachable", "miss_timeout", [full], f"{said}: a port that takes no further connection")
    with servers.silent() as server:
        silent = client_failure(server.url, "tls", ca=ours, folder=folder)
    save("network-tls-timeout", "hit", [silent], f"{said}: a server that says nothing to the handshake")
    with servers.silent_after_request() as server:
        waiting = client_failure(server.url, "request", ca=server.ca, flags=("--request-timeout=2s",), folder=folder)
    save(
        "health-no-answer",
        "hit",
        [waiting],
        f"{said}: a server that takes the request and stays silent, --request-timeout=2s",
    )
    save("network-tls-timeout", "miss_after_request", [waiting], f"{said}: a server that is silent after the handshake")
    save("health-no-answer", "miss_handshake", [silent], f"{said}: a server that is silent before the handshake")
    with servers.silent() as server:
        plain = client_failure(
            server.url.replace("https", "http"), "request", flags=("--request-timeout=2s",), folder=folder
        )
    save("network-no-answer", "hit", [plain], f"{said}: a plain-HTTP server that stays silent, --request-timeout=2s")
    save("network-no-answer", "miss_trusted", [waiting], f"{said}: silence of a server whose certificate was right")
    with servers.plain_http() as server:
        http_only = client_failure(server.url, "tls", ca=ours, folder=folder)
    save("network-not-tls", "hit_http", [http_only], f"{said}: a plain-HTTP server")
    with _banner() as port:
        banner = client_failure(f"https://127.0.0.1:{port}", "tls", ca=ours, folder=folder)
    save("network-not-tls", "hit_no_tls", [banner], f"{said}: an SSH server")
    with servers.closes_at_once() as server:
        closed = client_failure(server.url, "tls", ca=ours, folder=folder)
    save("network-tls-failed", "hit_eof", [closed], f"{said}: a server that closes during the handshake")
    with servers.resets() as server:
        reset = client_failure(server.url, "tls", ca=ours, folder=folder)
    save("network-tls-failed", "hit_reset", [reset], f"{said}: a server that resets during the handshake")
    save("network-tls-failed", "miss_http", [http_only], f"{said}: a plain-HTTP server")
    save("network-not-tls", "miss_eof", [closed], f"{said}: a server that closes during the handshake")
    with servers.closes_after_request() as server:
        lost = client_failure(server.url, "request", ca=server.ca, folder=folder)
    save("network-connection-lost", "hit", [lost], f"{said}: a server that closes after the request")
    save("network-connection-lost", "miss_silent", [waiting], f"{said}: a server that stays silent")
    with _wants_certificate() as (url, ca):
        required = client_failure(url, "tls", ca=ca, folder=folder)
        save(
            "auth-client-certificate-alert", "hit_required", [required], f"{said}: a server that asks for a certificate"
        )
        unwanted = client_failure(url, "tls", ca=ca, who=jane, folder=folder)
        save(
            "auth-client-certificate-alert",
            "hit_unknown_authority",
            [unwanted],
            f"{said}: a server that trusts another CA for clients",
        )
    save("auth-client-certificate-alert", "miss_reset", [reset], f"{said}: a server that resets during the handshake")
    nothing = client_failure("http://localhost:8080", "dial", folder=folder, path="/api")
    save("auth-no-kubeconfig", "hit", [nothing], f"{said}: kubectl's default server")
    save("auth-no-kubeconfig", "miss_named_server", [refused], f"{said}: a server that was named")


@contextlib.contextmanager
def _full_backlog() -> Iterator[int]:
    """A port whose queue of connections is full: further SYNs are dropped."""

    with socket.socket() as listening, contextlib.ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(listening.getsockname())
        time.sleep(0.2)
        yield listening.getsockname()[1]


@contextlib.contextmanager
def _banner() -> Iterator[int]:
    """A server that speaks first, as SSH does."""

    def greet(connection: Any) -> None:
        connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
        connection.recv(65536)

    with servers._tcp(greet) as server:
        yield server.port


@contextlib.contextmanager
def _wants_certificate() -> Iterator[tuple[str, bytes]]:
    """A TLS server that accepts clients of a CA of its own only."""

    authority = pki.Authority.create("gateway-ca")
    context = servers.server_context(authority.issue("gateway", usage=pki.SERVER, names=[servers.HOST]))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority.certificate_pem.decode())
    with socket.socket() as listening:
        listening.bind((servers.HOST, 0))
        listening.listen(8)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
                        secure.recv(65536)

        threading.Thread(target=serve, daemon=True).start()
        yield f"https://{servers.HOST}:{listening.getsockname()[1]}", authority.certificate_pem


@records(
    "network-https-expected", "network-foreign-answer", "health-no-backend", "network-proxy-refused", "rbac-path-filter"
)
def middleboxes(r: Recorder) -> None:
    said = "recorded from a web server on loopback"
    jane = r.cluster.identity("jane")
    fields = {"Accept": "application/json", "User-Agent": "mitmkube-record"}

    def plain(port: int, path: str = PODS, method: str = "GET") -> Any:
        return exchange(http.client.HTTPConnection("127.0.0.1", port, timeout=30), method, path, None, fields)

    def trusted(server: servers.Server, path: str = PODS) -> Any:
        context = ssl.create_default_context(cadata=server.ca.decode())
        return exchange(
            http.client.HTTPSConnection("127.0.0.1", server.port, timeout=30, context=context),
            "GET",
            path,
            None,
            fields,
        )

    save(
        "network-https-expected",
        "hit",
        [plain(r.cluster.port)],
        f"recorded from kube-apiserver {r.version}: spoken to in plain HTTP",
    )
    save(
        "network-https-expected",
        "miss_bad_request",
        [r.send("GET", "/api/v1/pods?continue=nonsense")],
        f"recorded from kube-apiserver {r.version}: another 400",
    )
    with servers.html() as server:
        bad_gateway = trusted(server)
    save(
        "health-no-backend",
        "hit_502",
        [bad_gateway],
        f"{said}: nginx's page for a missing backend, over TLS that was checked",
    )
    with servers.html(503, servers.SERVICE_UNAVAILABLE) as server:
        save(
            "health-no-backend",
            "hit_503",
            [trusted(server)],
            f"{said}: HAProxy's page for a missing backend, over TLS that was checked",
        )
    with servers.html(scheme="http") as server:
        untrusted = plain(server.port)
    save(
        "health-no-backend",
        "miss_plain_http",
        [untrusted],
        f"{said}: the same page over plain HTTP: nobody knows who sent it",
    )
    save(
        "network-foreign-answer",
        "hit_untrusted_502",
        [untrusted],
        f"{said}: nginx's page for a missing backend, over plain HTTP",
    )
    login = "<!DOCTYPE html><html><head><title>Sign in to the network</title></head><body>Welcome</body></html>"
    with servers.html(200, login) as server:
        save(
            "network-foreign-answer", "hit_login", [trusted(server)], f"{said}: a login page in the API server's place"
        )
    with servers.html(413, "<html><head><title>413 Request Entity Too Large</title></head></html>") as server:
        save("network-foreign-answer", "hit_413", [trusted(server)], f"{said}: a gateway that caps bodies")
    save(
        "network-foreign-answer",
        "miss_no_backend",
        [bad_gateway],
        f"{said}: nginx's page for a missing backend, over TLS that was checked",
    )
    with servers.proxy_refusing() as server:
        asks = _connect(server.port, "10.0.0.1:6443")
    save("network-proxy-refused", "hit_407", [asks], f"{said}: a forward proxy that asks for a login")
    with servers.proxy_refusing(403, "<html><body>Blocked by policy</body></html>") as server:
        save(
            "network-proxy-refused",
            "hit_403",
            [_connect(server.port, "10.0.0.1:6443")],
            f"{said}: a forward proxy that forbids the address",
        )
    folder = r.cluster.run / "peers"
    folder.mkdir(mode=0o700, exist_ok=True)
    with servers.refused() as server:
        missing = client_failure(
            r.cluster.url,
            "dial",
            ca=r.cluster.ca_file.read_bytes(),
            proxy=f"http://127.0.0.1:{server.port}",
            folder=folder,
        )
        save(
            "network-proxy-refused",
            "hit_not_there",
            [missing],
            "in the words of kubectl: a proxy-url where nobody listens",
        )
    save("network-proxy-refused", "miss_html", [untrusted], f"{said}: a page from something that is no proxy")
    with _kubectl_proxy(r) as port:
        save(
            "rbac-path-filter",
            "hit",
            [plain(port, "/api/v1/namespaces/default/pods/p0/exec?command=ls", "POST")],
            "recorded from kubectl proxy: a path that it refuses by default",
        )
    save(
        "rbac-path-filter",
        "miss_denied",
        [r.send("POST", "/api/v1/namespaces/default/pods/p0/exec?command=ls", identity=jane)],
        f"recorded from kube-apiserver {r.version}: the same, refused by the authorizer",
    )


def _connect(port: int, target: str) -> Any:

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("CONNECT", target, headers={"Host": target, "User-Agent": "mitmkube-record"})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return Exchange(
        id=1,
        request=Request(
            method="CONNECT", host=target.partition(":")[0], port=int(target.partition(":")[2]), path=target
        ),
        response=Response(
            status=response.status,
            reason=response.reason,
            headers=without_secrets(response.getheaders()),
            body=body,
            body_bytes=len(body),
        ),
    )


@contextlib.contextmanager
def _kubectl_proxy(r: Recorder) -> Iterator[int]:
    command = [KUBECTL, f"--kubeconfig={r.cluster.kubeconfig()}", "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        try:
            yield int(proxy.stdout.readline().rsplit(":", 1)[1])
        finally:
            proxy.terminate()
