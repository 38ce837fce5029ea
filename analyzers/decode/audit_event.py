"""An audit.k8s.io Event: what the API server wrote down of one request, at one stage of it.

Shape: k8s.io/apiserver, pkg/apis/audit/v1/types.go. The log backend writes one JSON object a line; the webhook backend
sends EventLists, whose items have no kind.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analyzers import redact
from analyzers.decode.untrusted import integer, mapping, name, names, text
from analyzers.exchange import Exchange, Headers, Request, Response, Timing

_METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "proxy": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
_LATENCY = "apiserver.latency.k8s.io/"
_LONGEST_URI = 8 * 1024
_LONGEST_BODY = 64 * 1024
_LONGEST_MESSAGE = 16 * 1024
_MOST_CAUSES = 50
CLOSED_EARLY = "Connection closed early"
"""The message of a 200 that was never sent: the request ended before anything was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditUser:
    """Who asked, as the server had established it. Everything is empty where nobody was logged in."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One Event; "" and 0 for what it leaves out. Times are Unix seconds.

    ``response_status`` is the document under that key: a Status without kind, or only a code where the answer was no
    Status. ``decision`` is ``allow``, ``forbid`` or "": a request that was refused before the authorizer has none.
    ``latencies`` are (part, Go duration) pairs, which the server adds for requests that took more than half a second.
    """

    audit_id: str
    stage: str = ""
    verb: str = ""
    uri: str = ""
    user: AuditUser = field(default_factory=AuditUser)
    impersonated: AuditUser | None = None
    source_ips: tuple[str, ...] = ()
    user_agent: str = ""
    api_group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    response_status: Mapping[str, Any] = field(default_factory=dict, repr=False)
    request_object: Any = field(default=None, repr=False)
    received: float = 0.0
    stage_time: float = 0.0
    decision: str = ""
    reason: str = ""
    latencies: tuple[tuple[str, str], ...] = ()

    @property
    def code(self) -> int:
        """The HTTP status code, 0 before there was one."""
        return integer(self.response_status.get("code")) or 0

    @property
    def message(self) -> str:
        """The Status message."""
        return text(self.response_status.get("message"))

    @property
    def status_reason(self) -> str:
        """The Status reason, such as ``Forbidden``."""
        return name(self.response_status.get("reason"))

    @property
    def acting(self) -> str:
        """The user whose rights counted: the impersonated one where there is one."""
        return self.impersonated.username if self.impersonated is not None else self.user.username


def decode(document: object) -> AuditEvent | None:
    """The event that a parsed JSON document is, None when it is something else. Never raises."""
    event = mapping(document)
    audit_id = name(event.get("auditID"))
    if not audit_id or not isinstance(event.get("verb", ""), str):
        return None
    about, notes = mapping(event.get("objectRef")), mapping(event.get("annotations"))
    impersonated = event.get("impersonatedUser")
    return AuditEvent(
        audit_id=audit_id,
        stage=name(event.get("stage")),
        verb=name(event.get("verb")),
        uri=text(event.get("requestURI"))[:_LONGEST_URI],
        user=_user(event.get("user")),
        impersonated=_user(impersonated) if isinstance(impersonated, dict) else None,
        source_ips=names(event.get("sourceIPs"))[:8],
        user_agent=name(event.get("userAgent")),
        api_group=name(about.get("apiGroup")),
        resource=name(about.get("resource")),
        subresource=name(about.get("subresource")),
        namespace=name(about.get("namespace")),
        name=name(about.get("name")),
        response_status=_status(mapping(event.get("responseStatus"))),
        request_object=event.get("requestObject"),
        received=_time(event.get("requestReceivedTimestamp")),
        stage_time=_time(event.get("stageTimestamp")),
        decision=name(notes.get("authorization.k8s.io/decision")),
        reason=name(notes.get("authorization.k8s.io/reason")),
        latencies=tuple(
            (name(key.removeprefix(_LATENCY)), name(value)) for key, value in notes.items() if key.startswith(_LATENCY)
        ),
    )


