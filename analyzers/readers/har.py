"""HTTP archives of any tool, entry by entry, in memory that does not grow with the file.

mitmkube's own archive of a command is one story, told as it was told live; so is the ``.partial`` of a command that is
still running or was killed. Any other archive may hold the traffic of many commands, and of a browser besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from analyzers.command import CommandInfo, is_failure
from analyzers.decode.untrusted import mapping
from analyzers.exchange import Connection, Exchange
from analyzers.grouping import group
from analyzers.readers import command_info, har_entry
from analyzers.readers.json_text import Broken, JsonText
from analyzers.readers.kubernetes_traffic import KubernetesTraffic
from analyzers.readers.passage import Passage
from analyzers.readers.source import Source

MOST_EXCHANGES = 20_000
"""A command that sent more is told in parts."""
MOST_BYTES = 128 << 20
"""Of bodies held for one command; behind that, only those of failures."""
_MOST_CONNECTIONS = 1024


def read(source: Source) -> Iterator[Passage]:
    """The passages of an archive, and notes on what could not be read of it. Does not raise, whatever stands in it."""
    found = False
    for passage in _Archive(JsonText(source)).passages():
        found = True
        yield passage
    if not found:
        yield Passage(kind="har")


class _Archive:
    """One file while it is read."""

    def __init__(self, file: JsonText) -> None:
        self._file = file
        self._log: dict[str, Any] = {}
        self._own = False
        self._count = 0
        self._unreadable = 0
        self._lines: dict[int, int] = {}
        self._connections: dict[str, Connection] = {}
        self._broken: Broken | None = None

    def passages(self) -> Iterator[Passage]:
        entries = self._exchanges()
        first = tuple(islice(entries, 1))
        if self._own or mapping(self._log.get("creator")).get("name") == "mitmkube":
            yield from self._one_story(chain(first, entries))
        else:
            yield from self._many(chain(first, entries))
        if self._unreadable:
            what = "1 entry is none" if self._unreadable == 1 else f"{self._unreadable} entries are none"
            yield Passage(kind="har", line=1, notes=(f"{what} that could be read",))
        if self._broken is not None:
            yield Passage(kind="har", line=self._broken.line, notes=(_broke(self._broken),))

    def _one_story(self, exchanges: Iterator[Exchange]) -> Iterator[Passage]:
        held: list[Exchange] = []
        held_bytes = 0
        for exchange in exchanges:
            if len(held) == MOST_EXCHANGES:
                note = f"the command sent more than {MOST_EXCHANGES} requests, and is told in parts"
                yield self._passage(tuple(held), self._info(), (note,))
                held.clear()
                held_bytes = 0
            light = exchange if held_bytes < MOST_BYTES or is_failure(exchange) else exchange.without_bodies()
            held.append(light)
            held_bytes += light.held_bytes
        yield self._passage(tuple(held), self._info())

    def _many(self, exchanges: Iterator[Exchange]) -> Iterator[Passage]:
        traffic = KubernetesTraffic()
        ours = (one for exchange in exchanges for one in traffic.take(exchange))
        for together in group(ours):
            yield self._passage(together, CommandInfo())
        if traffic.notes:
            yield Passage(kind="har", notes=traffic.notes)

    def _passage(self, exchanges: tuple[Exchange, ...], info: CommandInfo, notes: tuple[str, ...] = ()) -> Passage:
        lines = {one.id: self._lines.pop(one.id) for one in exchanges if one.id in self._lines}
        first = min(lines.values(), default=1)
        return Passage(kind="har", line=first, exchanges=exchanges, lines=lines, info=info, notes=notes)

    def _exchanges(self) -> Iterator[Exchange]:
        """The exchanges in the order of the file, up to where it breaks."""
        try:
            for key in self._file.members():
                if key == "log" and self._file.next() == "{":
                    yield from self._in_log()
                else:
                    self._file.value()
        except Broken as broken:
            self._broken = broken

    def _in_log(self) -> Iterator[Exchange]:
        for key in self._file.members():
            if key != "entries" or self._file.next() != "[":
                value = self._file.value()
                if key in ("creator", har_entry.OWN):
                    self._log[key] = value
                continue
            for _ in self._file.elements():
                line = self._file.line
                entry = self._file.value()
                self._count += 1
                exchange = har_entry.exchange(entry, self._count)
                if exchange is None:
                    self._unreadable += 1
                    continue
                self._own = self._own or isinstance(entry.get(har_entry.OWN), dict)
                self._lines[exchange.id] = line
                yield self._with_certificates(exchange)

    def _with_certificates(self, exchange: Exchange) -> Exchange:
        """mitmkube writes certificates once a connection."""
        connection = exchange.connection
        if connection is None or not connection.id:
            return exchange
        if connection.server_certificates or connection.client_certificates:
            self._connections[connection.id] = connection
            if len(self._connections) > _MOST_CONNECTIONS:
                del self._connections[next(iter(self._connections))]
        elif (first := self._connections.get(connection.id)) is not None:
            seen, shown = first.server_certificates, first.client_certificates
            return replace(
                exchange, connection=replace(connection, server_certificates=seen, client_certificates=shown)
            )
        return exchange

    def _info(self) -> CommandInfo:
        """What the archive says of the command, nothing where it was not finished."""
        return command_info.decode(mapping(self._log.get(har_entry.OWN)).get("command"))


def _broke(broken: Broken) -> str:
    what = "ends in the middle of" if broken.cut else "is broken in"
    return f"the archive {what} line {broken.line}: what stands before that was read"
