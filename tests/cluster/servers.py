"""Servers on loopback that are no API server, or no healthy one: what a client meets when something is in the way.

Each is a context manager that gives a ``Server``; put its ``url`` and ``ca`` into a kubeconfig. Threads end with it.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster import pki

HOST = "127.0.0.1"
BAD_GATEWAY = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"  # noqa: E501
SERVICE_UNAVAILABLE = (
    "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n"
)
PROXY_AUTHENTICATION = (
    "<html><head><title>407 Proxy Authentication Required</title></head><body>Authenticate.</body></html>\n"
)


@dataclass(frozen=True, slots=True)
class Server:
    """Where it listens, and the PEM of the authority that a kubeconfig should name (b"" for plain HTTP).

    ``requests`` fills with ``METHOD target`` of every HTTP request that arrived; ``connections`` counts accepted ones.
    """

    port: int
    ca: bytes = field(repr=False, default=b"")
    scheme: str = "https"
    requests: list[str] = field(default_factory=list)
    connections: list[tuple[str, int]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The URL for a kubeconfig's ``server``."""
        return f"{self.scheme}://{HOST}:{self.port}"


type Conversation = Callable[[socket.socket], None]


@contextlib.contextmanager
def refused() -> Iterator[Server]:
    """A port that nobody listens on: bound, so that nobody else gets it, and never listening."""
    with socket.socket() as held:
        held.bind((HOST, 0))
        yield Server(held.getsockname()[1])


@contextlib.contextmanager
def silent() -> Iterator[Server]:
    """Accepts connections and never says a word, nor reads one."""

    def wait(connection: socket.socket) -> None:
        # Ends when the client gives up, or when the test is over and the socket is shut down.
        while connection.recv(65536):
            pass

    with _tcp(wait) as server:
        yield server


@contextlib.contextmanager
def closes_at_once() -> Iterator[Server]:
    """Accepts and closes: the TLS handshake ends in EOF."""

    def close(connection: socket.socket) -> None:
        # What was received and not read would turn the close into a reset.
        connection.recv(65536)

    with _tcp(close) as server:
        yield server


