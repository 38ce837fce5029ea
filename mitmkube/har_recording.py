"""``run --har``: the HAR while the command runs, written beside the traffic, and what it becomes in the end."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from analyzers.output import har
from analyzers.redact import SEEN
from mitmkube import stderr
from mitmkube.errors import UserError
from proxy_addons.analysis import Analysis
from proxy_addons.har_file import HarFile

if TYPE_CHECKING:
    from mitmproxy import http

    from analyzers.command import Story, Verdict
    from analyzers.exchange import Exchange
    from analyzers.finding import Finding


# A busy proxy writes that many entries at once: a system call for each takes longer than making it.
_AT_ONCE = 200


class HarRecording:
    """A HAR of everything that was recorded, also of what the story no longer holds.

    ``add`` takes what has ended, ``look`` what goes on: that stands behind the rest until it ends.
    """

    def __init__(self, path: Path, *, bodies: bool = False) -> None:
        """``bodies``: not only those of refusals. Raises UserError when it cannot be written there."""
        try:
            self._file = HarFile(path, version("mitmkube"))
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from error
        self._path = path
        self._text = partial(har.entry_text, bodies=bodies)
        self._written = _Written()
        self._missing: set[int] = set()
        self._waiting: list[_Entry] = []
        self._still_open: dict[int, str] = {}
        self._left_out: dict[int, str] = {}
        self._unanalysed: set[int] = set()
        try:
            self.add = Analysis(
                self._take, still_open=(self._take_open,), at_rest=self._write, given_up=self._take_unanalysed
            )
        except BaseException:  # a signal: starting a thread takes its time
            self._file.discard()
            raise
        self.look = self.add.look

    def finish(self, story: Story) -> None:
        """Give the file its name, findings and notes as the story tells them. Raises UserError; then the file that was
        written beside the traffic is still there, and named."""
        self.add.finish()
        try:
            entries = tuple(self._entries(story))
            said = [har.left_out(number, place) for number, place in sorted(self._left_out.items())]
            self._file.finish(har.head(version("mitmkube"), story, "; ".join(said)), entries)
        except OSError as error:
            raise UserError(
                f"{self._path} could not be written: {error.strerror or error};"
                f" what was recorded is in {self._file.partial}"
            ) from error
        for sentence in said:
            stderr.say(sentence)
        self._missing.difference_update(verdict.exchange.id for verdict in (*story.verdicts, *story.asked))
        if self._missing:
            raise UserError(f"{self._path} lacks {len(self._missing)} requests that could not be written in time")

    def discard(self) -> None:
        """Leave nothing behind."""
        self.add.finish()
        with contextlib.suppress(OSError):
            self._file.discard()

    def _take(self, exchange: Exchange, findings: tuple[Finding, ...], _: http.HTTPFlow) -> None:
        text = self._text(exchange, findings)
        seen = SEEN.version
        if place := har.secret_in(text):
            self._left_out[exchange.id] = place
        else:
            self._waiting.append(_Entry(exchange.id, text, hash(findings), seen))
        was_open = self._still_open.pop(exchange.id, None) is not None
        if was_open or len(self._waiting) >= _AT_ONCE:
            self._write()
            if was_open:
                self._write_open()

    def _take_unanalysed(self, exchange: Exchange, _: http.HTTPFlow, why: str) -> None:
        """Without what its analysis may have failed at."""
        self._unanalysed.add(exchange.id)
        self._still_open.pop(exchange.id, None)
        text = har.entry_text(exchange.without_bodies(), notes=(f"not analysed: {why}",))
        self._waiting.append(_Entry(exchange.id, text, hash(()), 0))

    def _take_open(self, exchange: Exchange, findings: tuple[Finding, ...], _: http.HTTPFlow) -> None:
        # Without the beginning that was kept: hiding what is secret in it takes long, each time.
        if exchange.response is not None and exchange.response.body:
            exchange = replace(exchange, response=exchange.response.without_body())
        text = self._text(exchange, findings)
        if not har.secret_in(text):
            self._still_open[exchange.id] = text
            self._write_open()

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            places = self._file.write([one.text for one in waiting])
        except OSError:  # it is tried again in the end
            self._missing.update(one.number for one in waiting)
            return
        for one, where in zip(waiting, places, strict=True):
            self._written.add(one, where)

    def _write_open(self) -> None:
        with contextlib.suppress(OSError):  # finish() will say so
            self._file.write_live(tuple(self._still_open.values()))

    def _entries(self, story: Story) -> Iterator[str | range]:
        """In the order of the ids: where an entry stands, or its text where the story says more of it."""
        verdicts = {verdict.exchange.id: verdict for verdict in story.verdicts}
        for number in range(1, max(len(self._written), *verdicts, 0) + 1):
            where, verdict = self._written.where(number), verdicts.get(number)
            settled = number in self._unanalysed or (verdict is not None and self._written.says_the_same(verdict))
            if verdict is None or (where and settled):
                if where and self._is_clean(number, where):
                    yield where
            else:
                yield from self._clean(verdict)
        for verdict in story.asked:
            yield from self._clean(verdict)

    def _is_clean(self, number: int, where: range) -> bool:
        """Whether no secret stands in it that was seen since it was written."""
        if self._written.seen(number) == SEEN.version:
            return True
        if place := har.secret_in(self._file.read(where).decode("utf-8", "replace")):
            self._left_out[number] = place
        return not place

    def _clean(self, verdict: Verdict) -> Iterator[str]:
        number = verdict.exchange.id
        text = self._text(verdict.exchange, verdict.findings, verdict.notes)
        self._left_out.pop(number, None)
        if place := har.secret_in(text):
            self._left_out[number] = place
        else:
            yield text


@dataclass(frozen=True, slots=True)
class _Entry:
    """``findings`` is a hash, ``seen`` the version of the secrets that were looked for."""

    number: int
    text: str
    findings: int
    seen: int


class _Written:
    """Where each entry stands, by the exchange's id, and what it says: 32 bytes each, because there may be millions."""

    def __init__(self) -> None:
        self._starts = array("Q", [0])
        self._lengths = array("Q", [0])
        self._findings = array("q", [0])
        self._seen = array("Q", [0])

    def __len__(self) -> int:
        """The highest id."""
        return len(self._starts) - 1

    def add(self, entry: _Entry, where: range) -> None:
        number = entry.number
        for column in (self._starts, self._lengths, self._findings, self._seen):
            column.extend([0] * (number + 1 - len(column)))
        self._starts[number] = where.start
        self._lengths[number] = len(where)
        self._findings[number] = entry.findings
        self._seen[number] = entry.seen

    def seen(self, number: int) -> int:
        return self._seen[number]

    def where(self, number: int) -> range:
        """Empty where it was not written."""
        if number > len(self):
            return range(0)
        return range(self._starts[number], self._starts[number] + self._lengths[number])

    def says_the_same(self, verdict: Verdict) -> bool:
        number = verdict.exchange.id
        return number <= len(self) and not verdict.notes and self._findings[number] == hash(verdict.findings)
