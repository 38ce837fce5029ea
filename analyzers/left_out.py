"""What a long session let go of, so that it fits into memory: which requests, and how much they came to.

A report holds this beside the requests that were kept, says it where they would have stood, and counts them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """``count`` requests with ids from ``first`` to ``last``, and none that was kept between them.

    ``count`` may be less than the ids in between: not every id is a request of the command.
    """

    first: int
    last: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """``spans`` in the order of their ids, one for each place between two kept requests.

    ``failures`` is how many of the requests had no answer or an error. ``request_bytes`` and ``response_bytes`` are the
    bodies of all of them, on the wire. ``bodies`` counts requests that were kept without their bodies. ``most`` is the
    number of requests that were to be kept, 0 without such a limit.
    """

    spans: tuple[Span, ...] = ()
    failures: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    bodies: int = 0
    most: int = 0

    @property
    def requests(self) -> int:
        """How many."""
        return sum(span.count for span in self.spans)

    @property
    def anything(self) -> bool:
        """Whether what was kept is less than what there was: then nothing follows from what is not there."""
        return bool(self.spans or self.bodies)

    def between(self, before: int, after: int) -> Sequence[Span]:
        """The spans behind request ``before`` and ahead of request ``after``, both kept ones."""
        at = attrgetter("first")
        return self.spans[bisect_left(self.spans, before, key=at) : bisect_left(self.spans, after, key=at)]

    def said(self, count: int) -> str:
        """``12,345 requests left out (--keep-flows 5000)``, of any part of them."""
        return f"{count:,} {'request' if count == 1 else 'requests'} left out (--keep-flows {self.most})"


NOTHING = LeftOut()
