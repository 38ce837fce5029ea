"""What differs between an object as it was sent and the same object as it was stored.

Lists of maps are compared as the API merges them: by the field that names their items, not by position, so that an item
put in front does not make all others look changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analyzers.canonical import same_value

type Place = tuple[str | int, ...]

# The merge keys of the API's types (the patchMergeKey tags of k8s.io/api), the more telling ones first.
_MERGE_KEYS = (
    ("mountPath",),
    ("devicePath",),
    ("containerPort", "protocol"),
    ("name",),
    ("port", "protocol"),
    ("topologyKey", "whenUnsatisfiable"),
    ("key", "effect"),
    ("key",),
    ("type",),
    ("ip",),
    ("uid",),
)
_KEY_DEFAULTS = {"protocol": "TCP"}
# Each entry of these is somebody's own.
_FREE_MAPS = frozenset({"labels", "annotations", "data", "binaryData", "matchLabels", "nodeSelector"})
# Lists of words in which the order is part of the meaning; most others are sets.
_IN_ORDER = (("args",), ("command",))
_MOST_COMPARISONS = 10_000


@dataclass(frozen=True, slots=True)
class Item:
    """A step of a path into a list: what names the item, its position where nothing does."""

    name: str

    def __str__(self) -> str:
        return f"[{self.name}]"


type Path = tuple[str | Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place at which the two objects differ.

    ``path`` is for readers; ``sent_at`` and ``stored_at`` are the keys and positions that lead to the value, None on
    the side that has none.
    """

    path: Path
    change: Literal["added", "changed", "removed"]
    sent_at: Place | None = None
    stored_at: Place | None = None


def differences(
    sent: object, stored: object, *, whole: bool = True, whole_lists: bool = True, at: Place = ()
) -> tuple[Difference, ...]:
    """What the stored value has otherwise, in addition, or no longer.

    With ``whole`` false only a part was sent, and what else is stored is no addition; ``whole_lists`` says whether a
    list in it stands for the whole list. What is empty and what is missing are the same. ``at`` leads to both values.
    Raises RecursionError for what is nested deeper than Python can follow.
    """
    walk = _Walk(whole_lists)
    walk.value(tuple(str(step) for step in at), sent, stored, at, at, whole)
    return tuple(walk.found)


class _Walk:
    def __init__(self, whole_lists: bool) -> None:
        self.found: list[Difference] = []
        self._whole_lists = whole_lists

    def value(self, path: Path, sent: Any, stored: Any, sent_at: Place, stored_at: Place, whole: bool) -> None:
        if isinstance(sent, dict) and isinstance(stored, dict):
            self._maps(path, sent, stored, sent_at, stored_at, whole)
        elif isinstance(sent, list) and isinstance(stored, list):
            self._lists(path, sent, stored, sent_at, stored_at, whole or self._whole_lists)
        elif is_empty(sent) and (whole or sent is not None):
            if whole:
                self._added(path, stored, stored_at)
        elif sent != stored and (_in_free_map(path) or not same_value(sent, stored)):
            self.found.append(Difference(path=path, change="changed", sent_at=sent_at, stored_at=stored_at))

    def _maps(
        self, path: Path, sent: Mapping[str, Any], stored: Mapping[str, Any], sent_at: Place, stored_at: Place,
        whole: bool,
    ) -> None:  # fmt: skip
        for key, value in sent.items():
            if key.startswith("$"):
                continue  # a directive of a strategic merge patch
            if key in stored:
                self.value((*path, key), value, stored[key], (*sent_at, key), (*stored_at, key), whole)
            elif not is_empty(value) and value not in (False, 0):
                self.found.append(Difference(path=(*path, key), change="removed", sent_at=(*sent_at, key)))
        if whole:
            for key, value in stored.items():
                if key not in sent:
                    self._added((*path, key), value, (*stored_at, key))

    def _added(self, path: Path, value: Any, at: Place) -> None:
        if is_empty(value):
            return
        if isinstance(value, dict) and path and path[-1] in _FREE_MAPS:
            for key in value:
                self.found.append(Difference(path=(*path, key), change="added", stored_at=(*at, key)))
        elif isinstance(value, list) and (keys := _merge_keys(value)):
            for place, one in enumerate(value):
                name = Item(_name(one, keys))
                self.found.append(Difference(path=(*path, name), change="added", stored_at=(*at, place)))
        else:
            self.found.append(Difference(path=path, change="added", stored_at=at))

    def _lists(
        self, path: Path, sent: Sequence[Any], stored: Sequence[Any], sent_at: Place, stored_at: Place, whole: bool
    ) -> None:
        if sent == stored or (path[-1:] not in _IN_ORDER and _same_set(sent, stored)):
            return
        if keys := _merge_keys(sent, stored):
            pairs = _paired_by(keys, sent, stored)
        elif len(sent) == len(stored):
            pairs = [(place, place) for place in range(len(sent))]
        elif len(sent) * len(stored) <= _MOST_COMPARISONS:
            pairs = _paired_by_content(sent, stored)
        else:
            self.found.append(Difference(path=path, change="changed", sent_at=sent_at, stored_at=stored_at))
            return
        for ours, theirs in pairs:
            named = Item(_name(sent[ours] if ours is not None else stored[theirs or 0], keys)) if keys else None
            step = named or Item(str(theirs if theirs is not None else ours))
            if ours is not None and theirs is not None:
                self.value((*path, step), sent[ours], stored[theirs], (*sent_at, ours), (*stored_at, theirs), whole)
            elif ours is not None:
                if not _is_directive(sent[ours]):
                    self.found.append(Difference(path=(*path, step), change="removed", sent_at=(*sent_at, ours)))
            elif whole:
                self.found.append(Difference(path=(*path, step), change="added", stored_at=(*stored_at, theirs or 0)))


