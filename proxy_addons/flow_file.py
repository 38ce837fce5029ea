"""mitmproxy's own files: what ``mitmdump -w`` writes, and mitmweb's Save, with our addons or without them.

A flow of a plain mitmproxy still has its credentials in the headers; they are decoded and taken off before anything
else is done with it. Importing mitmproxy takes its time: nothing but a file like this imports this module.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from mitmproxy import exceptions, http
from mitmproxy.flow import Flow
from mitmproxy.io import FlowReader

from analyzers import redact
from analyzers.decode.body_reader import BodyReader, reader_for
from analyzers.exchange import Exchange, Failure
from analyzers.grouping import group
from analyzers.readers import error_codes, har_entry
from analyzers.readers.kubernetes_traffic import KubernetesTraffic
from analyzers.readers.passage import Passage
from analyzers.readers.source import Source
from proxy_addons import flow_to_exchange
from proxy_addons.annotate import LEFT_OUT, TOLD
from proxy_addons.body_tap import BodyTap
from proxy_addons.layers import CLIENT_LEFT, FAILURE
from proxy_addons.lifted import Lifted

LARGEST_FLOW = 512 << 20
"""Bytes. What says that it is longer is broken."""
_CHUNK = 1 << 16
_MOST_CONNECTIONS = 1024
_CLIENT_GONE = "Client disconnected"


def read(source: Source) -> Iterator[Passage]:
    """The passages of a file of flows, and notes on what could not be read of it. Does not raise on any content."""
    flows = _Flows(source)
    traffic = KubernetesTraffic()
    exchanges = flows.exchanges()
    first = next(exchanges, None)
    if first is not None:
        ours = (one for found in chain((first,), exchanges) for one in _taken(traffic, found, flows))
        for together in group(ours):
            yield Passage(kind="flows", exchanges=together)
    notes = (*traffic.notes, *flows.notes)
    if notes or first is None:
        yield Passage(kind="flows", notes=notes)


def _taken(traffic: KubernetesTraffic, exchange: Exchange, flows: _Flows) -> Iterator[Exchange]:
    return iter((exchange,)) if exchange.id in flows.told else traffic.take(exchange)


class _Flows:
    """The file while it is read."""

    def __init__(self, source: Source) -> None:
        self._file = _File(source)
        self._count = 0
        self._other = 0
        self._unreadable = 0
        self._broken = False
        self._paid: OrderedDict[str, None] = OrderedDict()
        self.told: set[int] = set()

    @property
    def notes(self) -> tuple[str, ...]:
        found: list[str] = []
        if self._other:
            found.append(f"{_flows(self._other)} passed over: not of HTTP")
        if self._unreadable:
            found.append(f"{_flows(self._unreadable)} left out: this mitmproxy cannot read what stands there")
        if self._broken:
            behind = _flows(self._count).removesuffix(" was").removesuffix(" were")
            found.append(f"the file breaks off or is broken after {behind}: what stands before that was read")
        return tuple(found)

    def exchanges(self) -> Iterator[Exchange]:
        for flow in self._flows():
            self._count += 1
            if not isinstance(flow, http.HTTPFlow):
                self._other += 1
                continue
            try:
                exchange = self._exchange(flow)
            except Exception:  # a file may say anything of a flow, and mitmproxy does not check all of it
                self._unreadable += 1
                continue
            yield exchange

    def _flows(self) -> Iterator[Flow]:
        """Each flow that stands whole in the file."""
        while not self._broken:
            if self._file.peek(1) == b"{":  # FlowReader would take it for a HAR, and all of it at once
                self._broken = True
                return
            try:
                # One at a time: a flow that cannot be used does not end the file, only broken framing does.
                yield next(iter(FlowReader(self._file).stream()))  # type: ignore[arg-type]
            except StopIteration:
                return
            except exceptions.FlowReadException as error:
                self._broken = "Invalid data format" in str(error)
                self._unreadable += not self._broken
            except (MemoryError, RecursionError, _TooLarge):
                self._broken = True
            except Exception:
                self._unreadable += 1

    def _exchange(self, flow: http.HTTPFlow) -> Exchange:
        lifted = Lifted.take_from(flow.request)
        failure = _failure(flow)
        exchange = flow_to_exchange.exchange(
            flow,
            self._count,
            request_tap=_tapped(flow.request),
            response_tap=_tapped(flow.response, _reader(flow)),
            upstream=None,
            credential=lifted.credential,
            pays_for_connection=self._pays(flow),
        )
        if failure is not None and exchange.failure is not None:
            exchange = replace(exchange, failure=failure)
        if exchange.response is not None:
            shown = redact.headers(exchange.response.headers)
            exchange = replace(exchange, response=replace(exchange.response, headers=shown))
        own = flow.metadata.get(TOLD)
        if isinstance(own, dict):
            exchange = har_entry.told(exchange, own | {"id": self._count})
            self.told.add(exchange.id)
        return exchange

    def _pays(self, flow: http.HTTPFlow) -> bool:
        """Whether this is the first flow on its connection."""
        connection = flow.server_conn.id
        if connection in self._paid:
            return False
        self._paid[connection] = None
        if len(self._paid) > _MOST_CONNECTIONS:
            self._paid.popitem(last=False)
        return True


def _failure(flow: http.HTTPFlow) -> Failure | None:
    """What mitmproxy itself said of a flow that our addons did not see fail."""
    if flow.error is None or FAILURE in flow.metadata:
        return None
    said = flow.error.msg
    if said.startswith(_CLIENT_GONE):
        flow.metadata[CLIENT_LEFT] = True
        return None
    return error_codes.failure(said, flow.request.host, flow.request.port, answered=flow.response is not None)


class _NotKept(BodyTap):
    """Of a body that was streamed, so that mitmproxy has not kept it."""

    @property
    def complete(self) -> bool:
        return False


def _reader(flow: http.HTTPFlow) -> BodyReader | None:
    if flow.response is None:
        return None
    content_type = flow.response.headers.get("content-type", "")
    return reader_for(flow.request.method, flow.request.path, flow.response.status_code, content_type)


def _tapped(message: http.Message | None, reader: BodyReader | None = None) -> BodyTap:
    """The body as it would have gone by; when each piece of it came is not known."""
    if message is None:
        return BodyTap()
    raw = message.raw_content
    if raw is None or raw.endswith(LEFT_OUT):
        return _NotKept()
    ended = message.timestamp_end or 0.0
    tap = BodyTap(message.headers.get("content-encoding", ""), reader=reader, clock=lambda: ended)
    for at in range(0, len(raw), _CHUNK):
        tap(raw[at : at + _CHUNK])
    return tap


class _TooLarge(Exception):
    pass


class _File:
    """The source as FlowReader wants it: read and peek."""

    def __init__(self, source: Source) -> None:
        self._blocks = source.blocks()
        self._held = bytearray()
        self._at = 0

    def peek(self, size: int) -> bytes:
        self._hold(size)
        return bytes(self._held[self._at : self._at + size])

    def read(self, size: int) -> bytes:
        if size > LARGEST_FLOW:
            raise _TooLarge
        self._hold(size)
        found = bytes(self._held[self._at : self._at + size])
        self._at += len(found)
        if self._at >= len(self._held):
            self._held.clear()
            self._at = 0
        return found

    def _hold(self, size: int) -> None:
        if len(self._held) - self._at >= size:
            return
        del self._held[: self._at]
        self._at = 0
        while len(self._held) < size and (block := next(self._blocks, None)) is not None:
            self._held += block


def _flows(count: int) -> str:
    return "1 flow was" if count == 1 else f"{count} flows were"
