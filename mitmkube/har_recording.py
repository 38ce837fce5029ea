"""``run --har``: the HAR while the command runs, written beside the traffic, and what it becomes in the end."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from analyzers.output import har
from mitmkube.errors import UserError
from proxy_addons.analysis import Analysis
from proxy_addons.har_file import HarFile

if TYPE_CHECKING:
    from mitmproxy import http

    from analyzers.command import Story, Verdict
    from analyzers.exchange import Exchange
    from analyzers.finding import Finding


class HarRecording:
    """A HAR of everything that was recorded, also of what the story no longer holds. ``add`` takes an exchange."""

    def __init__(self, path: Path) -> None:
        """Raises UserError when it cannot be written there."""
        try:
            self._file = HarFile(path, version("mitmkube"))
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from error
        self._path = path
        self._written = _Written()
        self._missing: set[int] = set()
        self.add = Analysis(self._write)

    def write_live(self, entries: Sequence[str]) -> None:
        """Put ``entries``, of what is still open, behind what has ended, in place of those of the last call."""
        with contextlib.suppress(OSError):  # finish() will say so
            self._file.write_live(entries)

    def finish(self, story: Story) -> None:
        """Give the file its name, findings and notes as the story tells them. Raises UserError; then the file that was
        written beside the traffic is still there, and named."""
        self.add.finish()
        try:
            self._file.finish(har.head(version("mitmkube"), story), self._entries(story))
        except OSError as error:
            raise UserError(
                f"{self._path} could not be written: {error.strerror or error};"
                f" what was recorded is in {self._file.partial}"
            ) from error
        self._missing.difference_update(verdict.exchange.id for verdict in (*story.verdicts, *story.asked))
        if self._missing:
            raise UserError(f"{self._path} lacks {len(self._missing)} requests that could not be written in time")

    def discard(self) -> None:
        """Leave nothing behind."""
        self.add.finish()
        with contextlib.suppress(OSError):
            self._file.discard()

    def _write(self, exchange: Exchange, findings: tuple[Finding, ...], _: http.HTTPFlow) -> None:
        try:
            where = self._file.write(har.entry_text(exchange, findings))
        except OSError:  # it is tried again in the end
            self._missing.add(exchange.id)
        else:
            self._written.add(exchange.id, where, findings)

    def _entries(self, story: Story) -> Iterator[str | range]:
        """In the order of the ids: where an entry stands, or its text where the story says more of it."""
        verdicts = {verdict.exchange.id: verdict for verdict in story.verdicts}
        for number in range(1, max(len(self._written), *verdicts, 0) + 1):
            where, verdict = self._written.where(number), verdicts.get(number)
            if verdict is None or (where and self._written.says_the_same(verdict)):
                if where:
                    yield where
            else:
                yield har.entry_text(verdict.exchange, verdict.findings, verdict.notes)
        for verdict in story.asked:
            yield har.entry_text(verdict.exchange)


class _Written:
    """Where each entry stands, by the exchange's id, and what it says: 24 bytes each, because there may be millions."""

    def __init__(self) -> None:
        self._starts = array("Q", [0])
        self._lengths = array("Q", [0])
        self._findings = array("q", [0])

    def __len__(self) -> int:
        """The highest id."""
        return len(self._starts) - 1

    def add(self, number: int, where: range, findings: tuple[Finding, ...]) -> None:
        for column in (self._starts, self._lengths, self._findings):
            column.extend([0] * (number + 1 - len(column)))
        self._starts[number] = where.start
        self._lengths[number] = len(where)
        self._findings[number] = hash(findings)

    def where(self, number: int) -> range:
        """Empty where it was not written."""
        if number > len(self):
            return range(0)
        return range(self._starts[number], self._starts[number] + self._lengths[number])

    def says_the_same(self, verdict: Verdict) -> bool:
        return not verdict.notes and self._findings[verdict.exchange.id] == hash(verdict.findings)
