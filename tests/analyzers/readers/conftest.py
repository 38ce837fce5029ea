"""Explains text as ``mitmkube explain`` does."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from analyzers.explain import Item, explain
from analyzers.readers.source import Source
from mitmkube import reading

type Explain = Callable[[str | bytes], list[Item]]


@pytest.fixture
def explained() -> Explain:
    def items(content: str | bytes) -> list[Item]:
        data = content.encode() if isinstance(content, str) else content
        return list(explain(reading.passages(Source(io.BytesIO(data)))))

    return items
