"""A real ``kubectl apply`` of many manifests, which kubectl's own throttling is part of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import ways
from bench.commands import timed, took_and_added
from bench.figures import Section
from bench.paired import rounds
from bench.setting import Setting, Size

MANIFESTS = 200
NAMESPACE = "bench-apply"
_PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
_LABEL = "applied"


def measure(setting: Setting, size: Size) -> Iterator[Section]:
    """Every apply makes every object, so that each is asked for and then written.

    Where objects are there already, today's kubectl spends 50 ms of its own on each, in which no proxy could be seen.
    Where the kubeconfig has a proxy-url, client-go keeps no connection from one client of the API to the next, and
    kubectl makes a new client for every object: hence so many handshakes, through every proxy.
    """
    setting.cluster.add_namespace(NAMESPACE)
    file = setting.folder / "manifests.json"
    _write(file)
    with ways.opened(setting) as sides:
        turns = {name: _turn(setting, way.kubeconfig, file) for name, way in sides.items()}
        measured = rounds(size.apply_rounds, turns)
    yield Section(
        title=f"kubectl {setting.kubectl} apply of {MANIFESTS} new manifests: ms",
        figures=list(took_and_added(measured)),
        rounds=measured,
    )


def _turn(setting: Setting, kubeconfig: str, file: Path) -> Callable[[], float]:
    command = (setting.kubectl.path, "apply", "-f", file)
    apply = timed(setting, command, kubeconfig, expected=lambda said: said.count(b" created\n") == MANIFESTS)

    def turn() -> float:
        setting.cluster.arrange("DELETE", f"{_PATH}?labelSelector={_LABEL}")
        return apply()

    return turn


def _write(file: Path) -> None:
    items = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"applied-{place}", "namespace": NAMESPACE, "labels": {_LABEL: "yes"}},
            "data": {"text": "x" * 200},
        }
        for place in range(MANIFESTS)
    ]
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
