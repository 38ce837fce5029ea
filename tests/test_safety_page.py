"""docs/safety.md promises nothing without a test, and names no test that is not there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", PAGE)))
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.endswith("| held by |")]


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("named", NAMED)
def test_test_that_the_page_names_exists(named: str) -> None:
    path, _, name = named.partition("::")
    found = names_in(ROOT / path)
    assert found
    assert not name or name in found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:40])
def test_every_promise_of_the_page_names_a_test(row: str) -> None:
    cells = re.split(r"(?<!\\)\|", row)[1:-1]
    assert any(f"`{named}`" in cells[-1] for named in NAMED)


def test_page_promises_something() -> None:
    assert len(ROWS) >= 20
    assert len(NAMED) >= 30
