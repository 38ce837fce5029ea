"""Tells an answer that may show a failure before it to have done no harm: the report needs both.

Which failure was cured is judged in the end, over everything that was kept (``analyzers.command``). Here it is only
seen that an answer has to do with one: the same path, its collection, an object in it, or the server that a connection
failed to.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from analyzers.command import is_failure
from analyzers.exchange import Exchange
from analyzers.phrase import path_of

_MOST_FAILURES = 1_000
"""Whose cure is waited for; the oldest is given up first."""
_MOST_ANSWERS = 8
"""To one failure: of requests that differ from each other, as a watch and the list that replaces it do."""


class Cures:
    """Watches a session's exchanges go by, in constant time and memory."""

    def __init__(self) -> None:
        self._awaited: OrderedDict[str, set[tuple[str, str]]] = OrderedDict()

    def take(self, exchange: Exchange) -> bool:
        """Whether ``exchange`` is the first of its kind that went well after a failure that it has to do with."""
        if is_failure(exchange):
            for place in _fails_at(exchange):
                self._awaited[place] = set()
                self._awaited.move_to_end(place)
            while len(self._awaited) > _MOST_FAILURES:
                self._awaited.popitem(last=False)
            return False
        kind = (exchange.request.method, exchange.request.path)
        found = False
        for place in _goes_well_at(exchange) if self._awaited else ():
            seen = self._awaited.get(place)
            if seen is not None and kind not in seen and len(seen) < _MOST_ANSWERS:
                seen.add(kind)
                found = True
        return found


def _fails_at(exchange: Exchange) -> Iterator[str]:
    request = exchange.request
    if exchange.tunnel:
        yield request.path
        return
    yield f"{request.authority}{path_of(exchange)}"
    if request.method == "GET":  # what is not there is written to its collection
        yield f"{request.authority}{_parent(exchange)}"


def _goes_well_at(exchange: Exchange) -> Iterator[str]:
    request = exchange.request
    yield request.authority
    yield f"{request.authority}{path_of(exchange)}"
    if request.method in ("PATCH", "PUT"):  # of what could not be created, for it was there
        yield f"{request.authority}{_parent(exchange)}"


def _parent(exchange: Exchange) -> str:
    return path_of(exchange).rpartition("/")[0]
