"""What a run records while its command goes on: in memory what the report needs, in the HAR everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mitmkube import lean_import, output_files

if TYPE_CHECKING:
    from mitmproxy import http

    from analyzers.exchange import Exchange
    from mitmkube.har_recording import HarRecording
    from mitmkube.kept import Kept


class Session:
    """The sink of the recorder; ``har`` is None where none is written beside the traffic."""

    def __init__(self, har: Path | None, keep_flows: int, *, bodies: bool = False) -> None:
        """``bodies``: the HAR has them all. Raises UserError where it cannot be written."""
        self.har = _har(har, bodies=bodies)
        self.asking = False
        """Whether it is mitmkube that asks now, and no longer the command."""
        self._keep_flows = keep_flows
        self._early: list[Exchange] = []
        self._kept: Kept | None = None

    def take(self, exchange: Exchange, flow: http.HTTPFlow) -> None:
        """Keep an exchange that has ended."""
        if self.asking:
            exchange = replace(exchange, asked=True)
        if self._kept is None:
            self._early.append(exchange)
        else:
            self._kept.add(exchange)
        # What is asked afterwards goes into the HAR once it is known whose answer it is.
        if self.har is not None and not self.asking:
            self.har.add(exchange, flow)

    @property
    def look(self) -> Callable[[Exchange, http.HTTPFlow], None] | None:
        """The sink for what goes on; None where nobody would see it."""
        return self.har.look if self.har is not None else None

    @property
    def kept(self) -> Kept:
        """What is in memory. Choosing it needs what the report needs, which is imported beside the command."""
        if self._kept is None:
            from mitmkube.kept import Kept

            self._kept = Kept(self._keep_flows)
            for exchange in self._early:
                self._kept.add(exchange)
            self._early.clear()
        return self._kept

    def discard(self) -> None:
        """Leave no file behind."""
        if self.har is not None:
            self.har.discard()


def _har(path: Path | None, *, bodies: bool) -> HarRecording | None:
    """None where there is to be no HAR, and where it is written to a stream in the end."""
    if path is None or output_files.is_stream(path):
        return None
    with lean_import.lean():
        from mitmkube.har_recording import HarRecording
    return HarRecording(path, bodies=bodies)
