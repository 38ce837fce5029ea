"""Reads an API server's audit log: what was refused, once for everybody it happened to, however often it happened.

A log holds many clients over many hours and may be larger than memory. Failures that are the same to a reader (same
client, same verb on the same resource, same answer) are one passage with a count, and everything that is kept is
bounded: kinds of failures, names, requests that a client may yet make good. Beyond the bounds it is only counted.

A failure that the same client makes good for by itself (a stale update that is tried again, a look for what it then
creates) did no harm. Whether it does is settled by the rules for live traffic; here the requests are brought together.
"""

from __future__ import annotations

import json
import re
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from analyzers.command import Story
from analyzers.decode import audit_event
from analyzers.decode.audit_event import CLOSED_EARLY, AuditEvent
from analyzers.decode.untrusted import integer, mapping, name
from analyzers.readers.audit_lines import Broken, documents, events
from analyzers.readers.passage import Passage
from analyzers.readers.source import Source

MOST_GROUPS = 2000
_MOST_NAMES = 50
_SHOWN_NAMES = 3
# A client that tries again does so soon; what is looked for for too long makes every line dear.
_MOST_PENDING = 1000
_PENDING_LINES = 20_000
_LOOKS = 8
_MOST_STARTED = 10_000
# What a client can make good for by asking again, reading again or writing what was not there. Not who it is.
_CURABLE = frozenset({404, 409, 410, 429, 500, 502, 503, 504})
_URI = re.compile(rb'"requestURI":\s*"([^"?\\]*)')
_CLOSED_EARLY = CLOSED_EARLY.encode()
_ANSWER = b'"responseStatus"'
_VARIABLE = re.compile(r'(?<!webhook )"(?:[^"\\]|\\.)*"|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9]+')
_LONGEST_SHAPE = 300
_LONG_WAIT_SECONDS = 0.5


@dataclass(slots=True)
class _Group:
    """Failures that are the same to a reader. ``cured`` of ``count`` did no harm; ``event`` is one that did, if any."""

    event: AuditEvent
    line: int
    last_line: int
    count: int = 0
    cured: int = 0
    is_cured: bool = False
    names: set[str] = field(default_factory=set)
    namespaces: set[str] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)

    def add(self, event: AuditEvent, line: int) -> None:
        self.count += 1
        self.last_line = line
        for seen, new in ((self.names, event.name), (self.namespaces, event.namespace)):
            if new and len(seen) <= _MOST_NAMES:
                seen.add(new)
        self.addresses.update(event.source_ips[: _MOST_NAMES - len(self.addresses)])
        if self.is_cured:  # the one that is shown should be one that nobody made good for
            self.event, self.line, self.is_cured = event, line, False


@dataclass(slots=True)
class _Pending:
    """A failure whose client may yet make good for it."""

    event: AuditEvent
    group: _Group
    line: int
    user: bytes
    paths: tuple[bytes, ...]
    looks: int = 0


def read(source: Source) -> Iterator[Passage]:
    """One passage for each kind of failure, in the order of their first line, after the whole log was read.

    The last one has no exchanges, but what else there is to say.
    """
    log = _Log()
    broken = Broken()
    for line, _, document in documents(source, broken, log.follows):
        for found in events(document):
            if log.wants(found) and (event := audit_event.decode(found)) is not None:
                log.take(event, line)
    yield from log.passages()
    notes = (*log.notes(), *_breaks(broken))
    yield Passage(kind="audit-log", line=broken.first or broken.ends_in or None, notes=notes)


