"""Turns flows into Exchanges as they end, in the order in which they began, and hands them on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakSet

from mitmproxy import http
from mitmproxy.connection import Client, Server

from analyzers.exchange import Exchange
from proxy_addons import flow_to_exchange
from proxy_addons.body_tap import BodyTap
from proxy_addons.tunnels import STRANGER, Tunnels
from proxy_addons.upstream import Upstream

type Sink = Callable[[Exchange, http.HTTPFlow], None]


@dataclass(slots=True)
class _Open:
    """A flow that has not ended."""

    number: int
    flow: http.HTTPFlow
    upstream: Upstream | None = None  # a client that has gone is nobody's any more when its last flow ends
    pays_for_connection: bool = False
    request_tap: BodyTap = field(default_factory=BodyTap)
    response_tap: BodyTap = field(default_factory=BodyTap)


class Recorder:
    """Streams every body past a tap, and calls ``sink`` with each finished exchange on the event loop's thread."""

    name = "mitmkube-recorder"

    def __init__(self, tunnels: Tunnels, sink: Sink) -> None:
        self._tunnels = tunnels
        self._sink = sink
        self._open: dict[str, _Open] = {}
        self._paid: WeakSet[Server] = WeakSet()
        self._count = 0

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        record = self._begin(flow)
        record.request_tap = flow.request.stream = BodyTap(flow.request.headers.get("content-encoding", ""))

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        record = self._open.get(flow.id)
        if record is None or flow.response is None:
            return
        record.pays_for_connection = self._pays(flow)
        record.upstream = self._tunnels.of(flow.client_conn)
        encoding = flow.response.headers.get("content-encoding", "")
        record.response_tap = BodyTap(encoding, is_watch="watch" in flow.request.path)
        flow.response.stream = record.response_tap

    def response(self, flow: http.HTTPFlow) -> None:
        # An upgraded connection ends when its client goes, and is handed on then; until then it is open.
        if flow.response is not None and flow.response.status_code == 101:
            return
        self._end(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self._end(flow)

    def http_connect_error(self, flow: http.HTTPFlow) -> None:
        if STRANGER in flow.metadata:
            return
        self._begin(flow).pays_for_connection = True
        self._end(flow)

    def client_disconnected(self, client: Client) -> None:
        for record in [r for r in self._open.values() if r.flow.client_conn.id == client.id]:
            self._end(record.flow)

    def flush(self) -> None:
        """Hand on what is still open, as it stands."""
        for record in list(self._open.values()):
            self._end(record.flow, live=True)

    def _begin(self, flow: http.HTTPFlow) -> _Open:
        self._count += 1
        self._open[flow.id] = record = _Open(self._count, flow)
        return record

    def _pays(self, flow: http.HTTPFlow) -> bool:
        """Whether this is the first answer on its connection."""
        seen = flow.server_conn in self._paid
        self._paid.add(flow.server_conn)
        return not seen

    def _end(self, flow: http.HTTPFlow, *, live: bool = False) -> None:
        record = self._open.pop(flow.id, None)
        if record is None or STRANGER in flow.metadata:
            return  # someone without the password is not part of what we report on
        if flow.response is not None and flow.response.timestamp_end is None:
            flow.response.timestamp_end = time.time()  # a watch that its client ended
        lifted = self._tunnels.lifted.get(flow.request)
        self._sink(
            flow_to_exchange.exchange(
                flow,
                record.number,
                request_tap=record.request_tap,
                response_tap=record.response_tap,
                upstream=self._tunnels.of(flow.client_conn) or record.upstream,
                credential=lifted.credential if lifted else None,
                pays_for_connection=record.pays_for_connection,
                live=live,
            ),
            flow,
        )