def exchange(event: AuditEvent, number: int = 1) -> Exchange:
    """What the client asked and got, as far as the event tells: no host, no body that was not logged, no credential."""
    answered = 100 <= event.code <= 599
    return Exchange(
        id=number,
        request=Request(
            method=_METHODS.get(event.verb.lower(), event.verb.upper()),
            path=redact.path(event.uri) or "/",
            headers=Headers(_request_headers(event)),
            body=_request_body(event.request_object),
        ),
        response=_response(event) if answered else None,
        timing=Timing(
            started=event.received,
            wait=max(event.stage_time - event.received, 0.0) if event.received and event.stage_time else None,
        ),
    )


def _request_headers(event: AuditEvent) -> list[tuple[str, str]]:
    found = [("User-Agent", event.user_agent)] if event.user_agent else []
    if (whom := event.impersonated) is not None:
        found.append(("Impersonate-User", whom.username))
        found += [("Impersonate-Group", group) for group in whom.groups]
        found += [("Impersonate-Uid", whom.uid)] if whom.uid else []
        found += [(f"Impersonate-Extra-{key}", value) for key, value in whom.extra]
    return found


def _request_body(document: object) -> bytes | None:
    if not isinstance(document, dict | list):
        return None
    try:
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return None
    return body if len(body) <= _LONGEST_BODY else None


def _response(event: AuditEvent) -> Response:
    body = None
    if event.response_status.get("status") == "Failure":
        document = {"kind": "Status", "apiVersion": "v1", **event.response_status}
        if not event.message and event.code == 403 and event.decision == "forbid":
            document["message"] = _refusal(event)
        body = _request_body(document)
    headers = [("Audit-Id", event.audit_id)]
    if body is not None:
        headers.append(("Content-Type", "application/json"))
    return Response(status=event.code, headers=Headers(headers), body=body, body_bytes=len(body or b""))


def _refusal(event: AuditEvent) -> str:
    """The authorizer's message, which some servers leave out of the log: all it is made of stands in the event.

    Text: k8s.io/apiserver, pkg/endpoints/handlers/responsewriters/errors.go.
    """
    user = json.dumps(event.acting, ensure_ascii=False)
    why = f": {event.reason}" if event.reason else ""
    if not event.resource:
        return f'forbidden: User {user} cannot {event.verb} path "{event.uri.partition("?")[0]}"{why}'
    typed = f"{event.resource}.{event.api_group}" if event.api_group else event.resource
    about = f'{typed} "{event.name}"' if event.name else typed
    asked = f"{event.resource}/{event.subresource}" if event.subresource else event.resource
    where = f'in the namespace "{event.namespace}"' if event.namespace else "at the cluster scope"
    return (
        f'{about} is forbidden: User {user} cannot {event.verb} resource "{asked}" in API group "{event.api_group}" '
        f"{where}{why}"
    )


def _status(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same, its beginning where it is long: a refusal may name each of a thousand fields."""
    message, details = status.get("message"), mapping(status.get("details"))
    causes = details.get("causes")
    if isinstance(causes, list) and len(causes) > _MOST_CAUSES:
        status = {**status, "details": {**details, "causes": causes[:_MOST_CAUSES]}}
    if isinstance(message, str) and len(message) > _LONGEST_MESSAGE:
        status = {**status, "message": message[:_LONGEST_MESSAGE]}
    return status


def _user(document: object) -> AuditUser:
    user = mapping(document)
    extra = ((name(key), name(value)) for key, values in mapping(user.get("extra")).items() for value in names(values))
    return AuditUser(
        username=name(user.get("username")),
        uid=name(user.get("uid")),
        groups=names(user.get("groups")),
        extra=tuple(extra),
    )


def _time(value: object) -> float:
    if not isinstance(value, str):
        return 0.0
    try:
        time = dt.datetime.fromisoformat(value)
        return (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
