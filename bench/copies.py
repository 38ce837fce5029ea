"""``kubectl cp`` of one large file from a pod and to it: tar through exec."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterator
from pathlib import Path

from bench.commands import timed
from bench.figures import Section
from bench.forward import Move, measure_moves, section
from bench.setting import Setting, Size
from bench.ways import Way

# The stand-in for the kubelet does not pass on the end of stdin, which tar waits for unless the archive is a whole
# number of its records.
_RECORD, _HEADER_AND_END = 10240, 512 + 1024
_PART = 1 << 20


def measure(setting: Setting, size: Size) -> Iterator[Section]:
    """Both ways; every round with new proxies."""
    length = size.forward_bytes // _RECORD * _RECORD - _HEADER_AND_END
    # The pod's files are this machine's, so the same file serves both ways.
    file, copied = setting.cluster.run / "exec" / "file", setting.cluster.run / "exec" / "copied"
    _write(file, length)
    in_pod = "default/p0:{}".format

    def move(source: str, target: str) -> Move:
        def copy(setting: Setting, way: Way, size: int) -> float:
            command = (setting.kubectl.path, "cp", source, target)
            took = timed(setting, command, way.kubeconfig, expected=lambda _: True)()
            if not filecmp.cmp(file, copied, shallow=False):
                raise RuntimeError(f"kubectl cp {source} {target} made another file of {size} bytes")
            copied.unlink()
            return took

        return copy

    works = {"from the pod": move(in_pod(file), str(copied)), "to the pod": move(str(file), in_pod(copied))}
    try:
        for said, copy in works.items():
            measured = measure_moves(setting, size.forward_rounds, length, copy)
            yield section(f"kubectl {setting.kubectl} cp, {length / 1_000_000:.0f} MB {said}", measured)
    finally:
        file.unlink()


def _write(file: Path, length: int) -> None:
    with file.open("wb") as written:
        while length > 0:
            length -= written.write(os.urandom(min(length, _PART)))
