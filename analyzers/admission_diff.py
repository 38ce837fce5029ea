"""What an API server made of an object that it was sent: defaulting and mutating admission, made visible.

An answer to a write holds the object as it was stored. Where a value that was sent came back otherwise, somebody
changed it; whether a value that was not sent is a default or somebody's addition, nobody can tell from outside, so it
is only called added. What only the server writes is left out: status, uid, resourceVersion and the like.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from analyzers import redact
from analyzers.decode import yaml_shape
from analyzers.decode.request_info import RequestInfo
from analyzers.decode.untrusted import mapping, name, parse_json
from analyzers.exchange import Exchange, Request
from analyzers.facts import Facts
from analyzers.object_diff import Difference, Item, Path, Place, differences

_SERVER_OWNED = frozenset({
    "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink", "deletionTimestamp",
    "deletionGracePeriodSeconds",
})  # fmt: skip
# Known from the URL, or made from generateName.
_KNOWN_ANYWAY = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"))
# Created to be answered, never stored.
_ANSWERED = ("reviews", "tokenrequests")
_LONGEST_YAML = 128 * 1024
_LONGEST_VALUE = 60
_MOST = 6

# How the items of a list are called one by one, those first that tell most.
_NOUNS = {
    "containers": "container",
    "initContainers": "init container",
    "labels": "label",
    "annotations": "annotation",
    "data": "data key",
    "env": "environment variable",
    "nodeSelector": "node selector",
    "finalizers": "finalizer",
    "imagePullSecrets": "image pull secret",
    "ports": "port",
    "volumes": "volume",
    "volumeMounts": "volume mount",
    "tolerations": "toleration",
}
_OF_MAPS = frozenset({"label", "annotation", "data key", "node selector"})
_ORDER = {noun: place for place, noun in enumerate(_NOUNS.values())}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One place: ``spec.containers[web].image``. ``sent`` and ``stored`` are JSON values without secrets, None where
    there was none."""

    path: str
    change: Literal["added", "changed", "removed"]
    sent: Any = None
    stored: Any = None
    steps: Path = ()

    @property
    def noun(self) -> str:
        """What was added where it has a name of its own ("container", "label"); "" for a plain field."""
        if self.change != "added" or len(self.steps) < 2:
            return ""
        parent, last = self.steps[-2:]
        noun = _NOUNS.get(str(parent), "")
        return noun if isinstance(last, Item) or noun in _OF_MAPS else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionDiff:
    """Everything that differs, in the order of the object's fields; empty when it was stored as it was sent."""

    changes: tuple[Change, ...] = ()

    @property
    def filled_in(self) -> int:
        """How many plain fields were added: mostly defaults."""
        return sum(1 for change in self.changes if change.change == "added" and not change.noun)

    @property
    def said(self) -> str:
        """What was changed, taken away, or added under a name of its own; "" when nothing was. One line."""
        changed = [_changed(change) for change in self.changes if change.change == "changed"]
        removed = [f"{change.path} not kept" for change in self.changes if change.change == "removed"]
        said = [*changed, *removed, *_added(self.changes)]
        more = [f"and {len(said) - _MOST} more"] if len(said) > _MOST else []
        return "; ".join(said[:_MOST] + more)

    @property
    def filled_in_words(self) -> str:
        """``12 fields filled in``, "" for none."""
        return f"{self.filled_in} field{'' if self.filled_in == 1 else 's'} filled in" if self.filled_in else ""

    @property
    def summary(self) -> str:
        """Both; "" when it was stored as it was sent."""
        return "; ".join(part for part in (self.said, self.filled_in_words) if part)


