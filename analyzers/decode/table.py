"""A Table: the rows that the API server made for ``kubectl get`` to print."""

from __future__ import annotations

from dataclasses import dataclass

from analyzers.decode.untrusted import integer, items, mapping, name, parse_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """How much a Table holds, not what. ``remaining``: objects left on the server, None when it does not say."""

    columns: tuple[str, ...] = ()
    rows: int = 0
    resource_version: str = ""
    remaining: int | None = None
    continued: bool = False


def decode(body: bytes | None) -> Table | None:
    """The Table in a JSON body, None when the body is something else."""
    # Kind and apiVersion come first; an object list of many megabytes need not be parsed to know that it is no Table.
    if not body or b'"Table"' not in body[:4096]:
        return None
    document = parse_json(body)
    if not isinstance(document, dict) or document.get("kind") != "Table":
        return None
    metadata = mapping(document.get("metadata"))
    return Table(
        columns=tuple(name(mapping(column).get("name")) for column in items(document.get("columnDefinitions"))),
        rows=len(items(document.get("rows"))),
        resource_version=name(metadata.get("resourceVersion")),
        remaining=integer(metadata.get("remainingItemCount")),
        continued=bool(name(metadata.get("continue"))),
    )