class _Log:
    """What is kept of a log while it is read."""

    def __init__(self) -> None:
        self._groups: dict[tuple[object, ...], _Group] = {}
        self._beyond: Counter[int] = Counter()
        self._started: OrderedDict[str, None] = OrderedDict()
        self._pending: OrderedDict[int, _Pending] = OrderedDict()
        self._by_path: dict[bytes, list[int]] = {}
        self._taken = 0
        self._closed_early = 0

    def follows(self, raw: bytes) -> bool:
        """Whether an event that did not fail is worth a look: one more of a client that has failed before."""
        if _CLOSED_EARLY in raw and b'"ResponseComplete"' in raw:
            self._closed_early += 1
        if not self._by_path:
            return False
        found = _URI.search(raw)
        if found is None:
            return False
        waiting = self._by_path.get(found[1])
        if waiting is None or _ANSWER not in raw:
            return False
        return any(self._pending[key].user in raw for key in waiting)

    def wants(self, document: Mapping[str, Any]) -> bool:
        """The same of a parsed event; true also of one that failed."""
        status = mapping(document.get("responseStatus"))
        code, uri = integer(status.get("code")) or 0, document.get("requestURI")
        return code >= 400 or (code > 0 and isinstance(uri, str) and _path(uri) in self._by_path)

    def take(self, event: AuditEvent, line: int) -> None:
        """One event, failed or not."""
        self._forget(line)
        if event.code < 400:
            self._cure(event)
            return
        if event.stage == "ResponseStarted":
            self._started[event.audit_id] = None
            if len(self._started) > _MOST_STARTED:
                self._started.popitem(last=False)
        elif event.audit_id in self._started:
            return  # the same answer, logged once more when the request was over
        if event.request_object is not None:
            event = replace(event, request_object=None)  # it may be large, and the answer says what was wrong with it
        key = _key(event)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= MOST_GROUPS:
                self._beyond[event.code] += 1
                return
            group = self._groups[key] = _Group(event=event, line=line, last_line=line)
        group.add(event, line)
        if event.code in _CURABLE:
            self._wait(event, group, line)

    def _wait(self, event: AuditEvent, group: _Group, line: int) -> None:
        path = _path(event.uri)
        paths = [path]
        if event.code == 404 and event.verb == "get":
            paths.append(path.rpartition(b"/")[0])
        elif event.code == 409 and event.verb == "create":
            paths.append(path + b"/" + (event.name or _named(event)).encode())
        self._taken += 1
        user = json.dumps(event.user.username, ensure_ascii=False).encode("utf-8", "replace")
        self._pending[self._taken] = _Pending(event, group, line, b'"username":' + user, tuple(paths))
        for one in paths:
            self._by_path.setdefault(one, []).append(self._taken)
        if len(self._pending) > _MOST_PENDING:
            self._drop(next(iter(self._pending)))

    def _cure(self, event: AuditEvent) -> None:
        for key in list(self._by_path.get(_path(event.uri), ())):
            waiting = self._pending[key]
            failed = waiting.event
            if (failed.user, failed.impersonated, failed.user_agent) != (
                event.user, event.impersonated, event.user_agent
            ):  # fmt: skip
                continue
            waiting.looks += 1
            if _made_good(failed, event):
                group = waiting.group
                group.cured += 1
                group.is_cured = group.is_cured or group.event.audit_id == failed.audit_id
                self._drop(key)
            elif waiting.looks >= _LOOKS:
                self._drop(key)

    def _forget(self, line: int) -> None:
        while self._pending:
            key, oldest = next(iter(self._pending.items()))
            if line - oldest.line <= _PENDING_LINES:
                return
            self._drop(key)

    def _drop(self, key: int) -> None:
        for path in self._pending.pop(key).paths:
            waiting = self._by_path[path]
            waiting.remove(key)
            if not waiting:
                del self._by_path[path]

    def passages(self) -> Iterator[Passage]:
        for group in self._groups.values():
            if group.cured < group.count:
                yield Passage(
                    kind="audit-log",
                    line=group.line,
                    exchanges=(audit_event.exchange(group.event),),
                    lines={1: group.line},
                    notes=tuple(_told(group)),
                    count=group.count,
                    last_line=group.last_line,
                )

    def notes(self) -> Iterator[str]:
        cured = sorted((one for one in self._groups.values() if one.cured), key=lambda one: -one.cured)
        if cured:
            shown = [f"{one.cured} x {one.event.code} {_asked(one.event)} by {_who(one.event)}" for one in cured[:5]]
            total = sum(one.cured for one in cured)
            yield f"{_times(total)} did no harm: the same client made good for it. Mostly: {'; '.join(shown)}."
        if self._closed_early:
            yield (
                f"{self._closed_early} requests ended before anything was answered; the log has them as 200 with the "
                f"message {CLOSED_EARLY!r}"
            )
        if self._beyond:
            codes = ", ".join(f"{count} x {code}" for code, count in sorted(self._beyond.items()))
            yield f"more than {MOST_GROUPS} kinds of failures; of the rest only the number is known: {codes}"


