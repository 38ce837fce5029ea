"""What every measurement needs to know of where it takes place, and how much of it there is to be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.cluster.cluster import Cluster
from tests.cluster.kubectl import Kubectl


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """``folder`` is for files that may go afterwards, ``load`` the built client of bench/load.

    ``mitmkube`` and ``mitmdump`` are the programs that are compared.
    """

    cluster: Cluster
    folder: Path
    kubectl: Kubectl
    load: Path
    mitmkube: Path
    mitmdump: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured, in rounds of all sides; ``blocks`` of rounds have proxies of their own."""

    blocks: int
    rounds: int
    turn_seconds: float
    list_objects: int
    list_blocks: int
    list_rounds: int
    watch_rounds: int
    watch_seconds: float
    forward_rounds: int
    forward_bytes: int
    running_rounds: int
    cold_rounds: int
    apply_rounds: int
    log_megabytes: int
    log_rounds: int
    long_objects: int
    long_requests: int
    long_bytes: int


FULL = Size(
    blocks=2,
    rounds=2,
    turn_seconds=1.0,
    list_objects=10_000,
    list_blocks=2,
    list_rounds=4,
    watch_rounds=5,
    watch_seconds=3.0,
    forward_rounds=2,
    forward_bytes=200_000_000,
    running_rounds=20,
    cold_rounds=12,
    apply_rounds=3,
    log_megabytes=1000,
    log_rounds=5,
    long_objects=100_000,
    long_requests=100_000,
    long_bytes=1 << 30,
)
QUICK = Size(
    blocks=1,
    rounds=1,
    turn_seconds=0.6,
    list_objects=10_000,
    list_blocks=1,
    list_rounds=1,
    watch_rounds=1,
    watch_seconds=2.0,
    forward_rounds=1,
    forward_bytes=20_000_000,
    running_rounds=4,
    cold_rounds=3,
    apply_rounds=1,
    log_megabytes=256,
    log_rounds=3,
    long_objects=10_000,
    long_requests=10_000,
    long_bytes=1 << 27,
)
