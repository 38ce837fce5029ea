"""A list, or one page of it: how much there was, not what."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from analyzers.decode.untrusted import integer, mapping, name
from analyzers.units import size

_ID_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """One answer to a list.

    ``kind`` is such as ``PodList`` or ``Table``, "" while it was not told; ``items`` counts objects, or a Table's rows.
    ``continue_id`` stands for the token that asks for the next page, "" where there is none. ``remaining`` is how many
    objects are left on the server, None when it does not say; it never does where a selector chose them. Of
    ``content_bytes`` the Content-Encoding is undone, of ``wire_bytes`` not. ``complete`` is false for an answer that
    ended before its document did, or goes on: there are ``items`` at least.
    """

    kind: str = ""
    api_version: str = ""
    items: int = 0
    resource_version: str = ""
    continue_id: str = ""
    remaining: int | None = None
    content_bytes: int = 0
    wire_bytes: int = 0
    complete: bool = True

    @property
    def continues(self) -> bool:
        """Whether the server has more: this is a page of a longer list, and not its last."""
        return bool(self.continue_id)

    @property
    def phrase(self) -> str:
        """On one line: ``500 items, 9,500 remaining, PodList, 1.9 MB (gzip 11 %)``."""
        return ", ".join(part for part in (self._count, self._rest, self.kind, self._size) if part)

    def lines(self) -> tuple[str, ...]:
        """What there is to tell, a line each."""
        return tuple(self._told())

    def document(self) -> dict[str, Any]:
        """As values for JSON, without what is not known."""
        return {
            "kind": self.kind,
            "apiVersion": self.api_version,
            "items": self.items,
            "resourceVersion": self.resource_version,
            "continues": self.continues,
            **({"continueId": self.continue_id} if self.continue_id else {}),
            **({} if self.remaining is None else {"remaining": self.remaining}),
            "contentBytes": self.content_bytes,
            "wireBytes": self.wire_bytes,
            "complete": self.complete,
        }

    @staticmethod
    def read(document: object) -> ListPage | None:
        """What ``document`` gave; None for anything else."""
        found = mapping(document)
        items, complete = integer(found.get("items")), found.get("complete")
        if items is None or not isinstance(complete, bool):
            return None
        return ListPage(
            kind=name(found.get("kind")),
            api_version=name(found.get("apiVersion")),
            items=max(0, items),
            resource_version=name(found.get("resourceVersion")),
            continue_id=name(found.get("continueId")),
            remaining=integer(found.get("remaining")),
            content_bytes=max(0, integer(found.get("contentBytes")) or 0),
            wire_bytes=max(0, integer(found.get("wireBytes")) or 0),
            complete=complete,
        )

    @property
    def _count(self) -> str:
        counted = "1 item" if self.items == 1 else f"{self.items:,} items"
        return counted if self.complete else f"at least {counted}"

    @property
    def _rest(self) -> str:
        if not self.continues:
            return ""
        return "more remaining" if self.remaining is None else f"{self.remaining:,} remaining"

    @property
    def _size(self) -> str:
        return f"{size(self.content_bytes)} ({self._ratio})" if self._ratio else size(self.content_bytes)

    @property
    def _ratio(self) -> str:
        if not 0 < self.wire_bytes < self.content_bytes:
            return ""
        return f"gzip {max(1, round(100 * self.wire_bytes / self.content_bytes))} %"

    def _told(self) -> Iterator[str]:
        yield " ".join(part for part in (self.kind, self.api_version) if part) or "a list whose kind was not seen"
        yield self._count
        if not self.complete:
            yield "the answer is not whole"
        if self.continues:
            yield f"a page of a longer list: {self._rest}"
        if self.resource_version:
            yield f"resourceVersion {self.resource_version}"
        wire = f", {size(self.wire_bytes)} on the wire ({self._ratio})" if self._ratio else ""
        yield f"{size(self.content_bytes)} of content{wire}"


def continue_id(token: str) -> str:
    """What stands for a continue token, in the answer that gave it and in the request that used it; "" for none.

    The token itself is of no use to a reader, and several times as long as all that is known of a page.
    """
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()[:_ID_DIGITS] if token else ""
