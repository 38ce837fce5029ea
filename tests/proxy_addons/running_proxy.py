"""The real proxy, in a thread of its own, and a client that goes through it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import http.client
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a library of mitmproxy's is behind its own times; it is imported here first
    from mitmproxy import http as mitmproxy_http
    from mitmproxy.tools import main as _  # noqa: F401

from analyzers.exchange import Exchange
from mitmkube import authority
from mitmkube.early_proxy import listening_socket
from mitmkube.proxy import ProxyMaster
from proxy_addons import kube_addons
from proxy_addons.reach import Reach
from proxy_addons.recorder import Recorder
from proxy_addons.tunnels import Tunnels
from proxy_addons.upstream import KeyPairs, Upstream, Upstreams
from tests.cluster import pki
from tests.proxy_addons.api_server import ApiServer

PASSWORD = "password-of-the-proxy"
PATIENCE = 20


def wait_for(condition: Callable[[], object], what: str = "") -> None:
    """Until ``condition`` holds. How long that takes is not what a test is about."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain {what}"
        time.sleep(0.005)


@dataclass
class Proxy:
    port: int
    ca: bytes
    tunnels: Tunnels
    recorder: Recorder
    reach: Reach
    master: ProxyMaster
    exchanges: list[Exchange] = field(default_factory=list)
    flows: list[mitmproxy_http.HTTPFlow] = field(default_factory=list)

    def take(self, count: int = 1) -> list[Exchange]:
        """The first ``count`` exchanges, as soon as they have ended."""
        wait_for(lambda: len(self.exchanges) >= count, f"for {count} exchanges, {len(self.exchanges)} came")
        return self.exchanges[:count]

    @property
    def exchange(self) -> Exchange:
        return self.take()[0]

    def idle(self) -> None:
        """Until every client's connection has been seen to close."""
        wait_for(lambda: not self.master.server.connections, "for the proxy to be idle")


@contextlib.contextmanager
def running_proxy(
    folder: Path,
    upstreams: Iterable[Upstream] | Upstreams,
    pairs: Callable[[], Iterable[pki.KeyPair]] = tuple,
    *,
    addons: Iterable[object] = (),
    sink: Callable[[Exchange, mitmproxy_http.HTTPFlow], None] | None = None,
):
    """A proxy to ``upstreams`` that knows the key pairs that ``pairs`` gives each time it is asked."""
    ready, over = threading.Event(), threading.Event()
    found: list[Proxy | BaseException] = []
    if not isinstance(upstreams, Upstreams):
        fixed = tuple(upstreams)
        key_pairs = KeyPairs(lambda: [(p.certificate_pem, p.key_pem) for p in pairs()])
        upstreams = Upstreams(lambda: fixed, key_pairs, PASSWORD)
    ca = authority.create(folder, dt.datetime.now(dt.UTC), dt.timedelta(days=1), upstreams.hosts)

    async def main() -> None:
        tunnels = Tunnels(upstreams)
        exchanges: list[Exchange] = []
        flows: list[mitmproxy_http.HTTPFlow] = []

        def keep(exchange: Exchange, flow: mitmproxy_http.HTTPFlow) -> None:
            exchanges.append(exchange)
            flows.append(flow)
            if sink is not None:
                sink(exchange, flow)

        recorder = Recorder(tunnels, keep)
        ours = kube_addons(tunnels)
        master = ProxyMaster([*ours, recorder, *addons], folder)
        listener = listening_socket()
        port = listener.getsockname()[1]
        await master.start(listener)
        reach = next(addon for addon in ours if isinstance(addon, Reach))
        found.append(Proxy(port, ca, tunnels, recorder, reach, master, exchanges, flows))
        ready.set()
        while not over.is_set():
            await asyncio.sleep(0.005)
        deadline = time.monotonic() + 2
        while master.server.connections and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        recorder.flush()
        await master.stop()
        await asyncio.sleep(0.02)  # closed sockets are let go of in the loop's next turns

    def work() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            found.append(error)
            ready.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    proxy = found[0]
    if isinstance(proxy, BaseException):
        raise proxy
    try:
        yield proxy
    finally:
        over.set()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the proxy does not end"
    assert len(found) == 1, found[1:]


def upstream_of(server: ApiServer, **changes: object) -> Upstream:
    settings: dict[str, object] = {
        "cluster": "test",
        "scheme": "https",
        "host": server.host,
        "port": server.port,
        "server_name": server.host,
        "ca": server.ca,
        "user": "cluster-1",
    }
    return Upstream(**{**settings, **changes})  # type: ignore[arg-type]


class Refused(Exception):
    """The CONNECT was not answered with 200."""

    def __init__(self, status: int, reason: str, body: bytes) -> None:
        super().__init__(f"{status} {reason}")
        self.status, self.reason, self.body = status, reason, body


class Client:
    """One connection through the proxy, with a client certificate or without."""

    def __init__(
        self,
        proxy: Proxy,
        server: ApiServer | tuple[str, int],
        pair: pki.KeyPair | None = None,
        *,
        user: str = "cluster-1",
        password: str | None = PASSWORD,
        folder: Path | None = None,
        version: ssl.TLSVersion | None = None,
        session: ssl.SSLSession | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.address = (server.host, server.port) if isinstance(server, ApiServer) else server
        self.raw = socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE)
        self.login = (
            f"Proxy-Authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}\r\n"
            if password is not None
            else ""
        )
        self.context = context or client_context(proxy.ca, pair, folder, version)
        self.session = session
        self.tls: ssl.SSLSocket | None = None

    def connect(self) -> Client:
        """Ask for the tunnel. Raises Refused."""
        host, port = self.address
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.raw.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{self.login}\r\n".encode())
        response = http.client.HTTPResponse(self.raw, method="CONNECT")
        response.begin()
        if response.status != 200:
            body = response.read(response.length) if response.length else b""
            response.close()
            raise Refused(response.status, response.reason, body)
        response.close()
        return self

    def handshake(self) -> Client:
        self.tls = self.context.wrap_socket(self.raw, server_hostname=self.address[0], session=self.session)
        return self

    def open(self) -> Client:
        return self.connect().handshake()

    @property
    def stream(self) -> socket.socket:
        return self.tls or self.raw

    def send(self, data: bytes | str) -> None:
        self.stream.sendall(data.encode() if isinstance(data, str) else data)

    def recv(self, count: int = 65536) -> bytes:
        try:
            return self.stream.recv(count)
        except (ssl.SSLEOFError, ConnectionResetError):
            return b""

    def response(self, method: str = "GET") -> http.client.HTTPResponse:
        """The next response; its body is yet to be read."""
        response = http.client.HTTPResponse(self.stream, method=method)
        response.begin()
        return response

    def request(
        self, method: str = "GET", path: str = "/api/v1/pods", body: bytes = b"", fields: Iterable[str] = ()
    ) -> tuple[int, bytes]:
        """Send a request and read its whole answer."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.address[0]}:{self.address[1]}", *fields]
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode() + body)
        response = self.response(method)
        found = response.read()
        response.close()
        return response.status, found

    def close(self) -> None:
        self.stream.close()
        self.raw.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def client_context(
    ca: bytes, pair: pki.KeyPair | None = None, folder: Path | None = None, version: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca.decode())
    if pair is not None:
        assert folder is not None
        name = pair.certificate.fingerprint(pair.certificate.signature_hash_algorithm).hex()[:16]
        context.load_cert_chain(*pair.write(folder, name))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context
