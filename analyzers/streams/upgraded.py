"""What went over an upgraded connection: exec, attach, cp and port-forward, told without what was typed or sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from analyzers import redact
from analyzers.decode import status as status_decoder
from analyzers.decode.status import Status
from analyzers.decode.untrusted import integer, items, mapping, name, parse_json, text
from analyzers.streams.message import Messages
from analyzers.units import size

Side = Literal["", "client", "server"]

NON_ZERO_EXIT = "NonZeroExitCode"
"""The reason of a Status that tells the exit code of the user's own program: no failure of the API side."""

_SHOWN = ("stdin", "stdout", "stderr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel and the bytes that each side sent on it; messages' own headers are not counted.

    ``name`` is stdin, stdout, stderr, error, resize, or data: all that was forwarded to ``port`` of the pod, over
    ``streams`` connections. ``error`` is the last that the node said went wrong with one of them.
    """

    name: str
    port: int | None = None
    client_bytes: int = 0
    server_bytes: int = 0
    streams: int = 1
    error: str = ""

    @property
    def phrase(self) -> str:
        """``stdout 1.2 KB``, ``port 8080: 3 connections, 12 MB down, 1.0 KB up``."""
        if self.name != "data":
            return f"{self.name} {size(self.client_bytes + self.server_bytes)}"
        connections = "1 connection" if self.streams == 1 else f"{self.streams} connections"
        port = f"port {self.port}" if self.port is not None else "other ports"
        return f"{port}: {connections}, {_both_ways(self.client_bytes, self.server_bytes)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """One upgraded connection, so far or whole.

    ``protocol`` is such as ``v5.channel.k8s.io over WebSocket``, ``v4.channel.k8s.io over SPDY/3.1``,
    ``portforward.k8s.io over SPDY/3.1 in WebSocket``, or ``unknown``. ``exit_code`` is that of the user's program, None
    where it was not told. ``status`` is the Status of the error channel as JSON; what came there as text is made one.
    ``closed_by`` is who was the first to say that it ends the connection, or to end it, ``close_code`` and
    ``close_reason`` are those of WebSocket's close frame. ``client_bytes`` and ``server_bytes`` are those of the
    connection. ``problem`` is why not all of it was decoded; its bytes are counted nevertheless. ``messages`` are those
    of a WebSocket, None for anything else; they are no part of ``document``.
    """

    protocol: str
    channels: tuple[Channel, ...] = ()
    exit_code: int | None = None
    status: bytes | None = field(default=None, repr=False)
    closed_by: Side = ""
    close_code: int | None = None
    close_reason: str = ""
    client_bytes: int = 0
    server_bytes: int = 0
    problem: str = ""
    messages: Messages | None = field(default=None, compare=False)

    @property
    def failure_status(self) -> bytes | None:
        """The Status as JSON where the API side failed; None also where only the user's program did."""
        found = self._failure
        only_the_program = self.exit_code is not None or (found is not None and found.reason == NON_ZERO_EXIT)
        return self.status if found is not None and not only_the_program else None

    @property
    def phrase(self) -> str:
        """On one line: ``exit 3; stdout 1.2 KB, stderr 40 B``. Never empty."""
        parts = [part for part in (self._outcome, *self._traffic) if part]
        return "; ".join(parts)

    def lines(self) -> tuple[str, ...]:
        """What there is to tell, a line each: the protocol, every channel, how it ended."""
        return tuple(self._told())

    def document(self) -> dict[str, Any]:
        """As values for JSON, without what there is nothing to tell of."""
        status = parse_json(self.status)
        return {
            "protocol": self.protocol,
            "channels": [_channel_document(channel) for channel in self.channels],
            **({} if self.exit_code is None else {"exitCode": self.exit_code}),
            **_filled(status=status, closedBy=self.closed_by),
            **({} if self.close_code is None else {"closeCode": self.close_code}),
            **_filled(closeReason=self.close_reason),
            "clientBytes": self.client_bytes,
            "serverBytes": self.server_bytes,
            **_filled(problem=self.problem),
        }

    @staticmethod
    def read(value: object) -> Upgraded | None:
        """What ``document`` gave; None for anything else."""
        document = mapping(value)
        if not (protocol := name(document.get("protocol"))):
            return None
        status = status_decoder.from_document(document.get("status"))
        by = document.get("closedBy")
        return Upgraded(
            protocol=protocol,
            channels=tuple(_channel(mapping(item)) for item in items(document.get("channels"))),
            exit_code=integer(document.get("exitCode")),
            status=None if status is None else status_bytes(status),
            closed_by="client" if by == "client" else "server" if by == "server" else "",
            close_code=integer(document.get("closeCode")),
            close_reason=name(document.get("closeReason")),
            client_bytes=_count(document.get("clientBytes")),
            server_bytes=_count(document.get("serverBytes")),
            problem=name(document.get("problem")),
        )

    @property
    def _failure(self) -> Status | None:
        found = status_decoder.decode(self.status)
        return found if found is not None and found.failure else None

    @property
    def _outcome(self) -> str:
        found = self._failure
        if self.exit_code is not None:
            return f"exit {self.exit_code}"
        if found is None or any(channel.error for channel in self.channels):
            return ""
        return f"failed: {name(found.message) or found.reason or 'no reason given'}"

    @property
    def _traffic(self) -> Iterator[str]:
        if not self.channels:
            yield _both_ways(self.client_bytes, self.server_bytes)
            return
        shown = [one.phrase for one in self.channels if one.name in _SHOWN and one.client_bytes + one.server_bytes]
        if shown:
            yield ", ".join(shown)
        for one in self.channels:
            if one.name == "data":
                yield f"{one.phrase}, failed: {name(redact.text(one.error))}" if one.error else one.phrase
        if not shown and not self._outcome and not any(one.name == "data" for one in self.channels):
            yield "no output"

    def _told(self) -> Iterator[str]:
        yield self.protocol
        for channel in self.channels:
            yield channel.phrase
            if channel.error:
                yield f"the node said: {name(redact.text(channel.error))}"
        if outcome := self._outcome:
            yield outcome
        if self.closed_by:
            code = f" with code {self.close_code}" if self.close_code is not None else ""
            reason = f": {self.close_reason}" if self.close_reason else ""
            yield f"closed by the {self.closed_by}{code}{reason}"
        yield f"in all {_both_ways(self.client_bytes, self.server_bytes)}"
        if self.problem:
            yield f"not decoded: {self.problem}"


def status_bytes(status: Status) -> bytes:
    """A Status as ``Upgraded.status`` has it. A node may repeat what was to be run."""
    status = replace(status, message=redact.text(status.message))
    return json.dumps(status_decoder.document(status), separators=(",", ":")).encode()


def _both_ways(client: int, server: int) -> str:
    return f"{size(server)} down, {size(client)} up"


def _filled(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def _channel_document(channel: Channel) -> dict[str, Any]:
    return {
        "name": channel.name,
        **({} if channel.port is None else {"port": channel.port}),
        "clientBytes": channel.client_bytes,
        "serverBytes": channel.server_bytes,
        "streams": channel.streams,
        **_filled(error=channel.error),
    }


def _channel(document: Mapping[str, Any]) -> Channel:
    return Channel(
        name=name(document.get("name")),
        port=integer(document.get("port")),
        client_bytes=_count(document.get("clientBytes")),
        server_bytes=_count(document.get("serverBytes")),
        streams=_count(document.get("streams")),
        error=text(document.get("error")),
    )


def _count(value: object) -> int:
    return max(0, integer(value) or 0)
