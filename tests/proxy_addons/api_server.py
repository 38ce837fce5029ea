"""A TLS server on loopback that asks for a client certificate as an API server does: whoever presents none is let in.

Each connection is a conversation in a thread of its own, so that a test can say exactly what goes over the wire.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

from tests.cluster import pki

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, its head as it came over the wire."""

    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode()

    @property
    def fields(self) -> list[str]:
        """The header lines, in order, in the case they had."""
        return self.head.decode("latin-1").split("\r\n")[1:-2]

    def get(self, name: str) -> str:
        for line in self.fields:
            if line.lower().startswith(name.lower() + ":"):
                return line.partition(":")[2].strip()
        return ""


class Peer:
    """The server's end of one connection: ``chain`` is what the client presented, leaf first."""

    def __init__(self, number: int, sock: socket.socket, tls: SSL.Connection | None) -> None:
        self.number = number
        self.socket = sock
        self._tls = tls
        self._buffer = b""
        self.chain: tuple[x509.Certificate, ...] = ()
        self.tls_version = ""
        self.sni = ""

    def handshake(self) -> None:
        assert self._tls is not None
        self._tls.do_handshake()
        leaf = self._tls.get_peer_certificate()
        if leaf is not None:
            rest = self._tls.get_peer_cert_chain() or []
            self.chain = tuple(c.to_cryptography() for c in (leaf, *rest))
            self.chain = tuple(dict.fromkeys(self.chain))
        self.tls_version = self._tls.get_protocol_version_name()
        self.sni = (self._tls.get_servername() or b"").decode()

    @property
    def identity(self) -> str:
        """SHA-256 of the client's certificate, "" when there is none."""
        return self.chain[0].fingerprint(hashes.SHA256()).hex() if self.chain else ""

    def recv(self) -> bytes:
        """The next bytes, b"" at the end."""
        if self._buffer:
            found, self._buffer = self._buffer, b""
            return found
        try:
            return self._tls.recv(65536) if self._tls else self.socket.recv(65536)
        except (SSL.ZeroReturnError, SSL.SysCallError):
            return b""

    def send(self, data: bytes) -> None:
        if self._tls:
            self._tls.sendall(data)
        else:
            self.socket.sendall(data)

    def until(self, end: bytes) -> bytes:
        """Everything up to and with ``end``; b"" when the client went away before."""
        found = b""
        while end not in found:
            chunk = self.recv()
            if not chunk:
                return b""
            found += chunk
        head, _, self._buffer = found.partition(end)
        return head + end

    def exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            chunk = self.recv()
            if not chunk:
                return found
            found += chunk
        self._buffer = found[count:]
        return found[:count]

    def request(self) -> Request | None:
        """The next request; None when the client has gone."""
        head = self.until(b"\r\n\r\n")
        if not head:
            return None
        lowered = head.lower()
        body = b""
        if b"transfer-encoding: chunked" in lowered:
            while size := int(self.until(b"\r\n").split(b";")[0], 16):
                body += self.exactly(size)
                self.until(b"\r\n")
            self.until(b"\r\n")
        elif b"content-length:" in lowered:
            body = self.exactly(int(lowered.split(b"content-length:")[1].split(b"\r\n")[0]))
        return Request(head, body)

    def answer(self, body: bytes = b"{}", status: str = "200 OK", *fields: str) -> None:
        lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *fields]
        self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def half_close(self) -> None:
        """No more bytes from here; the client may still send."""
        assert self._tls is not None
        self._tls.shutdown()

    def reset(self) -> None:
        """Have the close be an RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        with contextlib.suppress(OSError, SSL.Error):
            if self._tls and self.socket.fileno() != -1:
                self._tls.shutdown()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


type Conversation = Callable[[Peer], None]


def answer_all(peer: Peer) -> None:
    """Say who the client is, to every request."""
    while request := peer.request():
        who = {"identity": peer.identity, "line": request.line, "connection": peer.number}
        peer.answer(b"" if request.line.startswith("HEAD") else json.dumps(who).encode())


@dataclass
class ApiServer:
    """What a test sees of the server. ``requests`` are those of ``answer_all`` style conversations that logged them."""

    port: int
    host: str
    ca: bytes = field(repr=False)
    peers: list[Peer]
    failures: list[str]
    requests: list[Request]

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"


def server_context(
    leaf: pki.KeyPair, version: int | None = None, *, asks: bool = True, requires: bool = False
) -> SSL.Context:
    """``version`` is an SSL.TLS1_x_VERSION to speak and no other."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(leaf.certificate)
    for issuer in leaf.chain:
        context.add_extra_chain_cert(issuer)
    context.use_privatekey(leaf.key)
    if version is not None:
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
    if asks:
        mode = SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if requires else 0)
        context.set_verify(mode, lambda *_: True)
        context.set_session_id(b"test")
    return context


@contextlib.contextmanager
def api_server(
    leaf: pki.KeyPair,
    ca: bytes,
    converse: Conversation = answer_all,
    *,
    context: SSL.Context | None = None,
    host: str = HOST,
):
    """Serve with ``leaf``; ``ca`` is only passed on to the test."""
    with tcp_server(converse, context=context or server_context(leaf), host=host) as server:
        server.ca = ca
        yield server


@contextlib.contextmanager
def tcp_server(converse: Conversation, *, context: SSL.Context | None = None, host: str = HOST):
    """Without ``context`` the conversation has the bare connection."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, 0), family=family, backlog=128)
    server = ApiServer(listener.getsockname()[1], host, b"", [], [], [])
    threads: list[threading.Thread] = []
    over = threading.Event()

    def talk(peer: Peer, tls: bool) -> None:
        try:
            if tls:
                peer.handshake()
            recorded = peer.request

            def request() -> Request | None:
                found = recorded()
                if found is not None:
                    server.requests.append(found)
                return found

            peer.request = request  # type: ignore[method-assign]
            converse(peer)
        except (OSError, SSL.Error) as error:
            server.failures.append(repr(error))
            # Closing over bytes that were not read resets the connection, and a reset overtakes the alert before it.
            with contextlib.suppress(OSError):
                while peer.socket.fileno() != -1 and peer.socket.recv(65536):
                    pass
        finally:
            peer.close()

    def accept() -> None:
        while not over.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            if over.is_set():
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls = None
            if context is not None:
                tls = SSL.Connection(context, sock)
                tls.set_accept_state()
            peer = Peer(len(server.peers) + 1, sock, tls)
            server.peers.append(peer)
            thread = threading.Thread(target=talk, args=(peer, tls is not None), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        over.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for peer in server.peers:
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)
