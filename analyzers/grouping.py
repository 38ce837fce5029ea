"""Which requests belong to one command, in traffic that holds those of many.

``run`` knows: it sees one command. A recording, or a proxy that stays, has to tell from the requests:

1. ``Kubectl-Session``: kubectl and oc send the same random number with every request of a command (older ones not where
   KUBECTL_COMMAND_HEADERS says so). One session is one command, whatever lies between two of its requests: an editor
   may be open that long.
2. Else the connection to the server: two processes never share one. A request on the same connection belongs to the
   same command until nothing was sent on it for as long as Go keeps an idle connection.
3. Else the same client, as its User-Agent and its identity say, to the same server. A command may well use several
   connections, so another one is only a hint: what was sent while an answer was awaited, or so soon after one that no
   new process could have been started meanwhile, is of the same command; so is an upgrade to a stream, which needs a
   connection of its own, and the first request after nothing but discovery. A watch is no answer that is awaited.
   Where no connections are known, a second is what two requests may lie apart.
4. A CONNECT says nothing of its client: it belongs to what was last asked of the same server, or is asked next.

What is left: without the header, two commands of the same user that run side by side may look like one, and one command
that thinks long before it opens another connection looks like two.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from analyzers.exchange import Exchange
from analyzers.phrase import is_discovery

SESSION_SECONDS = 15 * 60.0
"""A session of which nothing was heard for that long is over."""
CONNECTION_SECONDS = 90.0
"""Go's IdleConnTimeout, as net/http's default transport and client-go have it."""
CLIENT_SECONDS = 1.0
PROCESS_SECONDS = 0.03
"""kubectl needs longer than that from its start to its first request."""
AFTER_DISCOVERY_SECONDS = 5.0
TUNNEL_SECONDS = 10.0
"""Between a connection that failed and the next attempt, or the first request."""
MOST_OPEN = 64
MOST_EXCHANGES = 10_000
"""A longer group is cut: a program that lists all day has no end."""
MOST_BYTES = 64 << 20
"""Of bodies that are held while their groups may still go on."""

type _Client = tuple[str, str, str, str]


def group(exchanges: Iterable[Exchange]) -> Iterator[tuple[Exchange, ...]]:
    """The exchanges of each command, in the order in which they came; commands in the order in which they are over.

    ``exchanges`` come in the order in which they were sent, give or take. Memory is bounded: a group that is due to go
    on may be given out early, and then goes on as another one.
    """
    grouping = _Grouping()
    for exchange in exchanges:
        yield from grouping.take(exchange)
    yield from grouping.rest()


def streams(exchange: Exchange) -> bool:
    """A watch, a followed log, an upgraded connection: open for as long as somebody looks on."""
    response, query = exchange.response, exchange.request.path.partition("?")[2]
    return (response is not None and response.status == 101) or "watch=" in query or "follow=" in query


@dataclass(slots=True, eq=False)
class _Group:
    """One command so far. Times are Unix seconds, 0 where no exchange has one."""

    client: _Client
    authority: str
    session: str = ""
    connections: set[str] = field(default_factory=set)
    exchanges: list[Exchange] = field(default_factory=list)
    first_sent: float = math.inf
    last_answered: float = 0.0
    awaited_until: float = 0.0
    held_bytes: int = 0

    def add(self, exchange: Exchange) -> None:
        started = exchange.timing.started
        self.exchanges.append(exchange)
        if started:
            ended = started + exchange.timing.total
            self.first_sent = min(self.first_sent, started)
            self.last_answered = max(self.last_answered, math.inf if exchange.live else ended)
            if not streams(exchange):
                self.awaited_until = max(self.awaited_until, ended)
        self.held_bytes += _held_bytes(exchange)
        if connection := _connection(exchange):
            self.connections.add(connection)

    @property
    def only_tunnels(self) -> bool:
        return all(exchange.tunnel for exchange in self.exchanges)

    @property
    def only_discovery(self) -> bool:
        return all(is_discovery(exchange) or exchange.tunnel for exchange in self.exchanges)

    @property
    def patience(self) -> float:
        """Seconds after its last sign of life during which it may still go on."""
        if self.session:
            return SESSION_SECONDS
        if self.connections and not self.only_tunnels:
            return CONNECTION_SECONDS
        return TUNNEL_SECONDS

    def idle(self, now: float) -> float:
        """Seconds since its last sign of life; 0 while an answer is under way, and where times are not known."""
        return max(0.0, now - self.last_answered) if now and self.last_answered else 0.0


class _Grouping:
    """The groups that may still go on."""

    def __init__(self) -> None:
        self._open: list[_Group] = []
        self._held_bytes = 0

    def take(self, exchange: Exchange) -> Iterator[tuple[Exchange, ...]]:
        now = exchange.timing.started
        yield from self._over(now)
        found = self._of(exchange, now)
        if found is None:
            found = _Group(client=_client(exchange), authority=_authority(exchange))
        else:
            self._open.remove(found)
        if found.only_tunnels and not exchange.tunnel:
            found.client, found.session = _client(exchange), _session(exchange)
        self._open.append(found)  # the last is the one that was last heard of
        found.add(exchange)
        self._held_bytes += _held_bytes(exchange)
        if len(found.exchanges) >= MOST_EXCHANGES:
            yield self._close(found)
        while self._open and (len(self._open) > MOST_OPEN or self._held_bytes > MOST_BYTES):
            yield self._close(self._open[0])

    def rest(self) -> Iterator[tuple[Exchange, ...]]:
        for one in sorted(self._open, key=lambda one: one.exchanges[0].id):
            yield tuple(one.exchanges)
        self._open.clear()

    def _over(self, now: float) -> Iterator[tuple[Exchange, ...]]:
        over = [one for one in self._open if one.idle(now) > one.patience]
        for one in sorted(over, key=lambda one: one.exchanges[0].id):
            yield self._close(one)

    def _close(self, one: _Group) -> tuple[Exchange, ...]:
        self._open.remove(one)
        self._held_bytes -= one.held_bytes
        return tuple(one.exchanges)

    def _of(self, exchange: Exchange, now: float) -> _Group | None:
        """The group that ``exchange`` continues, the one last heard of first."""
        session, connection = _session(exchange), _connection(exchange)
        client, authority = _client(exchange), _authority(exchange)
        latest = self._open[::-1]
        if exchange.tunnel:
            return next((one for one in latest if _near(one, authority, now)), None)
        if session:
            known = next((one for one in latest if one.session == session), None)
        else:
            known = next((one for one in latest if not one.session and connection in one.connections), None)
            known = known or next((one for one in latest if _same_client(one, exchange, client, now)), None)
        return known or next((one for one in latest if one.only_tunnels and _near(one, authority, now)), None)


def _near(one: _Group, authority: str, now: float) -> bool:
    return one.authority == authority and one.idle(now) <= TUNNEL_SECONDS


def _same_client(one: _Group, exchange: Exchange, client: _Client, now: float) -> bool:
    if one.session or one.only_tunnels or one.client != client:
        return False
    if not _connection(exchange) or not one.connections:
        return one.idle(now) <= CLIENT_SECONDS
    since = now - one.awaited_until
    if since <= PROCESS_SECONDS and now >= one.first_sent:
        return True
    if "Upgrade" in exchange.request.headers:
        return since <= CLIENT_SECONDS
    return since <= AFTER_DISCOVERY_SECONDS and one.only_discovery and not is_discovery(exchange)


def _session(exchange: Exchange) -> str:
    return exchange.request.headers.get("Kubectl-Session")


def _connection(exchange: Exchange) -> str:
    return exchange.connection.id if exchange.connection is not None else ""


def _authority(exchange: Exchange) -> str:
    return exchange.request.path if exchange.tunnel else exchange.request.authority


def _client(exchange: Exchange) -> _Client:
    """Who asks whom, as far as the requests say."""
    request, credential = exchange.request, exchange.credential
    certificates = exchange.connection.client_certificates if exchange.connection is not None else ()
    identity = credential.subject or credential.kind if credential is not None else ""
    return (
        request.authority,
        request.headers.get("User-Agent"),
        f"{identity} {request.headers.get('Impersonate-User')}",
        certificates[0].hex() if certificates else "",
    )


def _held_bytes(exchange: Exchange) -> int:
    response = exchange.response
    return len(exchange.request.body or b"") + len((response.body if response is not None else b"") or b"")
