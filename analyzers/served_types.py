"""The resource types that an API server has, as the discovery of a session showed them, and how people call them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analyzers.decode.untrusted import items, mapping, name, names, parse_json
from analyzers.exchange import Exchange
from analyzers.phrase import is_discovery

_CLOSE = 0.7
_CLOSE_NAME = 0.6
"""difflib's own: names are short, and swapped letters weigh more."""
_MOST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedType:
    """One resource in one group and version. ``group`` of the core types is ""."""

    group: str
    version: str
    resource: str
    kind: str = ""
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True

    @property
    def full_name(self) -> str:
        """``deployments.apps``, which no other type is called."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    @property
    def group_version(self) -> str:
        """``apps/v1``, ``v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def called(self) -> tuple[str, ...]:
        """What kubectl accepts for it, in lower case, the plural first; without the group."""
        said = (self.resource, self.singular, self.kind, *self.short_names)
        return tuple(dict.fromkeys(one.lower() for one in said if one))


class ServedTypes:
    """What discovery showed. It may be less than there is: bodies may be cut off, or kept by the client from before."""

    def __init__(self, types: Iterable[ServedType] = ()) -> None:
        self.types = tuple(dict.fromkeys(types))

    @classmethod
    def of(cls, exchanges: Iterable[Exchange]) -> ServedTypes:
        """The types in the discovery answers among ``exchanges``."""
        return cls(found for exchange in exchanges for found in _shown(exchange))

    @property
    def count(self) -> int:
        """Types, however many versions each has."""
        return len({found.full_name for found in self.types})

    def find(self, word: str) -> ServedType | None:
        """The type that kubectl would take ``word`` for: ``po``, ``Pod``, ``deployments.apps``, ``deploy.v1.apps``."""
        called, _, group = word.lower().partition(".")
        same = [found for found in self.types if called in found.called]
        # The start of a group is enough, and a version may stand before it.
        groups = (f"{found.group} {found.version}.{found.group}".split() for found in same)
        fitting = [
            found
            for found, named in zip(same, groups, strict=True)
            if not group or any(one.startswith(group) for one in named)
        ]
        return next(iter(fitting), None)

    def is_category(self, word: str) -> bool:
        """Whether ``word`` stands for several types, as ``all`` does."""
        return word == "all" or any(word in found.categories for found in self.types)

    def nearest(self, word: str) -> tuple[ServedType, ...]:
        """The types whose names are most like ``word``, the most alike first, at most three."""
        called = word.lower().partition(".")[0]
        by_name: dict[str, list[ServedType]] = {}
        for found in self.types:
            for one in found.called:
                if len(one) > 2:  # a short name is like everything
                    by_name.setdefault(one, []).append(found)
        close = difflib.get_close_matches(called, by_name, n=2 * _MOST, cutoff=_CLOSE)
        best = {one.full_name: one for alike in close for one in by_name[alike][::-1]}
        ordered = dict.fromkeys(one.full_name for alike in close for one in by_name[alike])
        return tuple(best[full_name] for full_name in ordered)[:_MOST]

    def elsewhere(self, group: str, version: str, resource: str) -> tuple[ServedType, ...]:
        """The same resource in other groups or versions than the one asked for."""
        same = [found for found in self.types if found.resource == resource]
        return tuple(found for found in same if (found.group, found.version) != (group, version))[:_MOST]


def nearest_name(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """The names most like ``word``, at most three; also those that a controller made of it (``web-5d9c…``)."""
    candidates = dict.fromkeys(one for one in known if one != word)
    begin = [one for one in candidates if one.startswith(f"{word}-")]
    return tuple(dict.fromkeys([*difflib.get_close_matches(word, candidates, n=_MOST, cutoff=_CLOSE_NAME), *begin]))[
        :_MOST
    ]


def _shown(exchange: Exchange) -> Iterator[ServedType]:
    response = exchange.response
    if response is None or response.status != 200 or not response.body or not is_discovery(exchange):
        return
    if b'"APIGroupDiscoveryList"' in response.body[:256]:
        yield from _aggregated(mapping(parse_json(response.body)))
    elif b'"APIResourceList"' in response.body[:256]:
        yield from _of_one_version(mapping(parse_json(response.body)))


def _aggregated(document: Mapping[str, Any]) -> Iterator[ServedType]:
    for group in map(mapping, items(document.get("items"))):
        for version in map(mapping, items(group.get("versions"))):
            for one in map(mapping, items(version.get("resources"))):
                if resource := name(one.get("resource")):
                    yield ServedType(
                        group=name(mapping(group.get("metadata")).get("name")),
                        version=name(version.get("version")),
                        resource=resource,
                        kind=name(mapping(one.get("responseKind")).get("kind")),
                        singular=name(one.get("singularResource")),
                        short_names=names(one.get("shortNames")),
                        categories=names(one.get("categories")),
                        namespaced=one.get("scope") != "Cluster",
                    )


def _of_one_version(document: Mapping[str, Any]) -> Iterator[ServedType]:
    group, _, version = name(document.get("groupVersion")).rpartition("/")
    for one in map(mapping, items(document.get("resources"))):
        resource = name(one.get("name"))
        if resource and "/" not in resource:  # else a subresource
            yield ServedType(
                group=group,
                version=version,
                resource=resource,
                kind=name(one.get("kind")),
                singular=name(one.get("singularName")),
                short_names=names(one.get("shortNames")),
                categories=names(one.get("categories")),
                namespaced=one.get("namespaced") is not False,
            )
