"""What a real API server answered (recordings/*.http, made by record.py)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from analyzers.exchange import Exchange
from analyzers.readers import wire_text

RECORDINGS = Path(__file__).parent / "recordings"


@pytest.fixture
def recorded() -> Callable[[str], tuple[Exchange, ...]]:
    """The exchanges of a recording, by its name."""
    return lambda name: wire_text.read((RECORDINGS / f"{name}.http").read_text("utf-8"))