def is_empty(value: object) -> bool:
    """None, "" and a list or map with nothing in it: what a server may leave out."""
    if isinstance(value, dict):
        return all(is_empty(one) for one in value.values())
    return value is None or value == "" or value == []


def _same_set(sent: Sequence[Any], stored: Sequence[Any]) -> bool:
    if not all(isinstance(item, str) for items in (sent, stored) for item in items):
        return False
    return sorted(sent) == sorted(stored)


def _in_free_map(path: Path) -> bool:
    """In a label 1 and 1000m are two different values."""
    return any(step in _FREE_MAPS for step in path[:-1])


def _is_directive(item: object) -> bool:
    return isinstance(item, dict) and "$patch" in item


def _merge_keys(*lists: Sequence[Any]) -> tuple[str, ...]:
    """The fields that name the items of all ``lists``; none where no fields do."""
    if not any(lists) or not all(isinstance(item, dict) for items in lists for item in items):
        return ()
    for keys in _MERGE_KEYS:
        names = [[_values(item, keys) for item in items] for items in lists]
        if all(None not in found and len(set(found)) == len(found) for found in names):
            return keys
    return ()


def _values(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[str, ...] | None:
    values = [item.get(key, _KEY_DEFAULTS.get(key)) for key in keys]
    if any(isinstance(value, bool) or not isinstance(value, str | int) for value in values):
        return None
    return tuple(str(value) for value in values)


def _name(item: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    values = _values(item, keys) or ()
    shown = [value for key, value in zip(keys, values, strict=True) if _KEY_DEFAULTS.get(key) != value]
    return "/".join(shown)


type _Pairs = list[tuple[int | None, int | None]]


def _paired_by(keys: tuple[str, ...], sent: Sequence[Any], stored: Sequence[Any]) -> _Pairs:
    left = {_values(item, keys): place for place, item in enumerate(stored)}
    pairs: _Pairs = [(place, left.pop(_values(item, keys), None)) for place, item in enumerate(sent)]
    return pairs + [(None, place) for place in left.values()]


def _paired_by_content(sent: Sequence[Any], stored: Sequence[Any]) -> _Pairs:
    """Each sent item with the first stored one, behind the last, that says nothing else."""
    pairs: _Pairs = []
    left = list(range(len(stored)))
    for place, item in enumerate(sent):
        found = next((at for at in left if not differences(item, stored[at], whole=False, whole_lists=False)), None)
        if found is not None:
            left.remove(found)
        pairs.append((place, found))
    return pairs + [(None, place) for place in left]
