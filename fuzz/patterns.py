"""Looks for regular expressions that try the same text again and again: each is given text that nearly matches.

From every pattern of the product samples are made of what it could match; the beginnings of samples, repeated, are what
makes a pattern begin at many places and fail late. Where four times as much text takes far more than four times as
long, the pattern is reported.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from random import Random
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from types import FrameType
from typing import Any

PACKAGES = ("analyzers", "proxy_addons", "mitmkube")
_SIZES = (2000, 8000)
_SLOW_SECONDS = 0.02
_TOO_MUCH = 8.0
_LIMIT_SECONDS = 1.0
_SAMPLES = 4
_CUTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """A pattern, where it stands, and text that it takes too long for: ``before``, ``unit`` many times, ``after``."""

    place: str
    pattern: str
    before: str
    unit: str
    after: str
    milliseconds: float


def slow_patterns(seed: int = 0) -> Iterator[Slow]:
    """Every pattern of the product for which a text was found that takes too long."""
    for place, way, pattern in patterns():
        found = slowest(place, way, pattern, Random(f"{seed}/{place}"))
        if found is not None:
            yield found


def patterns() -> Iterator[tuple[str, str, re.Pattern[Any]]]:
    """Every compiled pattern that a module keeps: the module's name and its own, how it is used there, and it."""
    seen: set[int] = set()
    for package in PACKAGES:
        root = importlib.import_module(package)
        for found in pkgutil.walk_packages(root.__path__, f"{package}."):
            if found.name.endswith(("__main__", "proxy_addons.script")):  # they do something when they are imported
                continue
            module = importlib.import_module(found.name)
            source = inspect.getsource(module)
            for name, value in list(vars(module).items()):
                for place, pattern in _in(value, f"{found.name}.{name}"):
                    if id(pattern) not in seen:
                        seen.add(id(pattern))
                        yield place, _way(name, source), pattern


def _way(name: str, source: str) -> str:
    """How a pattern is looked for: in what is only matched from its beginning, there is less to try."""
    used = set(re.findall(rf"\b{name}\.(search|match|fullmatch)\(", source))
    return (
        used.pop() if len(used) == 1 and f"{name}.sub(" not in source and f"{name}.find" not in source else "finditer"
    )


def _in(value: Any, place: str, depth: int = 0) -> Iterator[tuple[str, re.Pattern[Any]]]:
    if isinstance(value, re.Pattern):
        yield place, value
    elif depth < 3 and isinstance(value, tuple | list | dict):
        inner = value.values() if isinstance(value, dict) else value
        for at, one in enumerate(inner):
            yield from _in(one, f"{place}[{at}]", depth + 1)
    elif depth < 3 and is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _in(getattr(value, field.name), f"{place}.{field.name}", depth + 1)


def slowest(place: str, way: str, pattern: re.Pattern[Any], random: Random) -> Slow | None:
    """The text that took ``pattern`` longest, if it took too long; None otherwise."""
    with _stopping():
        return _slowest(place, way, pattern, random)


def _slowest(place: str, way: str, pattern: re.Pattern[Any], random: Random) -> Slow | None:
    worst: Slow | None = None
    tree = _parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    units: dict[tuple[str, str], None] = {}
    for _ in range(_SAMPLES):
        sample = _Sample(random).of(tree)
        if not sample:
            continue
        for _ in range(_CUTS):
            begin, end = sorted((random.randrange(len(sample) + 1), random.randrange(len(sample) + 1)))
            if end - begin < 400:
                units[sample[:begin], sample[begin : max(end, begin + 1)]] = None
            units["", sample[:end][:400]] = None
    for before, unit in units:
        for after in ("", "\n\x01"):
            took = _growing(way, pattern, before, unit, after)
            if took and (worst is None or took > worst.milliseconds):
                worst = Slow(
                    place=place, pattern=str(pattern.pattern), before=before, unit=unit, after=after, milliseconds=took
                )
            if took >= _LIMIT_SECONDS * 1000:
                return worst
    return worst


def _growing(way: str, pattern: re.Pattern[Any], before: str, unit: str, after: str) -> float:
    """Milliseconds for the longer text, 0 where time grew no faster than the text."""
    if not unit:
        return 0
    texts = [before + unit * (size // len(unit)) + after for size in _SIZES]
    second = _seconds(way, pattern, texts[1])
    if second < _SLOW_SECONDS:
        return 0
    if second >= _LIMIT_SECONDS:
        return second * 1000
    second = min(second, _seconds(way, pattern, texts[1]))
    first = min(_seconds(way, pattern, texts[0]) for _ in range(2))
    return second * 1000 if second > max(_TOO_MUCH * first, _SLOW_SECONDS) else 0


def _seconds(way: str, pattern: re.Pattern[Any], text: str) -> float:
    given = text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, _LIMIT_SECONDS)
    try:
        if way == "finditer":
            for _ in pattern.finditer(given):
                pass
        else:
            getattr(pattern, way)(given)
    except _TakesTooLong:
        return _LIMIT_SECONDS
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return time.process_time() - begun


class _TakesTooLong(Exception):
    """Raised into a search, which looks for signals now and then."""


@contextmanager
def _stopping() -> Iterator[None]:
    def stop(_: int, frame: FrameType | None) -> None:
        raise _TakesTooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGVTALRM, before)


class _Sample:
    """Text that a pattern could match, give or take what it looks at before and behind."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._groups: dict[int, str] = {}

    def of(self, tree: Any) -> str:
        return "".join(self._one(operator, argument) for operator, argument in tree)

    def _one(self, operator: Any, argument: Any) -> str:
        random = self._random
        if operator is sre.LITERAL:
            return chr(argument)
        if operator is sre.NOT_LITERAL:
            return "a" if argument != ord("a") else "b"
        if operator is sre.ANY:
            return random.choice("a 1")
        if operator is sre.IN:
            return self._of_class(argument)
        if operator is sre.BRANCH:
            return self.of(random.choice(argument[1]))
        if operator is sre.SUBPATTERN:
            inner = self.of(argument[3])
            if argument[0] is not None:
                self._groups[argument[0]] = inner
            return inner
        if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            least, most, inner = argument
            times = (
                random.choice((least, least + 1, least + 3)) if most is sre.MAXREPEAT else random.choice((least, most))
            )
            return "".join(self.of(inner) for _ in range(min(times, 64)))
        if operator is sre.ATOMIC_GROUP:
            return self.of(argument)
        if operator is sre.GROUPREF:
            return self._groups.get(argument, "")
        return ""

    def _of_class(self, parts: Any) -> str:
        negated = bool(parts) and parts[0][0] is sre.NEGATE
        pattern = re.compile("[" + "".join(_class_text(part) for part in parts) + "]")
        alphabet = [chr(code) for code in (*range(9, 14), *range(32, 127), 0x2502)]
        fitting = [one for one in alphabet if pattern.match(one)]
        if negated:
            fitting = [one for one in fitting if one in "a1 -."] or fitting
        return self._random.choice(fitting or ["a"])


_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_SPACE": r"\s", "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W",
}  # fmt: skip


def _class_text(part: Any) -> str:
    operator, argument = part
    if operator is sre.NEGATE:
        return "^"
    if operator is sre.LITERAL:
        return f"\\U{argument:08x}"
    if operator is sre.RANGE:
        return f"\\U{argument[0]:08x}-\\U{argument[1]:08x}"
    return _CATEGORIES.get(str(argument), "")
