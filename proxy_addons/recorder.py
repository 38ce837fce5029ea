"""Turns flows into Exchanges as they end, in the order in which they began, and hands them on.

What stays open (a watch, a log that is followed, an exec) is handed on as it stands too, from time to time, and at once
when it holds an error: nobody should have to end it to learn what it says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from weakref import WeakSet

from mitmproxy import http
from mitmproxy.connection import Client, Server

from analyzers.decode import body_reader
from analyzers.decode.upgraded.reader import UpgradedReader
from analyzers.decode.watch import WatchReader
from analyzers.exchange import Exchange
from proxy_addons import flow_to_exchange
from proxy_addons.body_tap import BodyTap
from proxy_addons.limits import Limits
from proxy_addons.tunnels import STRANGER, Tunnels
from proxy_addons.upstream import Upstream

type Sink = Callable[[Exchange, http.HTTPFlow], None]

LOOK_SECONDS = 2.0
"""How often what is open is looked at."""

# For what has no body yet, or never will.
_NOTHING = BodyTap()


@dataclass(slots=True)
class _Open:
    """A flow that has not ended."""

    number: int
    flow: http.HTTPFlow
    request_tap: BodyTap
    response_tap: BodyTap
    upstream: Upstream | None = None  # a client that has gone is nobody's any more when its last flow ends
    pays_for_connection: bool = False
    upgraded: UpgradedReader | None = None
    changed: bool = False
    error_event: bytes | None = field(default=None, repr=False)


class Recorder:
    """Streams every body past a tap, and calls ``sink`` with each finished exchange on the event loop's thread.

    ``open_sink`` gets those that are not finished, again and again while they change; None: nobody asks.
    """

    name = "mitmkube-recorder"

    def __init__(
        self, tunnels: Tunnels, sink: Sink, open_sink: Sink | None = None, limits: Limits | None = None
    ) -> None:
        self._tunnels = tunnels
        self._sink = sink
        self._open_sink = open_sink
        self._limits = limits or Limits()
        self._open: dict[str, _Open] = {}
        self._streams: dict[str, _Open] = {}
        self._paid: WeakSet[Server] = WeakSet()
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        record = self._begin(flow)
        keep = 0 if self._is_foreign(flow) else self._limits.body_bytes
        record.request_tap = flow.request.stream = BodyTap(flow.request.headers.get("content-encoding", ""), keep=keep)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        record = self._open.get(flow.id)
        if record is None or flow.response is None:
            return
        record.pays_for_connection = self._pays(flow)
        record.upstream = self._tunnels.of(flow.client_conn)
        if self._is_foreign(flow):
            record.response_tap = flow.response.stream = BodyTap(keep=0)
            return
        headers, status = flow.response.headers, flow.response.status_code
        prefix = record.upstream.path_prefix if record.upstream else ""
        path = flow.request.path.removeprefix(prefix) or "/"
        reader = body_reader.reader_for(flow.request.method, path, status, headers.get("content-type", ""))
        record.response_tap = flow.response.stream = BodyTap(
            headers.get("content-encoding", ""),
            keep=self._limits.stream_bytes if body_reader.endless(reader) else self._limits.body_bytes,
            reader=reader,
            later=asyncio.get_running_loop().call_soon,
            changed=partial(self._changed, record) if reader is not None else None,
        )
        if status == 101:
            record.upgraded = UpgradedReader(
                path, flow_to_exchange.headers(flow.request.headers), flow_to_exchange.headers(headers)
            )
            self._tunnels.watchers[flow.request] = partial(self._upgraded, record)
        if reader is not None or status == 101:
            self._streams[flow.id] = record
            self._look_later()

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

    def done(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def flush(self) -> None:
        """Hand on what is still open, as it stands."""
        for record in list(self._open.values()):
            self._end(record.flow, live=True)

    def _begin(self, flow: http.HTTPFlow) -> _Open:
        self._count += 1
        self._open[flow.id] = record = _Open(self._count, flow, _NOTHING, _NOTHING)
        return record

    def _is_foreign(self, flow: http.HTTPFlow) -> bool:
        upstream = self._tunnels.of(flow.client_conn)
        return upstream is not None and upstream.foreign

    def _pays(self, flow: http.HTTPFlow) -> bool:
        """Whether this is the first answer on its connection."""
        seen = flow.server_conn in self._paid
        self._paid.add(flow.server_conn)
        return not seen

    def _upgraded(self, record: _Open, from_client: bool, data: bytes) -> None:
        """What passed on an upgraded connection; no data when that side has ended."""
        reader = record.upgraded
        assert reader is not None
        if not data:
            reader.end("client" if from_client else "server")
        elif from_client:
            reader.feed_client(data, time.time())
        else:
            reader.feed_server(data, time.time())
        record.changed = True

    def _changed(self, record: _Open) -> None:
        record.changed = True
        reader = record.response_tap.reader
        if isinstance(reader, WatchReader) and reader.error_event is not record.error_event:
            record.error_event = reader.error_event
            self._tell(record)

    def _look_later(self) -> None:
        if self._timer is None and self._open_sink is not None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        for record in self._streams.values():
            if record.changed:
                self._tell(record)
        if self._streams:
            self._look_later()

    def _tell(self, record: _Open) -> None:
        record.changed = False
        if self._open_sink is not None and record.flow.id in self._open:
            self._open_sink(self._exchange(record, live=True), record.flow)

    def _end(self, flow: http.HTTPFlow, *, live: bool = False) -> None:
        record = self._open.pop(flow.id, None)
        self._streams.pop(flow.id, None)
        self._tunnels.watchers.pop(flow.request, None)
        if record is None or STRANGER in flow.metadata:
            return  # someone without the password is not part of what we report on
        record.response_tap.read()
        if flow.response is not None and (flow.response.timestamp_end is None or record.upgraded is not None):
            flow.response.timestamp_end = time.time()  # a watch that its client ended, or all that came after a 101
        self._sink(self._exchange(record, live=live), flow)

    def _exchange(self, record: _Open, *, live: bool) -> Exchange:
        flow = record.flow
        lifted = self._tunnels.lifted.get(flow.request)
        return flow_to_exchange.exchange(
            flow,
            record.number,
            request_tap=record.request_tap,
            response_tap=record.response_tap,
            upgraded=record.upgraded.upgraded if record.upgraded is not None else None,
            upstream=self._tunnels.of(flow.client_conn) or record.upstream,
            credential=lifted.credential if lifted else None,
            pays_for_connection=record.pays_for_connection,
            live=live,
        )
