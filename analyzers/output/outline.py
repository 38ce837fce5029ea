"""What of a body is metadata: which objects it holds, in which version and whose, and what it says of permissions.

``explain`` and ``rbac`` can tell most of a story from that, without any body in the archive. It is taken from the
redacted body.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analyzers.decode import document
from analyzers.decode.untrusted import items, mapping

_METADATA = (
    "name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "finalizers", "continue", "remainingItemCount",
)  # fmt: skip
_FIELD_MANAGERS = "managedFields"  # long: of an object that was asked for by its name
# What an object of these groups says is who may do what, or is asked about.
_PERMISSIONS = {
    "rbac.authorization.k8s.io": ("rules", "roleRef", "subjects", "aggregationRule"),
    "authorization.k8s.io": ("spec", "status"),
}
# Of DeleteOptions and the like.
_OPTIONS = ("preconditions", "propagationPolicy", "dryRun")


def outline(body: bytes | None) -> dict[str, Any] | None:
    """Of a redacted body; None where it says nothing of the kind."""
    found = document.decode(body)
    return (_object(mapping(found), (*_METADATA, _FIELD_MANAGERS)) or None) if isinstance(found, dict) else None


def _object(found: Mapping[str, Any], metadata: tuple[str, ...] = _METADATA) -> dict[str, Any]:
    kept = {key: found[key] for key in ("kind", "apiVersion") if isinstance(found.get(key), str)}
    if about := {key: value for key, value in mapping(found.get("metadata")).items() if key in metadata}:
        kept["metadata"] = about
    group = str(found.get("apiVersion", "")).partition("/")[0]
    kept |= {key: found[key] for key in (*_PERMISSIONS.get(group, ()), *_OPTIONS) if key in found}
    if isinstance(found.get("items"), list):
        kept["items"] = [_object(mapping(item)) for item in items(found["items"])]
    if isinstance(found.get("rows"), list):
        kept["rows"] = [{"object": _object(mapping(mapping(row).get("object")))} for row in items(found["rows"])]
    if versions := [mapping(one) for one in items(found.get("versions"))]:  # of discovery: is there who serves it?
        kept["versions"] = [{key: one[key] for key in ("version", "freshness") if key in one} for one in versions]
    return kept
