"""Stands between a client and the API server, and keeps what passes on connections that were upgraded.

TLS ends here on both sides, with the API server's own key pair, so a client must say who it is with a token. Of a
request and its answer the header fields of the upgrade are kept, and no credential.
"""

from __future__ import annotations

import base64
import json
import re
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_KEPT = ("upgrade", "connection", "sec-websocket-protocol", "sec-websocket-extensions", "x-stream-protocol-version")


@dataclass(slots=True)
class Passed:
    """One connection: what each side sent, in the order it passed, and who was the first to end it."""

    parts: list[tuple[str, bytes]] = field(default_factory=list)
    ended_by: str = ""

    def document(self) -> list[object] | None:
        """The heads, the parts after them and the end, as values for JSON; None for what was not upgraded."""
        heads = {side: b"".join(data for by, data in self.parts if by == side) for side in ("client", "server")}
        if not heads["server"].startswith(b"HTTP/1.1 101"):
            return None
        left = {side: head.index(b"\r\n\r\n") + 4 for side, head in heads.items()}
        document: list[object] = [
            {
                "path": heads["client"].split(b" ")[1].decode(),
                "request": _fields(heads["client"][: left["client"]]),
                "response": _fields(heads["server"][: left["server"]]),
            }
        ]
        for side, data in self.parts:
            after, left[side] = data[left[side] :], max(0, left[side] - len(data))
            if after:
                document.append([side, base64.b64encode(after).decode()])
        document.append(["end", self.ended_by])
        return document


def _fields(head: bytes) -> list[list[str]]:
    pairs = re.findall(r"^([\w-]+): (.*)\r$", head.decode("latin-1"), re.MULTILINE)
    return [[name, value] for name, value in pairs if name.lower() in _KEPT and "bearer" not in value]


class Tap:
    """Listens at ``port``; ``passed`` holds every connection since the last ``clear``."""

    def __init__(self, upstream: int, pki: Path) -> None:
        self.passed: list[Passed] = []
        self._upstream = upstream
        self._server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
        # An upgrade is HTTP/1.1; with HTTP/2 there would be nothing to read here.
        self._server.set_alpn_protocols(["http/1.1"])
        self._client = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._client.set_alpn_protocols(["http/1.1"])
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]

    def documents(self) -> list[list[object]]:
        """Every upgraded connection as ``Passed.document`` gives it."""
        return [document for one in self.passed if (document := one.document()) is not None]

    def serve(self) -> None:
        """Accept connections until ``close``."""
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Stop accepting."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _relay(self, accepted: socket.socket) -> None:
        passed = Passed()
        self.passed.append(passed)
        try:
            with (
                self._server.wrap_socket(accepted, server_side=True) as client,
                socket.create_connection(("127.0.0.1", self._upstream)) as plain,
                self._client.wrap_socket(plain, server_hostname="127.0.0.1") as server,
            ):
                _pass_on(client, server, passed)
        except OSError:
            return


def _pass_on(client: ssl.SSLSocket, server: ssl.SSLSocket, passed: Passed) -> None:
    """Both directions in one thread, so that parts stand in the order in which they passed."""
    sides = {client: ("client", server), server: ("server", client)}
    while sides:
        ready = [one for one in sides if one.pending()] or select.select(list(sides), [], [])[0]
        for one in ready:
            name, other = sides[one]
            try:
                data = one.recv(65536)
            except OSError:
                data = b""
            if not data:
                passed.ended_by = passed.ended_by or name
                return
            passed.parts.append((name, data))
            other.sendall(data)


@contextmanager
def tap(upstream: int, pki: Path) -> Iterator[Tap]:
    """A tap in front of the API server at ``upstream``, whose key pair and authority are in ``pki``."""
    one = Tap(upstream, pki)
    threading.Thread(target=one.serve, daemon=True).start()
    try:
        yield one
    finally:
        one.close()


def save(document: list[object], file: Path) -> None:
    """Write one connection, a line for the heads, one for each part, and one for the end."""
    file.write_text("".join(f"{json.dumps(line)}\n" for line in document), "utf-8")
