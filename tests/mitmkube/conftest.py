"""The real kubectl, oldest and newest, a small API server, and a place to run commands, where a test asks for it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mitmkube.api_server import ApiServer, api_server
from tests.mitmkube.commands import Place, Web, free_ports, web


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


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


@pytest.fixture
def place(api: ApiServer, tmp_path: Path) -> Place:
    """Where commands run whose kubeconfig leads to ``api``."""
    return Place.make(tmp_path, api.kubeconfig(tmp_path / "kubeconfig"))


@pytest.fixture
def no_cluster(tmp_path: Path) -> Place:
    """Where commands run that have no kubeconfig."""
    return Place.make(tmp_path)


@pytest.fixture
def running_web(place: Place) -> Iterator[Web]:
    """``mitmkube web``, up, for ``api``."""
    proxy, page = free_ports(2)
    with web(place, "--port", proxy, "--web-port", page) as running:
        yield running
