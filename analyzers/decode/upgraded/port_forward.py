"""port-forward: for every connection to a port a pair of streams, one for its bytes and one for what went wrong.

Over SPDY, also in a WebSocket tunnel, their headers name the port. The older protocol over WebSocket has two channels
for each port that the request asks for, and the server begins each with the port's two bytes (k8s.io/cri-streaming,
portforward/websocket.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from analyzers.decode.status import Status
from analyzers.decode.untrusted import text
from analyzers.decode.upgraded.remote_command import failed
from analyzers.decode.upgraded.tally import Tally
from analyzers.streams.upgraded import Channel

_MOST_PORTS = 256
_MOST_SAID = 4096
_PORT_BYTES = 2


@dataclass(slots=True)
class _Port:
    data: Tally
    error: Tally = field(default_factory=lambda: Tally("error", most=_MOST_SAID))


class PortForward:
    """The ports of one session. ``asked`` are those of the request, where channels stand for them."""

    def __init__(self, asked: tuple[int, ...] = ()) -> None:
        self._asked = asked
        self._by_channel = False
        self._ports: dict[int | None, _Port] = {}

    def of_number(self, number: int) -> Tally | None:
        """What a WebSocket channel is counted in; None for one that stands for no port."""
        if not 0 <= number // 2 < len(self._asked):
            return None
        self._by_channel = True
        port = self._of(self._asked[number // 2])
        port.data.streams = 1
        return port.error if number % 2 else port.data

    def of_headers(self, headers: Mapping[str, str]) -> Tally:
        """What a SPDY stream with such headers is counted in."""
        kind, port = headers.get("streamtype", ""), _port(headers.get("port", ""))
        if kind not in ("data", "error") or port is None:
            return Tally("")
        found = self._of(port)
        return found.error if kind == "error" else found.data

    def channels(self) -> tuple[Channel, ...]:
        """A channel for each port that was connected to, in the order in which they were."""
        return tuple(self._told())

    def outcome(self) -> Status | None:
        """What the node said last that went wrong."""
        said = [port.error for port in self._ports.values() if self._error(port)]
        last = max(said, key=lambda tally: tally.speaker, default=None)
        return None if last is None else failed(self._text(last))

    def _told(self) -> Iterator[Channel]:
        before = _PORT_BYTES if self._by_channel else 0
        for port in self._ports.values():
            data = port.data
            yield Channel(
                name=data.name,
                port=data.port,
                client_bytes=data.bytes[0],
                server_bytes=max(0, data.bytes[1] - before),
                streams=data.streams,
                error=self._error(port),
            )

    def _of(self, port: int | None) -> _Port:
        if port not in self._ports and len(self._ports) >= _MOST_PORTS:
            port = None
        if port not in self._ports:
            self._ports[port] = _Port(Tally("data", port))
        return self._ports[port]

    def _error(self, port: _Port) -> str:
        return self._text(port.error)

    def _text(self, tally: Tally) -> str:
        said = tally.said[_PORT_BYTES:] if self._by_channel else tally.said
        return text(said.decode("utf-8", "replace"))


def asked_ports(path: str) -> tuple[int, ...]:
    """The ports in the query of a request over WebSocket: ``ports=80&ports=443``, or with a comma between them."""
    try:
        values = parse_qs(urlsplit(path).query, max_num_fields=_MOST_PORTS).get("ports", [])
    except ValueError:
        return ()
    found = (_port(word) for value in values for word in value.split(",", _MOST_PORTS)[:_MOST_PORTS])
    return tuple(port for port in found if port is not None)[:_MOST_PORTS]


def _port(word: str) -> int | None:
    number = int(word) if word.isascii() and word.isdigit() and len(word) <= 5 else 0
    return number if 1 <= number < 1 << 16 else None
