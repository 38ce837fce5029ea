"""The real kubectl, oldest and newest, where a test asks for it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest


def kubectls() -> list[str]:
    """kubectl, and where several versions stand side by side the oldest and the newest instead."""
    found = shutil.which("kubectl")
    if found is None:
        return []
    versions = [p for p in Path(found).resolve().parent.glob("kubectl.1.*") if re.fullmatch(r"kubectl\.1\.\d+", p.name)]
    versions.sort(key=lambda path: int(path.suffix[1:]))
    return [str(path) for path in dict.fromkeys((versions[0], versions[-1]))] if versions else [found]


@pytest.fixture(params=["oldest", "newest"])
def kubectl(request: pytest.FixtureRequest) -> str:
    found = kubectls()
    if not found:
        if os.environ.get("CI"):
            pytest.fail("kubectl is needed")
        pytest.skip("no kubectl on this machine")
    return found[0] if request.param == "oldest" else found[-1]
