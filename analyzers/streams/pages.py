"""Joins the pages of one list: kubectl asks for 500 objects at a time, and a person asked for one list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_plus

from analyzers.streams.list_page import ListPage, continue_id

# A client drops the resource version once it has a token, which holds the version of the first page.
_PAGING = frozenset({"continue", "limit", "resourceVersion", "resourceVersionMatch"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPage:
    """An answer with where it was: the exchange's id, and the raw target of its request."""

    id: int
    path: str
    page: ListPage


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedList:
    """One list that came in two pages or more, in the order in which they were asked for."""

    seen: tuple[SeenPage, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """The exchanges' ids."""
        return tuple(one.id for one in self.seen)

    @property
    def items(self) -> int:
        """The objects, or rows, of all pages."""
        return sum(one.page.items for one in self.seen)

    @property
    def content_bytes(self) -> int:
        """Of all pages, with the Content-Encoding undone."""
        return sum(one.page.content_bytes for one in self.seen)

    @property
    def wire_bytes(self) -> int:
        """Of all pages, as they came."""
        return sum(one.page.wire_bytes for one in self.seen)

    @property
    def complete(self) -> bool:
        """Whether every page is whole."""
        return all(one.page.complete for one in self.seen)

    @property
    def continues(self) -> bool:
        """Whether the client stopped before the last page."""
        return self.seen[-1].page.continues

    @property
    def remaining(self) -> int | None:
        """Objects left on the server behind the last page that was asked for, None when it does not say."""
        return self.seen[-1].page.remaining

    @property
    def phrase(self) -> str:
        """``10,000 items in 20 pages``; ``at least`` where not all of them are whole, and what was not asked for."""
        said = f"{'' if self.complete else 'at least '}{self.items:,} items in {len(self.seen)} pages"
        if not self.continues:
            return said
        left = "more" if self.remaining is None else f"{self.remaining:,}"
        return f"{said}, {left} not asked for"


def paged_lists(seen: Iterable[SeenPage]) -> tuple[PagedList, ...]:
    """The lists of one command that took more than one page, in the order of their first pages."""
    lists: list[list[SeenPage]] = []
    awaited: dict[tuple[str, str], list[SeenPage]] = {}
    for one in sorted(seen, key=lambda one: one.id):
        place, asked = _place(one.path)
        pages = awaited.pop((place, asked), None)
        if pages is None:
            pages = []
            lists.append(pages)
        pages.append(one)
        if one.page.continues:
            awaited[place, one.page.continue_id] = pages
    return tuple(PagedList(seen=tuple(pages)) for pages in lists if len(pages) > 1)


def _place(path: str) -> tuple[str, str]:
    """What the pages of one list have in common, and the ``continue_id`` of the page that this one follows."""
    path, _, query = path.partition("?")
    common, asked = [], ""
    for parameter in query.split("&"):
        key, _, value = parameter.partition("=")
        if key == "continue":
            asked = continue_id(unquote_plus(value))
        elif key not in _PAGING:
            common.append(parameter)
    return "&".join([path, *sorted(common)]), asked
