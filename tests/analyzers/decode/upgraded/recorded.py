"""What passed on real upgraded connections (recordings/*.jsonl, made by tests/cluster/record_upgraded.py)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyzers.decode.upgraded.reader import UpgradedReader
from analyzers.exchange import Headers
from analyzers.streams.upgraded import Upgraded

FOLDER = Path(__file__).parent / "recordings"
NAMES = tuple(sorted(file.stem for file in FOLDER.glob("*.jsonl")))

Part = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Recording:
    """One connection: its heads, what each side sent after them in the order it passed, and who ended it."""

    path: str
    request: Headers
    response: Headers
    parts: tuple[Part, ...]
    ended_by: Any

    def reader(self) -> UpgradedReader:
        return UpgradedReader(self.path, self.request, self.response)

    def read(self, parts: Iterable[Part] | None = None) -> Upgraded:
        """What is told of the connection, or of these parts in its place."""
        reader = self.reader()
        for side, data in self.parts if parts is None else parts:
            (reader.feed_client if side == "client" else reader.feed_server)(data)
        reader.end(self.ended_by)
        return reader.upgraded

    def sliced(self, size: int) -> Iterator[Part]:
        """The parts in slices of ``size`` bytes."""
        for side, data in self.parts:
            for at in range(0, len(data), size):
                yield side, data[at : at + size]

    def joined(self, *sides: str) -> Iterator[Part]:
        """All that one side sent, then all of the other."""
        for wanted in sides:
            yield wanted, b"".join(data for side, data in self.parts if side == wanted)


def recording(name: str) -> Recording:
    """The recording called so."""
    head, *parts, (_, ended_by) = map(json.loads, (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines())
    return Recording(
        head["path"],
        Headers((name, value) for name, value in head["request"]),
        Headers((name, value) for name, value in head["response"]),
        tuple((side, base64.b64decode(data)) for side, data in parts),
        ended_by,
    )
