"""An API server on 127.0.0.1 that knows who asks, as a real one does, and answers what a real one answered.

Clients are known by a certificate of the demo's authority; a bearer token is never known. What was not recorded is
answered with a 501 that says so, and never with something made up.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import socketserver
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from analyzers.decode import certificate
from analyzers.exchange import Response
from mitmkube.demo.pki import KeyPair
from mitmkube.demo.recorded import UNKNOWN, Recordings

# These belong to this connection and this moment, not to the recorded ones.
_OF_THE_MOMENT = frozenset({"date", "content-length", "transfer-encoding", "connection"})
_IDLE_SECONDS = 60


class ApiServer:
    """Listens from the beginning of the ``with`` block to its end. ``ca`` is the file of the clients' authority."""

    def __init__(self, recordings: Recordings, pair: KeyPair, ca: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        self._server = _Server(context, recordings)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """What a kubeconfig calls ``server``."""
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    request_queue_size = 128  # an old kubectl asks for every group at once

    def __init__(self, context: ssl.SSLContext, recordings: Recordings) -> None:
        self.recordings = recordings
        self._context = context
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # In the connection's own thread, so that a slow handshake keeps nobody else waiting.
        request.settimeout(_IDLE_SECONDS)
        # Otherwise an answer waits until the session tickets before it were acknowledged: 40 ms.
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError), self._context.wrap_socket(request, server_side=True) as secure:
            _Handler(secure, client_address, self)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece
    server: _Server
    connection: ssl.SSLSocket

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        accept = ",".join(self.headers.get_all("Accept", []))
        asker = self._asker()
        response = self.server.recordings.answer(asker, self.command, self.path, accept)
        if response is None:
            said = f"the demo has no recording of {self.command} {self.path} by {asker or 'nobody'} as {accept}\n"
            response = Response(status=501, reason="Not Implemented", body=said.encode())
        self.send_response_only(response.status, response.reason)
        for name, value in response.headers:
            if name.lower() not in _OF_THE_MOMENT:
                self.send_header(name, value)
        body = response.body or b""
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def _asker(self) -> str:
        """The common name of a certificate that was verified; else UNKNOWN for a token, "" for nothing."""
        der = self.connection.getpeercert(binary_form=True)
        shown = certificate.decode(der) if der else None
        if shown is not None:
            return shown.subject_cn
        return UNKNOWN if "Authorization" in self.headers else ""

    def log_message(self, format: str, *args: Any) -> None:
        """The demo's output is the commands' and the reports'."""