@contextlib.contextmanager
def resets() -> Iterator[Server]:
    """Accepts and resets (RST)."""

    def reset(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with _tcp(reset) as server:
        yield server


@contextlib.contextmanager
def plain_http() -> Iterator[Server]:
    """An HTTP server on a port that the kubeconfig calls https; it answers 400 to what it cannot read, as Go does."""
    headers = b"Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    answer = b"HTTP/1.1 400 Bad Request\r\n" + headers + b"\r\n400 Bad Request"

    def refuse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    with _tcp(refuse) as server:
        yield server


@contextlib.contextmanager
def html(status: int = 502, page: str = BAD_GATEWAY, *, scheme: str = "https") -> Iterator[Server]:
    """A middlebox: answers every request with a page, over TLS that the given ``ca`` vouches for (or plain HTTP)."""

    class Handler(_Handler):
        def answer(self) -> None:
            self.send(status, page.encode(), "text/html")

    with _http(Handler, tls=scheme == "https") as server:
        yield server


@contextlib.contextmanager
def proxy_refusing(status: int = 407, page: str = PROXY_AUTHENTICATION) -> Iterator[Server]:
    """A forward proxy (``scheme`` http) that refuses every CONNECT, by default for want of credentials."""

    class Handler(_Handler):
        def answer(self) -> None:
            extra = {"Proxy-Authenticate": 'Basic realm="corp"'} if status == 407 else {}
            self.send(status, page.encode(), "text/html", extra)

    with _http(Handler, tls=False) as server:
        yield server


@contextlib.contextmanager
def silent_after_request() -> Iterator[Server]:
    """Completes TLS, reads the request, and never answers it."""
    over = threading.Event()

    class Handler(_Handler):
        def answer(self) -> None:
            over.wait(300)

    with _http(Handler) as server:
        try:
            yield server
        finally:
            over.set()


@contextlib.contextmanager
def closes_after_request() -> Iterator[Server]:
    """Completes TLS, reads the request, and closes the connection instead of answering."""

    class Handler(_Handler):
        def answer(self) -> None:
            self.close_connection = True

    with _http(Handler) as server:
        yield server


@contextlib.contextmanager
def foreign_certificate() -> Iterator[Server]:
    """Its certificate is of another authority than ``ca``."""
    trusted, other = pki.Authority.create("mitmkube-test-ca"), pki.Authority.create("some-other-ca")
    with _http(_Handler, _leaf(other), ca=trusted) as server:
        yield server


@contextlib.contextmanager
def expired_certificate() -> Iterator[Server]:
    """Its certificate ran out ten days ago."""
    authority = pki.Authority.create("mitmkube-test-ca")
    leaf = authority.issue(
        "kube-apiserver", usage=pki.SERVER, names=[HOST], not_before=-20 * pki.DAY, not_after=-10 * pki.DAY
    )
    with _http(_Handler, leaf, ca=authority) as server:
        yield server


@contextlib.contextmanager
def certificate_for_another_name() -> Iterator[Server]:
    """Its certificate is for ``api.example.test`` and 192.0.2.1, not for 127.0.0.1."""
    authority = pki.Authority.create("mitmkube-test-ca")
    leaf = authority.issue("kube-apiserver", usage=pki.SERVER, names=["api.example.test", "192.0.2.1"])
    with _http(_Handler, leaf, ca=authority) as server:
        yield server


@contextlib.contextmanager
def intermediate(anchor: str = "root", *, sends_chain: bool = True) -> Iterator[Server]:
    """Its certificate is of an intermediate authority; ``ca`` is the "root" or the "intermediate" itself.

    With ``sends_chain`` false the leaf comes alone, which only a client that trusts the intermediate can accept.
    """
    root = pki.Authority.create("mitmkube-test-root")
    middle = pki.Authority.create("mitmkube-test-intermediate", issuer=root)
    chain = (middle.certificate,) if sends_chain else ()
    leaf = middle.issue("kube-apiserver", usage=pki.SERVER, names=[HOST, "localhost"], chain=chain)
    with _http(_Handler, leaf, ca={"root": root, "intermediate": middle}[anchor]) as server:
        yield server


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers every request with an empty object of the kind discovery asks for, unless a subclass does otherwise."""

    protocol_version = "HTTP/1.1"
    seen: list[str]

    def answer(self) -> None:
        self.send(200, b'{"kind":"APIVersions","apiVersion":"v1","versions":["v1"]}', "application/json")

    def send(self, status: int, body: bytes, content_type: str, extra: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **(extra or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _any(self) -> None:
        self.seen.append(f"{self.command} {self.path}")
        if length := int(self.headers.get("Content-Length") or 0):
            self.rfile.read(length)
        self.answer()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_CONNECT = _any

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _leaf(authority: pki.Authority) -> pki.KeyPair:
    return authority.issue("kube-apiserver", usage=pki.SERVER, names=[HOST, "localhost"])


@contextlib.contextmanager
def _http(
    handler: type[_Handler],
    leaf: pki.KeyPair | None = None,
    *,
    ca: pki.Authority | None = None,
    tls: bool = True,
) -> Iterator[Server]:
    """Serve HTTP with ``handler``, over TLS unless told otherwise, with a certificate of ``ca`` unless given one."""
    authority = ca or pki.Authority.create("mitmkube-test-ca")
    seen: list[str] = []
    bound = type("Handler", (handler,), {"seen": seen})

    def converse(connection: socket.socket) -> None:
        bound(connection, connection.getpeername(), None)

    if tls:
        context = server_context(leaf or _leaf(authority))
        with _tcp(converse, ca=authority.certificate_pem, context=context, seen=seen) as server:
            yield server
    else:
        with _tcp(converse, ca=b"", scheme="http", seen=seen) as server:
            yield server


def server_context(leaf: pki.KeyPair) -> ssl.SSLContext:
    """A TLS server's context; the key is on disk for no longer than it takes to load it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="mitmkube-server-") as folder:
        context.load_cert_chain(*leaf.write(Path(folder), "server"))
    return context


@contextlib.contextmanager
def _tcp(
    converse: Conversation,
    *,
    ca: bytes | None = None,
    scheme: str = "https",
    context: ssl.SSLContext | None = None,
    seen: list[str] | None = None,
) -> Iterator[Server]:
    """Accept connections and hand each to ``converse`` in a thread of its own, until the block ends."""
    listener = socket.create_server((HOST, 0))
    server = Server(
        port=listener.getsockname()[1],
        ca=pki.Authority.create("mitmkube-test-ca").certificate_pem if ca is None else ca,
        scheme=scheme,
        requests=[] if seen is None else seen,
    )
    open_connections: set[socket.socket] = set()
    threads: list[threading.Thread] = []

    def talk(connection: socket.socket) -> None:
        # The client may end the conversation in any way it likes.
        with contextlib.suppress(OSError, ValueError):
            if context:
                connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            with connection:
                open_connections.add(connection)
                try:
                    if isinstance(connection, ssl.SSLSocket):
                        connection.do_handshake()
                    converse(connection)
                finally:
                    open_connections.discard(connection)

    def accept() -> None:
        while True:
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            server.connections.append(peer)
            thread = threading.Thread(target=talk, args=(connection,), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        # Where shutdown does not wake a blocked accept(), one more connection and the closed listener do.
        with contextlib.suppress(OSError), socket.create_connection((HOST, server.port), timeout=1):
            pass
        listener.close()
        acceptor.join(5)
        while any(thread.is_alive() for thread in threads):
            for connection in list(open_connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(0.05)
