"""Archives of what real servers and clients said, for the tests of whoever reads one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analyzers.exchange import Connection, Exchange, Failure, Request, Response, Timing
from analyzers.readers import wire_text
from tests.analyzers.decode.upgraded.recorded import recording

_STORIES = Path(__file__).parent / "analyzers" / "stories"
STARTED = 1_700_000_000.0


@dataclass(frozen=True, slots=True)
class Moment:
    """When an upgraded connection began, and how long each part of it took to come."""

    started: float = STARTED
    step: float = 0.25


def story(name: str) -> tuple[Exchange, ...]:
    """The exchanges of a recorded story."""
    return wire_text.read((_STORIES / f"{name}.http").read_text("utf-8"))


def upgraded(name: str, number: int = 1, moment: Moment | None = None) -> Exchange:
    """A recorded upgraded connection, each part of which came ``step`` seconds after the one before."""
    moment = moment or Moment()
    one = recording(name)
    reader = one.reader()
    at = moment.started
    for side, data in one.parts:
        at += moment.step
        (reader.feed_client if side == "client" else reader.feed_server)(data, at)
    reader.end(one.ended_by)
    told = reader.upgraded
    return Exchange(
        id=number,
        request=Request(method="GET", host="127.0.0.1", port=6443, path=one.path, headers=one.request),
        response=Response(
            status=101,
            reason="Switching Protocols",
            headers=one.response,
            body_bytes=told.server_bytes,
            stream=told,
        ),
        timing=Timing(
            started=moment.started, connect=0.01, tls=0.02, send=0.001, wait=0.1, receive=at - moment.started
        ),
        connection=Connection(id=f"connection-{number}", peer="127.0.0.1"),
    )


def refused_connection(number: int = 1) -> Exchange:
    """A CONNECT to where nobody listens."""
    return Exchange(
        id=number,
        request=Request(method="CONNECT", host="127.0.0.1", port=1, path="127.0.0.1:1"),
        failure=Failure(phase="dial", message="dial tcp 127.0.0.1:1: connect: connection refused"),
        timing=Timing(started=STARTED, connect=0.001),
    )
