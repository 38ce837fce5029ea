"""Looks for inputs whose time grows faster than they do: a pattern that tries the same text again and again.

A part of a known input is repeated; where four times as much takes far more than four times as long, it is reported.
Machines are noisy, so the bounds are wide, and whatever seems slow is measured again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from fuzz.tokens import ALL

RUNS = 3
_SIZES = (1000, 4000, 16000)
_SLOW_SECONDS = 0.05
_TOO_MUCH = 9.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """An input that takes too long for its size."""

    data: bytes
    told: str
    seconds: float


def grown(corpus: Sequence[bytes], random: Random, run: Callable[[bytes], object]) -> Grown | None:
    """One attempt; None where time grew no faster than the input."""
    before = random.choice((b"", random.choice(ALL), random.choice(corpus)[:200]))
    after = random.choice((b"", b"!", b"\n", random.choice(ALL)))
    unit = _unit(random.choice(corpus), random)
    inputs = [before + unit * (size // len(unit)) + after for size in _SIZES]
    spent = [_seconds(data, run) for data in inputs]
    if not _too_fast_growing(spent):
        return None
    spent = [min(_seconds(data, run) for _ in range(3)) for data in inputs]
    if not _too_fast_growing(spent):
        return None
    told = ", ".join(f"{len(data)} bytes {took * 1000:.1f} ms" for data, took in zip(inputs, spent, strict=True))
    return Grown(data=inputs[-1], told=f"{before!r} + {unit!r} repeated + {after!r}: {told}\n", seconds=spent[-1])


def _too_fast_growing(spent: Sequence[float]) -> bool:
    return spent[-1] > _SLOW_SECONDS and spent[-1] > _TOO_MUCH * max(spent[-2], 0.001)


def _unit(data: bytes, random: Random) -> bytes:
    if data and random.randrange(2):
        at = random.randrange(len(data))
        return data[at : at + random.choice((1, 2, 4, 8, 24))]
    token = random.choice(ALL)
    return token[: random.choice((1, 2, 4, 16, 64))]


def _seconds(data: bytes, run: Callable[[bytes], object]) -> float:
    begun = time.process_time()
    run(data)
    return time.process_time() - begun
