"""An admission webhook server on loopback, with the behaviour a test asks for."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cluster import pki
from tests.cluster.servers import HOST, server_context

type Review = Mapping[str, Any]
"""An AdmissionReview as JSON."""

type Decision = Callable[[Review], tuple[int, bytes]]
"""From the AdmissionReview that came to the HTTP status and body that go back."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the server listens, the PEM of its authority, and the reviews it got so far."""

    port: int
    ca: bytes = field(repr=False)
    reviews: list[Review] = field(default_factory=list)

    @property
    def url(self) -> str:
        """For ``clientConfig.url``."""
        return f"https://{HOST}:{self.port}/review"


def allow(**response: object) -> Decision:
    """Allow; ``response`` adds to the AdmissionResponse (``warnings``, ``patch`` and so on)."""
    return lambda review: _respond(review, {"allowed": True, **response})


def deny(message: str, **status: object) -> Decision:
    """Refuse with ``message``; ``status`` adds to the Status (``code``, ``reason``)."""
    return lambda review: _respond(review, {"allowed": False, "status": {"message": message, **status}})


def fail(status: int = 500, body: bytes = b"internal error\n") -> Decision:
    """Answer with an HTTP error, as a broken webhook does."""
    return lambda _: (status, body)


def garbage() -> Decision:
    """Answer 200 with something that is no AdmissionReview."""
    return lambda _: (200, b"<html>It works!</html>")


def hang(until: threading.Event) -> Decision:
    """Do not answer before the event is set."""

    def decide(review: Review) -> tuple[int, bytes]:
        until.wait(120)
        return allow()(review)

    return decide


def _respond(review: Review, response: Mapping[str, object]) -> tuple[int, bytes]:
    body = {
        "apiVersion": review["apiVersion"],
        "kind": "AdmissionReview",
        "response": {"uid": review["request"]["uid"], **response},
    }
    return 200, json.dumps(body).encode()


@contextlib.contextmanager
def webhook(decide: Decision, *, trusted: bool = True) -> Iterator[Webhook]:
    """Serve until the block ends. With ``trusted`` false the given ``ca`` is not the one of the certificate."""
    authority = pki.Authority.create("mitmkube-test-webhook-ca")
    vouching = authority if trusted else pki.Authority.create("mitmkube-test-webhook-ca")
    leaf = authority.issue("webhook", usage=pki.SERVER, names=[HOST])
    reviews: list[Review] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reviews.append(review)
            status, body = decide(review)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            # The API server may have given up waiting.
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(http.server.ThreadingHTTPServer):
        daemon_threads = True
        # A thread that still waits for a next request must not hold up the end of the test.
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    server = Quiet((HOST, 0), Handler)
    server.socket = server_context(leaf).wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Webhook(server.server_address[1], vouching.certificate_pem, reviews)
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
