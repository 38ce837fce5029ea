"""``mitmkube redact FILE.har``: the archive of any tool without what grants access, to be shown to somebody else."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from analyzers.readers.json_text import Broken, JsonText
from analyzers.readers.source import Source
from analyzers.redact import SEEN, archive
from mitmkube import output_files, reading, stderr, stdout
from mitmkube.errors import BAD_INPUT, UserError

_SEPARATOR = ",\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactOptions:
    """What was asked for on the command line; ``output`` is None for stdout."""

    file: str
    output: Path | None


def redact(options: RedactOptions) -> int:
    """Write the cleaned archive. Returns the exit status: 2 when the file is broken, and then what stands before that
    has been written. Raises UserError."""
    output = options.output and output_files.check_writable(options.output)
    with reading.opened(options.file) as source, tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
        archive_ = _Archive(options.file, spool)
        archive_.read(source)
        if output is None:
            with stdout.writing(encoding="utf-8") as out:
                for part in archive_.text():
                    out.write(part)
        else:
            output_files.write(output, "".join(archive_.text()))
    for said in archive_.said:
        stderr.say(said)
    return BAD_INPUT if archive_.broken else 0


class _Archive:
    """One archive: its entries, cleaned, in ``spool``, a line each, until all secrets are known that it holds."""

    def __init__(self, name: str, spool: TextIO) -> None:
        self._name = name
        self._spool = spool
        self._fields: dict[str, Any] = {}
        self._found = False
        self._count = 0
        self.said: list[str] = []
        self.broken = False

    def read(self, source: Source) -> None:
        """Raises UserError where there is no archive in the file."""
        file = JsonText(source)
        try:
            for key in file.members():
                if key == "log" and file.next() == "{":
                    self._read_log(file)
                else:
                    file.value()
        except Broken as broken:
            self.broken = True
            what = "ends in the middle of" if broken.cut else "is broken in"
            self.said.append(f"{self._name} {what} line {broken.line}: what stands before that was written")
        if not self._found:
            raise UserError(f"{self._name} is no HTTP archive (HAR); mitmkube redact cleans nothing else")

    def text(self) -> Iterator[str]:
        """The cleaned archive. An entry in which a secret stands all the same is left out, and said."""
        left_out = []
        kept = 0
        head = _checked(self._fields)
        comment = head.get("comment") or "cleaned by mitmkube redact"
        yield '{"log": {' + "".join(
            f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}, "
            for key, value in {"version": "1.2", **head, "comment": comment}.items()
        )
        yield '"entries": [\n'
        self._spool.seek(0)
        for number, line in enumerate(self._spool, 1):
            if line == "\n":
                continue
            if SEEN.stands_in(line):
                left_out.append(f"entry {number} is left out: a secret stands in {SEEN.place_in(json.loads(line))}")
                continue
            yield (_SEPARATOR if kept else "") + line.rstrip("\n")
            kept += 1
        yield "\n]}}\n"
        self.said += left_out

    def _read_log(self, file: JsonText) -> None:
        for key in file.members():
            if key != "entries" or file.next() != "[":
                self._fields[key] = archive.field(key, file.value())
                continue
            self._found = True
            for _ in file.elements():
                self._take(file.value())

    def _take(self, entry: Any) -> None:
        self._count += 1
        try:
            cleaned = archive.entry(entry) if isinstance(entry, dict) else None
            text = json.dumps(cleaned, ensure_ascii=False) if cleaned is not None else ""
        except RecursionError:
            text = ""
        if not text:
            self.said.append(f"entry {self._count} is left out: it is none")
        self._spool.write(text.encode("utf-8", "replace").decode() + "\n")


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if not SEEN.stands_in(json.dumps({key: value}))}
