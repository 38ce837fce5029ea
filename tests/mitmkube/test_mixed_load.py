"""A day of mixed load in a minute: thousands of conversations of every kind leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analyzers.command import CommandInfo, Story
from mitmkube.har_recording import HarRecording
from mitmkube.kept import Kept
from tests.cluster import pki
from tests.proxy_addons.api_server import Peer, api_server
from tests.proxy_addons.running_proxy import Client, Proxy, Refused, running_proxy, upstream_of, wait_for

CONVERSATIONS = 600
CLIENTS = 4
HELD = 300

_PODS = "/api/v1/namespaces/dev/pods"
_LIST = gzip.compress(
    json.dumps({"kind": "PodList", "items": [{"metadata": {"name": f"p{n}"}} for n in range(500)]}).encode()
)
_REFUSAL = json.dumps(
    {"kind": "Status", "status": "Failure", "reason": "Forbidden", "message": "no", "code": 403}
).encode()
_EVENT = json.dumps({"type": "ADDED", "object": {"kind": "Pod", "metadata": {"name": "p"}}}).encode() + b"\n"
_SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
_CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def converse(peer: Peer) -> None:
    """Answers by what is asked for; half of it is a fault."""
    while (request := peer.request()) is not None:
        path = request.line.split(" ")[1]
        match path.partition("?")[2]:
            case "list":
                peer.answer(_LIST, "200 OK", "Content-Encoding: gzip")
            case "refused":
                peer.answer(_REFUSAL, "403 Forbidden")
            case "watch=1":
                peer.send(_CHUNKED)
                for _ in range(3):
                    peer.chunk(_EVENT)
                peer.send(b"0\r\n\r\n")
            case "watch=1&cut":
                peer.send(_CHUNKED)
                peer.chunk(_EVENT)
                return
            case "upgrade":
                peer.send(_SWITCHED)
                while data := peer.recv():
                    peer.send(data)
                return
            case "nothing":
                return
            case "short":
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}")
                return
            case "close":
                peer.answer(b"{}", "200 OK", "Connection: close")
                return
            case "garbage":
                peer.send(b"\x15\x03\x01 no HTTP at all\r\n\r\n")
                return
            case _:
                peer.answer(b'{"kind":"Pod"}')


def short_ones(client: Client) -> None:
    for query in ("", "refused", "list", "", "watch=1", "", "list"):
        client.request(path=f"{_PODS}?{query}")
    client.request("POST", _PODS, b'{"kind":"Pod","metadata":{"name":"x"}}')


def upgrade(client: Client) -> None:
    client.send(
        f"POST {_PODS}/web/exec?upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    )
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        got += client.recv()
    client.send(b"x" * 3000)
    while len(got) < 3000 and (more := client.recv()):
        got += more


def asks(query: str) -> Callable[[Client], None]:
    return lambda client: client.request(path=f"{_PODS}?{query}") and None


def leaves(client: Client) -> None:
    client.send(f"GET {_PODS}?list HTTP/1.1\r\nHost: x\r\n\r\n")


def leaves_within(client: Client) -> None:
    client.send(f"POST {_PODS} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{{")


KINDS = (
    short_ones, short_ones, short_ones, upgrade, leaves, leaves_within, asks("watch=1&cut"), asks("nothing"),
    asks("short"), asks("close"), asks("garbage"),
)  # fmt: skip


# The test's own server keeps what it was asked, in objects of other modules.
_OURS = ("mitmproxy", "proxy_addons", "analyzers", "mitmkube", "asyncio", "h11", "_asyncio")


class Load:
    """Clients that go on until as many conversations as were asked for have been had."""

    def __init__(self, connect: Callable[..., Client], chance: random.Random) -> None:
        self._connect, self._chance = connect, chance

    def run(self, count: int) -> None:
        numbers, errors = itertools.count(), []

        def work() -> None:
            while next(numbers) < count:
                kind = self._chance.choice(KINDS)
                wrong = self._chance.random() < 0.05
                # What the faults above do to a client is none of the proxy's business here.
                with contextlib.suppress(OSError, Refused, ValueError, AssertionError):
                    try:
                        with self._connect(password="wrong" if wrong else None) as client:
                            kind(client.open())
                    except Exception as error:
                        if not isinstance(error, OSError | Refused | ValueError) and "http" not in repr(type(error)):
                            errors.append(error)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive(), "a client hangs"
        assert errors == []


class Held:
    """What a process holds that could grow."""

    def __init__(self, proxy: Proxy) -> None:
        wait_for(lambda: not proxy.master.server.connections, "for connections to end")
        wait_for(lambda: not proxy.reach._timers, "for timers to end")
        proxy.exchanges.clear()
        proxy.flows.clear()
        time.sleep(0.3)
        gc.collect()
        gc.collect()
        self.files = len(list(Path("/dev/fd").iterdir()))
        self.threads = threading.active_count()
        self.tasks = len(asyncio.all_tasks(proxy.master.event_loop))
        self.objects = Counter(
            f"{type(one).__module__}.{type(one).__qualname__}"
            for one in gc.get_objects()
            if str(type(one).__module__).partition(".")[0] in _OURS
        )
        tunnels, recorder = proxy.tunnels, proxy.recorder
        self.open = [
            len(held)
            for held in (tunnels._by_client, tunnels._refusals, tunnels.watchers, recorder._open, recorder._streams)
        ]


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[tuple[Proxy, Callable[..., Client], HarRecording, Kept]]:
    """A proxy that records as ``mitmkube run --har`` does, and how to connect to a server through it."""
    authority = pki.Authority.create("kubernetes")
    leaf = authority.issue("kube-apiserver", usage=pki.SERVER, names=["127.0.0.1"])
    recording, kept = HarRecording(tmp_path / "out.har"), Kept(HELD)

    def take(exchange, flow) -> None:  # type: ignore[no-untyped-def]
        kept.add(exchange)
        recording.add(exchange, flow)

    with api_server(leaf, authority.certificate_pem, converse) as server:
        folder = tmp_path / "proxy"
        folder.mkdir(mode=0o700)
        with running_proxy(folder, [upstream_of(server)], sink=take) as running:

            def connect(password: str | None = None) -> Client:
                return Client(running, server, **({"password": password} if password else {}))

            yield running, connect, recording, kept


def test_nothing_grows_over_thousands_of_conversations_of_every_kind(
    proxy: tuple[Proxy, Callable[..., Client], HarRecording, Kept], tmp_path: Path
) -> None:
    running, connect, recording, kept = proxy
    load = Load(connect, random.Random(24))
    load.run(CONVERSATIONS)  # what is made once, and what is held up to a limit
    before = Held(running)
    load.run(CONVERSATIONS)
    after = Held(running)
    assert after.files <= before.files + 2
    assert after.threads <= before.threads
    assert after.tasks <= before.tasks
    assert after.open == [0, 0, 0, 0, 0]
    # What is kept for the report is of another mixture each time; whatever is left behind would be so 600 times.
    grown = {kind: more for kind, more in (after.objects - before.objects).items() if more > CONVERSATIONS / 10}
    assert grown == {}
    recording.finish(Story.of(kept.exchanges, CommandInfo(exit_status=0), left_out=kept.left_out))
    entries = json.loads((tmp_path / "out.har").read_text())["log"]["entries"]
    ids = [entry["_mitmkube"]["id"] for entry in entries]
    assert len(ids) > CONVERSATIONS
    assert ids == sorted(set(ids))
    assert len(kept.exchanges) <= 2 * HELD
    statuses = {entry["response"]["status"] for entry in entries}
    assert {0, 101, 200, 403} <= statuses
