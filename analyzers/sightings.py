"""One object as the requests of a session showed it: each time it was read, written or watched.

Without what grants access: a recording has no more than that either, and is to tell the same story.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import parse_qs

from analyzers import answer, redact
from analyzers.decode import document, managed_fields, protobuf
from analyzers.decode.managed_fields import FieldsOf
from analyzers.decode.untrusted import items, mapping, name, parse_json

if TYPE_CHECKING:
    from analyzers.command import Verdict
    from analyzers.decode.request_info import RequestInfo

How = Literal["read", "written", "watched"]
_NOT_THE_OBJECT = frozenset({"log", "exec", "attach", "portforward", "proxy", "token", "eviction", "binding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which object: everything but its UID, which is what may change."""

    authority: str
    group: str
    resource: str
    namespace: str
    name: str

    @classmethod
    def of(cls, verdict: Verdict) -> Self | None:
        """The one object that a request is about, None for a list and for what is no object."""
        info = verdict.facts.request_info
        called = answer.name(verdict.facts)
        if info is None or not info.is_resource_request or not called:
            return None
        return cls(
            authority=verdict.exchange.request.authority,
            group=info.api_group,
            resource=info.resource,
            namespace="" if info.resource == "namespaces" else info.namespace,
            name=called,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The object as one answer showed it. ``request`` is that request's id, ``at`` its start, Unix seconds, 0 unknown.

    ``whole`` is false where only the metadata was shown (a Table) or another object in its stead (a Scale).
    """

    request: int
    how: How
    at: float
    asked: bool = False
    whole: bool = True
    document: Mapping[str, Any] = field(repr=False)

    @property
    def metadata(self) -> Mapping[str, Any]:
        return mapping(self.document.get("metadata"))

    @property
    def resource_version(self) -> str:
        return name(self.metadata.get("resourceVersion"))

    @property
    def uid(self) -> str:
        return name(self.metadata.get("uid"))

    @property
    def created(self) -> int | None:
        """Unix seconds, None where it does not say."""
        return managed_fields.moment(self.metadata.get("creationTimestamp"))

    @property
    def managers(self) -> tuple[FieldsOf, ...]:
        return managed_fields.decode(self.document)


def sightings(wanted: Identity, verdicts: Iterable[Verdict]) -> tuple[Sighting, ...]:
    """Every time the object was shown, in the order of ``verdicts``."""
    return tuple(found for verdict in verdicts for found in _in(wanted, verdict))


def sent(verdict: Verdict) -> Mapping[str, Any]:
    """The object, or the part of one, in a request's body; empty where there is none."""
    request, info = verdict.exchange.request, verdict.facts.request_info
    if not request.body_complete:
        return {}
    return mapping(document.decode(redact.body(request.body, request.headers.get("Content-Type"), info)))


def _in(wanted: Identity, verdict: Verdict) -> Iterator[Sighting]:
    exchange, info = verdict.exchange, verdict.facts.request_info
    response = exchange.response
    if response is None or not 200 <= response.status < 300 or not response.body or info is None:
        return
    if exchange.request.authority != wanted.authority or info.resource != wanted.resource:
        return
    if info.api_group != wanted.group or info.subresource in _NOT_THE_OBJECT:
        return
    if (info.name and info.name != wanted.name) or wanted.name.encode() not in response.body:
        return
    how: How = "read" if exchange.request.method in ("GET", "HEAD") else "written"
    if _watches(exchange.request.path):
        how = "watched"
    shown = _documents(response.body, response.headers.get("Content-Type"), info, how == "watched")
    for found in shown:
        for one, whole in _objects(found):
            metadata = mapping(one.get("metadata"))
            if metadata.get("name") == wanted.name and (metadata.get("namespace") or "") in (wanted.namespace, ""):
                yield Sighting(
                    request=exchange.id,
                    how=how,
                    at=exchange.timing.started,
                    asked=exchange.asked,
                    # Of protobuf only the metadata is read.
                    whole=whole and info.subresource in ("", "status") and not response.body.startswith(protobuf.MAGIC),
                    document=one,
                )


@lru_cache(maxsize=256)
def _documents(content: bytes, content_type: str, info: RequestInfo, is_watch: bool) -> tuple[Mapping[str, Any], ...]:
    """What a body holds. Cached: every conflict of a session looks at the same answers."""
    body = redact.body(content, content_type, info) or b""
    if not is_watch:
        return (mapping(document.decode(body)),)
    lines = body.split(b"\n")
    return tuple(mapping(mapping(parse_json(line)).get("object")) for line in lines if b'"object"' in line)


def _objects(found: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """The object itself, those of a list, or what a Table says of each; whether it is the whole object."""
    if found.get("kind") == "Table":
        for row in items(found.get("rows")):
            yield mapping(mapping(row).get("object")), False
    elif isinstance(found.get("items"), list):
        for item in items(found.get("items")):
            yield mapping(item), True
    else:
        yield found, found.get("kind") not in ("PartialObjectMetadata", "Status")


def _watches(path: str) -> bool:
    try:
        values = parse_qs(path.partition("?")[2], keep_blank_values=True).get("watch", ["false"])
    except ValueError:
        return False
    return values[0].lower() not in ("0", "false")
