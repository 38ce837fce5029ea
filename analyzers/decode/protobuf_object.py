"""What can be told of an object in Kubernetes protobuf without its schema: its type, its metadata, and a Secret's keys.

Field numbers are those of ``generated.proto`` in k8s.io/apimachinery, pkg/apis/meta/v1, and k8s.io/api, core/v1: every
object has its ObjectMeta in field 1, every list its ListMeta there and its items in field 2.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

from analyzers.decode.protobuf import Message, envelope
from analyzers.decode.untrusted import parse_json

MOST_ITEMS = 500
_METADATA, _ITEMS = 1, 2
_NAMES = {1: "name", 2: "generateName", 3: "namespace", 5: "uid", 6: "resourceVersion"}
_LIST_NAMES = {2: "resourceVersion"}
_MAPS = {11: "labels", 12: "annotations"}
_MANAGED_FIELDS = 17
_KEY, _VALUE = 1, 2
_KIND = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
# Kinds whose messages have no metadata, or call something else list.
_WITHOUT_METADATA = ("Options", "APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "APIGroupDiscoveryList")


def decode(body: bytes) -> dict[str, Any] | None:
    """The object as far as it can be told, in the shape that it has in JSON; None for what is none.

    The rest of the object is left out. Of a list, the first ``MOST_ITEMS`` items.
    """
    found = envelope(body)
    if found is None or not _KIND.fullmatch(found.kind):
        return None
    head = {"kind": found.kind, "apiVersion": found.api_version}
    if found.kind.endswith(_WITHOUT_METADATA):
        return head
    message = Message(found.raw)
    if not message.complete:
        return None
    if found.kind.endswith("List"):
        kind = found.kind.removesuffix("List")
        items = [_object(Message(item), kind) for item in message.raws(_ITEMS)[:MOST_ITEMS]]
        return {**head, "metadata": _texts(Message(message.raw(_METADATA)), _LIST_NAMES), "items": items}
    return head | _object(message, found.kind)


def _object(message: Message, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {"metadata": _metadata(Message(message.raw(_METADATA)))}
    if kind == "Secret":
        found |= {"data": _map(message, 2, _encoded), "type": message.text(3)}
        found |= {"stringData": _map(message, 4, _text)} if message.raws(4) else {}
    elif kind == "ConfigMap":
        found |= {"data": _map(message, 2, _text)}
        found |= {"binaryData": _map(message, 3, _encoded)} if message.raws(3) else {}
    return found


def _metadata(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = _texts(message, _NAMES)
    for number, name in _MAPS.items():
        if message.raws(number):
            found[name] = _map(message, number, _text)
    if managers := message.raws(_MANAGED_FIELDS):
        found["managedFields"] = [_manager(Message(one)) for one in managers]
    return found


def _manager(message: Message) -> dict[str, Any]:
    names = {1: "manager", 2: "operation", 3: "apiVersion", 6: "fieldsType", 8: "subresource"}
    fields = parse_json(Message(message.raw(7)).raw(1))
    return _texts(message, names) | ({"fieldsV1": fields} if isinstance(fields, dict) else {})


def _texts(message: Message, names: dict[int, str]) -> dict[str, Any]:
    return {name: said for number, name in names.items() if (said := message.text(number))}


def _map(message: Message, number: int, read: Callable[[Message], str]) -> dict[str, str]:
    entries = (Message(entry) for entry in message.raws(number))
    return {entry.text(_KEY): read(entry) for entry in entries}


def _text(entry: Message) -> str:
    return entry.text(_VALUE)


def _encoded(entry: Message) -> str:
    return base64.b64encode(entry.raw(_VALUE)).decode("ascii")
