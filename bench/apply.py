"""A real ``kubectl apply`` of many manifests, which kubectl's own throttling is part of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from bench import ways
from bench.commands import timed, took_and_added
from bench.figures import Section
from bench.paired import rounds
from bench.setting import Setting, Size

MANIFESTS = 200
NAMESPACE = "bench-apply"


def measure(setting: Setting, size: Size) -> Iterator[Section]:
    """Every apply changes every object, so that each is read and patched; the first, of every side, is not counted."""
    setting.cluster.add_namespace(NAMESPACE)
    file = setting.folder / "manifests.json"
    numbers = count()
    with ways.opened(setting) as sides:
        turns = {name: _turn(setting, way.kubeconfig, file, numbers) for name, way in sides.items()}
        rounds(1, turns)
        measured = rounds(size.apply_rounds, turns)
    yield Section(
        title=f"kubectl {setting.kubectl} apply of {MANIFESTS} manifests: ms",
        figures=list(took_and_added(measured)),
        rounds=measured,
    )


def _turn(setting: Setting, kubeconfig: str, file: Path, numbers: Iterator[int]) -> Callable[[], float]:
    command = (setting.kubectl.path, "apply", "-f", file)
    apply = timed(setting, command, kubeconfig, expected=_all_written)

    def turn() -> float:
        _write(file, next(numbers))
        return apply()

    return turn


def _write(file: Path, number: int) -> None:
    items = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"applied-{place}", "namespace": NAMESPACE},
            "data": {"number": str(number), "text": "x" * 200},
        }
        for place in range(MANIFESTS)
    ]
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def _all_written(said: bytes) -> bool:
    return said.count(b" configured\n") == MANIFESTS or said.count(b" created\n") == MANIFESTS