def of(exchange: Exchange, facts: Facts | None = None) -> AdmissionDiff | None:
    """What differs between the object in the request and the one in the answer; None where there are no two to compare:
    another verb, a refusal, a subresource, a body that is binary, cut off or was not kept."""
    info = (facts or Facts.of(exchange)).request_info
    request, response = exchange.request, exchange.response
    if info is None or response is None or not 200 <= response.status < 300 or not request.body or not response.body:
        return None
    if not (request.body_complete and response.body_complete):
        return None
    if info.verb not in ("create", "update", "patch") or info.subresource or info.resource.endswith(_ANSWERED):
        return None
    stored = parse_json(response.body)
    if not isinstance(stored, dict) or stored.get("kind") in ("Status", "Table"):
        return None
    sent = _sent(request, stored, created=response.status == 201)
    if sent is None or sent.document.get("kind", stored.get("kind")) not in (None, "", stored.get("kind")):
        return None
    try:
        ours, theirs = _with_plain_data(sent.document), _with_plain_data(stored)
        found = differences(ours, theirs, whole=sent.whole, whole_lists=sent.whole_lists)
        shown = [_shown(document, info) for document in (sent.document, stored)] if found else []
    except RecursionError:
        return None
    return AdmissionDiff(changes=tuple(_change(one, *shown) for one in found if not _goes_without_saying(one)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """What was sent. ``whole``: all of the object, so that anything else was added; ``whole_lists``: a list stands for
    the whole list."""

    document: dict[str, Any]
    whole: bool = True
    whole_lists: bool = True


def _sent(request: Request, stored: Mapping[str, Any], *, created: bool) -> _Sent | None:
    kind = request.headers.get("Content-Type").partition(";")[0].strip().lower()
    document = _yaml(request.body or b"") if kind.endswith("yaml") else parse_json(request.body)
    if kind == "application/json-patch+json":
        return _Sent(document=_patched(document, stored), whole=False) if isinstance(document, list) else None
    if not isinstance(document, dict):
        return None
    if kind == "application/strategic-merge-patch+json":
        return _Sent(document=document, whole=False, whole_lists=False)
    if kind == "application/merge-patch+json":
        return _Sent(document=document, whole=False)
    if kind.startswith("application/apply-patch"):
        # An apply to what was there already leaves alone what it does not name.
        return _Sent(document=document, whole=created, whole_lists=created)
    return _Sent(document=document)


def _yaml(body: bytes) -> Any:
    if len(body) > _LONGEST_YAML:
        return None
    try:
        if not yaml_shape.may_be_loaded(body.decode()):
            return None
        # To JSON and back: what YAML calls a date is text there.
        return parse_json(json.dumps(yaml.safe_load(body), default=str))
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, AttributeError, LookupError):
        return None


def _patched(operations: list[Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a JSON Patch sets, as a part of the object.

    Left out is what a later operation touches again, and what lies in a list: positions there may have moved.
    """
    part: dict[str, Any] = {}
    wanted = [mapping(operation) for operation in operations]
    pointers = [name(operation.get("path")) for operation in wanted]
    for number, operation in enumerate(wanted):
        pointer, later = pointers[number], pointers[number + 1 :]
        if operation.get("op") not in ("add", "replace") or "value" not in operation or pointer[:1] != "/":
            continue
        if any(f"{other}/".startswith(f"{pointer}/") or f"{pointer}/".startswith(f"{other}/") for other in later):
            continue
        *parents, last = (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
        inner, found = part, stored
        for step in parents:
            inner, found = inner.setdefault(step, {}), found.get(step, {})
            if not isinstance(found, dict) or not isinstance(inner, dict):
                break
        else:
            inner[last] = operation["value"]
    return part


def _with_plain_data(document: Mapping[str, Any]) -> dict[str, Any]:
    """A Secret's stringData is stored as data, and base64 without its line breaks."""
    plain = dict(document)
    for field in ("data", "binaryData") if document.get("kind") == "Secret" else ("binaryData",):
        if isinstance(encoded := plain.get(field), dict):
            plain[field] = {
                key: "".join(value.split()) if isinstance(value, str) else value for key, value in encoded.items()
            }
    words = plain.pop("stringData", None)
    if isinstance(words, dict):
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in words.items()}
        plain["data"] = {**mapping(plain.get("data")), **encoded}
    return plain


def _goes_without_saying(difference: Difference) -> bool:
    path = difference.path
    if path[:1] == ("status",) or (difference.change == "added" and path in _KNOWN_ANYWAY):
        return True
    return any(step == "metadata" and path[at + 1] in _SERVER_OWNED for at, step in enumerate(path[:-1]))


def _shown(document: Any, info: RequestInfo) -> Any:
    """The document without secrets: the only one of which values are taken."""
    content = json.dumps(document).encode("utf-8", "replace")
    return parse_json(redact.body(content, "application/json", info))


def _change(difference: Difference, sent: Any, stored: Any) -> Change:
    return Change(
        path=redact.text(_written(difference.path)),
        change=difference.change,
        sent=None if difference.sent_at is None else _at(sent, difference.sent_at),
        stored=None if difference.stored_at is None else _at(stored, difference.stored_at),
        steps=tuple(
            Item(redact.text(step.name)) if isinstance(step, Item) else redact.text(step) for step in difference.path
        ),
    )


def _at(document: Any, place: Place) -> Any:
    """The value at a place of a redacted document; the mask where its own structure was hidden."""
    for step in place:
        try:
            document = document[step]
        except (LookupError, TypeError):
            return redact.MASK
    return document


def _written(path: Path) -> str:
    """``metadata.labels[app.example/name]``: a name with a dot in it does not read as two."""
    said = ""
    for step in path:
        if isinstance(step, Item) or "." in step or "/" in step:
            said += f"[{step.name if isinstance(step, Item) else step}]"
        else:
            said += f".{step}" if said else step
    return name(said)


def _changed(change: Change) -> str:
    if redact.is_mask(change.sent) or redact.is_mask(change.stored):
        return f"{change.path} changed"
    return f"{change.path} changed from {_value(change.sent)} to {_value(change.stored)}"


def _value(value: Any) -> str:
    said = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    said = name(said)
    return said if len(said) <= _LONGEST_VALUE else f"{said[: _LONGEST_VALUE - 1]}…"


def _added(changes: tuple[Change, ...]) -> list[str]:
    """``container istio-proxy added``, ``2 tolerations added``, by what they are."""
    by_noun: dict[str, dict[str, None]] = {}
    for change in changes:
        if change.noun:
            by_noun.setdefault(change.noun, {})[_added_name(change)] = None
    said = []
    for noun in sorted(by_noun, key=_ORDER.__getitem__):
        names = list(by_noun[noun])
        many = len(names) > 2 or (len(names) == 2 and sum(map(len, names)) > _LONGEST_VALUE)
        said.append(f"{len(names)} {noun}s added" if many else f"{noun} {' and '.join(names)} added")
    return said


def _added_name(change: Change) -> str:
    last = change.steps[-1]
    said = last.name if isinstance(last, Item) else last
    if change.noun in ("label", "node selector") and isinstance(change.stored, str):
        said += f"={change.stored}"
    return _value(said)
