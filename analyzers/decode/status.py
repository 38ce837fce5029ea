"""The API server's Status: what it says of a request that it could not, or need not, answer with an object.

JSON, protobuf and CBOR, whatever the Content-Type says: the server's time-out filter sends JSON without a kind,
labelled as plain text. Shape: k8s.io/apimachinery, pkg/apis/meta/v1/types.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from analyzers.decode import cbor, protobuf
from analyzers.decode.document import decode as read_document
from analyzers.decode.untrusted import integer, items, mapping, name, parse_json, text

# The kind is the first thing the server writes: a long list need not be parsed to know that it is no Status.
_LONG = 64 * 1024
_KIND = re.compile(rb'"kind"\s*:\s*"Status"')
# The same as byte strings or text strings.
_KIND_IN_CBOR = re.compile(rb"[\x44\x64]kind[\x46\x66]Status")
_LONGEST_YAML = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One of several causes: a field and what is wrong with it, or a machine-readable reason."""

    reason: str = ""
    message: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What the Status is about. ``kind`` is usually the plural resource; the Kind where the reason is Invalid."""

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """metav1.Status; "" and 0 for what it leaves out. ``status`` is ``Failure`` or ``Success``.

    ``continue_token`` is the token for an inconsistent rest of a list, in the 410 of a continue token that is too old.
    """

    status: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details = field(default_factory=Details)
    continue_token: str = field(default="", repr=False)

    @property
    def failure(self) -> bool:
        """Whether it reports a failure."""
        return self.status != "Success"

    @property
    def name(self) -> str:
        """The object's name."""
        return self.details.name

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The causes."""
        return self.details.causes


def decode(body: bytes | None, content_type: str = "") -> Status | None:
    """The Status in a body, its Content-Encoding undone already; None when the body is something else."""
    if not body:
        return None
    if body.startswith(protobuf.MAGIC):
        return _from_protobuf(body)
    # CBOR has its keys in no particular order.
    is_cbor = body.startswith(cbor.MAGIC)
    if len(body) > _LONG and not (_KIND_IN_CBOR.search(body) if is_cbor else _KIND.search(body[:4096])):
        return None
    document = read_document(body)
    if document is None and "yaml" in content_type.lower() and len(body) <= _LONGEST_YAML:
        document = _yaml(body)
    return from_document(document)


def from_document(document: Any) -> Status | None:
    """The Status that a parsed body is, None when it is something else."""
    if not isinstance(document, dict) or not _is_status(document):
        return None
    details = mapping(document.get("details"))
    return Status(
        status=name(document.get("status")),
        message=text(document.get("message")),
        reason=name(document.get("reason")),
        code=_int32(document.get("code")),
        details=Details(
            name=name(details.get("name")),
            group=name(details.get("group")),
            kind=name(details.get("kind")),
            uid=name(details.get("uid")),
            causes=tuple(_cause(item) for item in items(details.get("causes")) if isinstance(item, dict)),
            retry_after_seconds=_int32(details.get("retryAfterSeconds")),
        ),
        continue_token=name(mapping(document.get("metadata")).get("continue")),
    )


def _is_status(document: Mapping[str, Any]) -> bool:
    said = document.get("status")
    if document.get("kind") == "Status":
        # A custom resource may be of a kind Status as well; its status is an object.
        version = document.get("apiVersion") or "v1"
        return isinstance(said, str | None) and version in ("v1", "v1beta1", "meta.k8s.io/v1")
    # What the time-out filter sends.
    return "kind" not in document and said == "Failure" and isinstance(document.get("message"), str)


def _cause(cause: Mapping[str, Any]) -> Cause:
    return Cause(reason=name(cause.get("reason")), message=text(cause.get("message")), field=name(cause.get("field")))


def _int32(value: object) -> int:
    number = integer(value) or 0
    return number if -(1 << 31) <= number < 1 << 31 else 0


def _yaml(body: bytes) -> Any:
    try:
        return yaml.safe_load(body)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, AttributeError, LookupError):
        return None


def _from_protobuf(body: bytes) -> Status | None:
    envelope = protobuf.envelope(body)
    if envelope is None or envelope.kind != "Status" or envelope.api_version not in ("v1", ""):
        return None
    if envelope.content_encoding or envelope.content_type not in ("", "application/vnd.kubernetes.protobuf"):
        return None
    message = protobuf.Message(envelope.raw)
    details = protobuf.Message(message.raw(5))
    return Status(
        status=message.text(2),
        message=message.text(3),
        reason=message.text(4),
        code=message.number(6),
        details=Details(
            name=details.text(1),
            group=details.text(2),
            kind=details.text(3),
            uid=details.text(6),
            causes=tuple(_protobuf_cause(protobuf.Message(raw)) for raw in details.raws(4)),
            retry_after_seconds=details.number(5),
        ),
        continue_token=protobuf.Message(message.raw(1)).text(3),
    )


def _protobuf_cause(cause: protobuf.Message) -> Cause:
    return Cause(reason=cause.text(1), message=cause.text(2), field=cause.text(3))


def decode_event(event: bytes | None) -> Status | None:
    """The Status in a watch event of type ERROR: ``{"type":"ERROR","object":{…}}``."""
    document = mapping(parse_json(event))
    return from_document(document.get("object", document))


def document(status: Status) -> dict[str, Any]:
    """``status`` as the JSON document that the API server would have sent, without the continue token."""
    details = status.details
    causes = [_filled(reason=cause.reason, message=cause.message, field=cause.field) for cause in details.causes]
    told = _filled(
        name=details.name,
        group=details.group,
        kind=details.kind,
        uid=details.uid,
        causes=causes,
        retryAfterSeconds=details.retry_after_seconds,
    )
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        **_filled(status=status.status, message=status.message, reason=status.reason, details=told, code=status.code),
    }


def _filled(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value}
