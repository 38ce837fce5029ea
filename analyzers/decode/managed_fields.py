"""Who wrote which field of an object, and when: metadata.managedFields.

Paths are written as the API server writes them in conflicts, ``.spec.template.spec.containers[name="web"].image``
(sigs.k8s.io/structured-merge-diff, fieldpath/element.go).
"""

from __future__ import annotations

import calendar
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analyzers.decode.untrusted import items, mapping, name, parse_json

_MOST_PATHS = 20_000
_DEEPEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsOf:
    """The fields of one manager. ``operation`` is Apply or Update; ``subresource`` is "" for the object itself.

    ``time`` is when the manager last changed which fields it owns, or one of their values; Unix seconds, None unknown.
    """

    manager: str
    operation: str = ""
    subresource: str = ""
    api_version: str = ""
    time: int | None = None
    paths: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells entries of one object apart."""
        return (self.manager, self.operation, self.subresource, self.api_version)

    @property
    def who(self) -> str:
        """``kube-controller-manager (subresource status)``."""
        return self.manager + (f" (subresource {self.subresource})" if self.subresource else "")

    def owns(self, path: str) -> bool:
        """Whether ``path``, something inside it, or the whole that it belongs to is this manager's."""
        if path in self.paths:
            return True
        return any(_inside(path, own) or _inside(own, path) for own in self.paths)


def decode(document: object) -> tuple[FieldsOf, ...]:
    """The managers of an object, in its own order; nothing where it has none."""
    entries = items(mapping(mapping(document).get("metadata")).get("managedFields"))
    return tuple(
        FieldsOf(
            manager=name(entry.get("manager")) or "a manager without a name",
            operation=name(entry.get("operation")),
            subresource=name(entry.get("subresource")),
            api_version=name(entry.get("apiVersion")),
            time=moment(entry.get("time")),
            paths=frozenset(_paths(mapping(entry.get("fieldsV1")))),
        )
        for entry in entries
        if isinstance(entry, dict)
    )


def moment(value: object) -> int | None:
    """RFC 3339 in UTC, as Kubernetes writes times, in Unix seconds; None for anything else."""
    try:
        return calendar.timegm(time.strptime(name(value), "%Y-%m-%dT%H:%M:%SZ"))
    except (ValueError, OverflowError):
        return None


def owners(entries: Iterable[FieldsOf], path: str) -> tuple[FieldsOf, ...]:
    """The managers of ``path``: those that name exactly it, else those of what is inside it or around it."""
    entries = tuple(entries)
    exact = tuple(entry for entry in entries if path in entry.paths)
    return exact or tuple(entry for entry in entries if entry.owns(path))


def _inside(path: str, whole: str) -> bool:
    return path.startswith(whole) and path[len(whole) : len(whole) + 1] in (".", "[")


def _paths(fields: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    left: list[tuple[str, Mapping[str, Any], int]] = [("", fields, 0)]
    while left and len(found) < _MOST_PATHS:
        path, node, depth = left.pop()
        inner = [(path + element, mapping(value)) for key, value in node.items() if (element := _element(key))]
        if path and (not inner or "." in node):
            found.append(path)
        if depth < _DEEPEST:
            left += [(inside, value, depth + 1) for inside, value in inner]
    return found


def _element(key: str) -> str:
    kind, _, rest = key.partition(":")
    match kind:
        case "f":
            return f".{name(rest)}"
        case "k":
            keys = mapping(parse_json(rest))
            return f"[{','.join(f'{name(field)}={_value(value)}' for field, value in keys.items())}]"
        case "v":
            return f"[={_value(parse_json(rest))}]"
        case "i":
            return f"[{name(rest)}]"
    return ""


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | int | float | bool) else "…"
