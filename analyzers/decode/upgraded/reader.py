"""Reads an upgraded connection as it passes, and tells at any moment what was seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

from analyzers.decode import request_info
from analyzers.decode.status import Status
from analyzers.decode.untrusted import name
from analyzers.decode.upgraded import spdy, websocket
from analyzers.decode.upgraded.channels import Base64Channels, Channels
from analyzers.decode.upgraded.message_log import MessageLog
from analyzers.decode.upgraded.payload import Nobody, Sink
from analyzers.decode.upgraded.port_forward import PortForward, asked_ports
from analyzers.decode.upgraded.remote_command import RemoteCommand
from analyzers.decode.upgraded.spdy_streams import Streams
from analyzers.decode.upgraded.tally import CLIENT, SERVER, Tally
from analyzers.exchange import Headers
from analyzers.streams.upgraded import Upgraded, status_bytes

_SIDES: tuple[Literal["client"], Literal["server"]] = ("client", "server")
_CHANNELS = re.compile(r"(?:v(?P<version>[1-5])\.)?(?P<base64>base64\.)?channel\.k8s\.io")
_TUNNEL = "SPDY/3.1+"
_SESSIONS = ("exec", "attach", "portforward")
_PORT_FORWARD = "portforward.k8s.io"
# What was spoken before protocols had names, and is where none is named.
_UNNAMED = "channel.k8s.io"
_LONGEST_NAME = 100
_COMPRESSED = "its messages are compressed, which nothing in Kubernetes asks for"


class UpgradedReader:
    """Fed with what each side sent after the 101, in the order of that side; total for any bytes.

    ``path`` is the request's target as the API server sees it, with its query. What the two sides sent may be fed in
    any order, save that ``closed_by`` and the order of messages are told from it. ``at`` is the Unix time at which it
    came.
    """

    def __init__(self, path: str, request_headers: Headers, response_headers: Headers) -> None:
        self._bytes = [0, 0]
        self._ended_by: Literal["", "client", "server"] = ""
        self._closed_by: Literal["", "client", "server"] = ""
        self._session: RemoteCommand | PortForward | None = None
        self._websocket: tuple[websocket.Frames, ...] = ()
        self._log = MessageLog()
        self._spdy: tuple[spdy.Frames, ...] = ()
        self._problem = ""
        self._feed: tuple[Callable[[bytes], None], ...] = (_unread, _unread)
        self._subresource = request_info.decode("GET", path).subresource
        upgrade = response_headers.get("Upgrade").lower()
        if upgrade == "websocket":
            self.protocol = self._begin_websocket(path, request_headers, response_headers)
        elif upgrade == "spdy/3.1":
            self.protocol = self._begin_spdy(response_headers.get("X-Stream-Protocol-Version"))
        else:
            self.protocol = "unknown"

    def feed_client(self, data: bytes, at: float = 0.0) -> None:
        """What the client sent next."""
        self._take(CLIENT, data, at)

    def feed_server(self, data: bytes, at: float = 0.0) -> None:
        """What the server sent next."""
        self._take(SERVER, data, at)

    def end(self, by: Literal["client", "server"]) -> None:
        """The connection was ended, by this side first."""
        self._ended_by = self._ended_by or by
        self._closed_by = self._closed_by or by

    @property
    def upgraded(self) -> Upgraded:
        """What was seen so far."""
        status, exit_code = self._outcome()
        close = next((frames.close for frames in self._closing_order() if frames.close), websocket.Close())
        return Upgraded(
            protocol=self.protocol,
            channels=self._session.channels() if self._session else (),
            exit_code=exit_code,
            status=None if status is None else status_bytes(status),
            closed_by=self._closed_by,
            close_code=close.code,
            close_reason=close.reason,
            client_bytes=self._bytes[CLIENT],
            server_bytes=self._bytes[SERVER],
            problem=self._problems(),
            messages=self._log.messages if self._websocket else None,
        )

    def _begin_websocket(self, path: str, request_headers: Headers, response_headers: Headers) -> str:
        spoken = response_headers.get("Sec-WebSocket-Protocol").strip()
        compressed = "permessage-deflate" in response_headers.get("Sec-WebSocket-Extensions").lower()
        found = _CHANNELS.fullmatch(spoken or (_UNNAMED if self._subresource in _SESSIONS else ""))
        sinks: tuple[Sink, Sink] = (Nobody(), Nobody())
        if compressed:
            self._problem = _COMPRESSED
        elif spoken.startswith(_TUNNEL):
            self._begin_streams(spoken.removeprefix(_TUNNEL))
            sinks = (self._spdy[CLIENT], self._spdy[SERVER])
        elif found:
            session = self._session = (
                PortForward(asked_ports(path)) if self._is_port_forward else self._remote_command(found["version"])
            )
            kind = Base64Channels if found["base64"] else Channels
            sinks = (kind(CLIENT, session.of_number), kind(SERVER, session.of_number))
        self._websocket = tuple(
            websocket.Frames(sink, self._log, side, compressed=compressed) for side, sink in enumerate(sinks)
        )
        self._feed = tuple(frames.feed for frames in self._websocket)
        if spoken.startswith(_TUNNEL):
            return f"{_called(spoken.removeprefix(_TUNNEL))} over SPDY/3.1 in WebSocket"
        return f"{_called(spoken)} over WebSocket" if spoken else f"{_UNNAMED} over WebSocket" if found else "WebSocket"

    def _begin_spdy(self, spoken: str) -> str:
        spoken = spoken.strip() or (_PORT_FORWARD if self._is_port_forward else _UNNAMED)
        self._begin_streams(spoken)
        self._feed = tuple(_whole(frames) for frames in self._spdy)
        return f"{_called(spoken)} over SPDY/3.1"

    def _begin_streams(self, spoken: str) -> None:
        found = _CHANNELS.fullmatch(spoken)
        if spoken == _PORT_FORWARD:
            self._session = PortForward()
        elif found:
            self._session = self._remote_command(found["version"])
        streams = Streams(self._session.of_headers if self._session else _of_nobody)
        self._spdy = tuple(spdy.Frames(side, streams) for side in (CLIENT, SERVER))

    def _remote_command(self, version: str | None) -> RemoteCommand:
        return RemoteCommand(int(version or 1), attached=self._subresource == "attach")

    @property
    def _is_port_forward(self) -> bool:
        return self._subresource == "portforward"

    def _take(self, side: int, data: bytes, at: float) -> None:
        self._log.now = at
        self._bytes[side] += len(data)
        self._feed[side](data)
        if not self._closed_by and self._is_closing(side):
            self._closed_by = _SIDES[side]

    def _is_closing(self, side: int) -> bool:
        if self._websocket and self._websocket[side].close is not None:
            return True
        return bool(self._spdy) and self._spdy[side].going_away

    def _closing_order(self) -> tuple[websocket.Frames, ...]:
        return self._websocket[::-1] if self._closed_by == "server" else self._websocket

    def _outcome(self) -> tuple[Status | None, int | None]:
        if isinstance(self._session, PortForward):
            return self._session.outcome(), None
        if self._session is None:
            return None, None
        close = self._websocket[SERVER].close if self._websocket else None
        return self._session.outcome(ended=close is not None and close.code == 1000)

    def _problems(self) -> str:
        told = [self._problem] if self._problem else []
        for side, side_name in enumerate(_SIDES):
            problems = [frames.problem for frames in self._websocket[side : side + 1]]
            problems += [frames.problem for frames in self._spdy[side : side + 1]]
            told += [f"what the {side_name} sent: {problem}" for problem in problems if problem]
        return "; ".join(told)


def _called(spoken: str) -> str:
    return name(spoken[:_LONGEST_NAME])


def _unread(data: bytes) -> None:
    """Bytes of a protocol that is not known."""


def _of_nobody(headers: Mapping[str, str]) -> Tally:
    return Tally("")


def _whole(frames: spdy.Frames) -> Callable[[bytes], None]:
    def feed(data: bytes) -> None:
        frames.span(data, 0, len(data), b"", True)

    return feed
