"""A direct HTTPS client for arranging things on the test cluster and for reading what it really answers."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.identities import Identity


class ApiError(Exception):
    """The API server refused something that a test merely arranges."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status code, header fields in wire order, and the body as it came."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON, or None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def header(self, name: str) -> str:
        """The first value of a header field, "" where there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


class Api:
    """Talks to ``127.0.0.1:port`` with a new connection for every request, so that no state is shared."""

    def __init__(self, port: int, ca_file: Path) -> None:
        self._port = port
        self._ca_file = ca_file

    def connect(self, identity: Identity, seconds: float = 90) -> http.client.HTTPSConnection:
        """A connection that presents the identity's certificate, if it has one."""
        context = ssl.create_default_context(cafile=str(self._ca_file))
        if identity.certificate and identity.key:
            context.load_cert_chain(identity.certificate, identity.key)
        return http.client.HTTPSConnection("127.0.0.1", self._port, timeout=seconds, context=context)

    def call(
        self,
        identity: Identity,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float = 90,
    ) -> Answer:
        """One request; a ``body`` that is no bytes is sent as JSON. Raises OSError where there is no answer."""
        sent = {"Accept": "application/json", **identity.headers}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        connection = self.connect(identity, seconds)
        try:
            connection.request(method, path, data, {**sent, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, tuple(response.getheaders()), response.read())
        finally:
            connection.close()


def wait_until[T](what: str, probe: Callable[[], T | None], seconds: float = 60) -> T:
    """What ``probe`` returns once it is true; it is asked ten times a second. TimeoutError names ``what``."""
    end = time.monotonic() + seconds
    while True:
        if found := probe():
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)