def _key(event: AuditEvent) -> tuple[object, ...]:
    """What makes two failures the same to a reader. Namespaces and names are not part of it, but told."""
    nobody = not event.user.username
    return (
        event.code,
        event.status_reason,
        event.user.username,
        event.impersonated.username if event.impersonated is not None else None,
        event.source_ips[:1] if nobody else (),
        event.user_agent[:200],
        event.verb,
        event.api_group,
        event.resource or event.uri.partition("?")[0],
        event.subresource,
        _shape(event),
    )


def _path(uri: str) -> bytes:
    return uri.partition("?")[0].encode("utf-8", "replace")


def _shape(event: AuditEvent) -> str:
    """The message without what differs from object to object."""
    message = event.message[: 4 * _LONGEST_SHAPE]
    for own in (event.name, event.namespace):
        if len(own) > 2:
            message = message.replace(own, "#")
    return _VARIABLE.sub("#", message)[:_LONGEST_SHAPE]


def _named(event: AuditEvent) -> str:
    return name(mapping(event.response_status.get("details")).get("name"))


def _made_good(failed: AuditEvent, later: AuditEvent) -> bool:
    """Whether live traffic would not raise the failure either, had it been these two requests."""
    pair = audit_event.exchange(failed, 1), audit_event.exchange(later, 2)
    first = Story.of(pair, classified={1: (), 2: ()}).verdicts[0]
    return not first.raised


def _told(group: _Group) -> Iterator[str]:
    event = group.event
    addresses = f", from {_some(sorted(group.addresses))}" if group.addresses else ""
    yield f"asked by {_who(event)}{addresses}; Audit-ID {event.audit_id}"
    if others := group.namespaces - {event.namespace}:
        yield f"the same in {_plural(len(others), 'other namespace')}: {_some(sorted(others))}"
    if others := group.names - {event.name}:
        yield f"the same for {_plural(len(others), 'other name')}: {_some(sorted(others))}"
    if group.cured:
        yield f"{group.cured} of these {group.count} did no harm: the same client made good for it"
    if event.code == 404 and event.verb == "get" and event.name:
        yield "a get of what is not there is often only a question: before it is created, or until it is deleted"
    elif event.status_reason == "AlreadyExists" and event.verb == "create":
        yield "programs that make sure that something is there create it first: AlreadyExists is then no failure"
    if event.stage == "Panic":
        yield f"the API server's handler broke: {event.message}"
    if event.stage_time - event.received >= _LONG_WAIT_SECONDS and event.latencies:
        parts = ", ".join(f"{part} {took}" for part, took in event.latencies)
        yield f"the API server says how long each part took: {parts}"


def _who(event: AuditEvent) -> str:
    user = event.user.username or "somebody whom the API server did not know"
    acting = f" acting as {event.impersonated.username}" if event.impersonated is not None else ""
    return f"{user}{acting} with {event.user_agent or 'no user agent'}"


def _asked(event: AuditEvent) -> str:
    resource = f"{event.resource}.{event.api_group}" if event.api_group else event.resource
    subresource = f"/{event.subresource}" if event.subresource else ""
    return f"{event.verb} {resource or event.uri.partition('?')[0]}{subresource}"


def _some(words: list[str]) -> str:
    shown = ", ".join(words[:_SHOWN_NAMES])
    return shown + (", …" if len(words) > _SHOWN_NAMES else "")


def _plural(count: int, thing: str) -> str:
    if count > _MOST_NAMES:
        return f"more than {_MOST_NAMES} {thing}s"
    return f"{count} {thing}" + ("s" if count > 1 else "")


def _times(count: int) -> str:
    return "one failure" if count == 1 else f"{count} failures"


def _breaks(broken: Broken) -> Iterator[str]:
    if broken.count:
        more = f", and {broken.count - 1} more" if broken.count > 1 else ""
        yield f"line {broken.first} is no audit event{more}; the rest was read"
    if broken.ends_in:
        yield f"the file breaks off in line {broken.ends_in}; everything before it was read"
