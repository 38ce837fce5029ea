"""Imports point one way, mitmkube -> proxy_addons -> analyzers: tried, by importing with the others out of reach."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Imports every module of a package while some others cannot be imported, and says what it saw.
WALK = """
import importlib, pkgutil, sys

package, *blocked = sys.argv[1:]

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{package} may not import {name}")

sys.meta_path.insert(0, Wall())
count = 0
for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
    if not module.name.endswith("__main__") and module.name != "proxy_addons.script":
        importlib.import_module(module.name)
        count += 1
assert not [name for name in sys.modules if name.partition(".")[0] in blocked]
print(count)
"""


def walk(package: str, *blocked: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WALK, package, *blocked]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("package", "blocked"),
    [
        ("analyzers", ["mitmproxy", "mitmproxy_rs", "proxy_addons", "mitmkube", "OpenSSL", "tornado"]),
        ("proxy_addons", ["mitmkube"]),
    ],
)
def test_package_imports_without_what_stands_above_it(package: str, blocked: list[str]) -> None:
    done = walk(package, *blocked)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5


def test_wall_stops_a_forbidden_import() -> None:
    done = walk("proxy_addons", "mitmproxy")
    assert done.returncode != 0
    assert "may not import mitmproxy" in done.stderr


def test_rich_is_imported_by_output_only() -> None:
    users = [
        path.relative_to(ROOT / "analyzers")
        for path in (ROOT / "analyzers").rglob("*.py")
        if "import rich" in path.read_text("utf-8") or "from rich" in path.read_text("utf-8")
    ]
    assert all(path.parts[0] == "output" for path in users)
