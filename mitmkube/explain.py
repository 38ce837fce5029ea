"""``mitmkube explain FILE…``: what went wrong in what people have in hand, without a cluster and without a proxy."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from analyzers.explain import Item, explain
from analyzers.output import explained
from mitmkube import reading, stderr, stdout
from mitmkube.errors import BAD_INPUT, UserError

# A file smaller than this is read before a bar could be looked at.
WORTH_A_BAR = 16 << 20
LARGEST_WIDTH = 100


def explain_files(names: Sequence[str], environ: Mapping[str, str], *, as_json: bool = False) -> int:
    """Explain every file in turn, on stdout. Returns the exit status.

    A file that cannot be read is one line on stderr and status 2 in the end; the others are explained all the same.
    """
    names = names or (reading.STDIN,)
    if names.count(reading.STDIN) > 1:
        raise UserError("stdin can be read once; name - only once")
    if reading.STDIN in names and sys.stdin is not None and sys.stdin.isatty():
        stderr.say("paste what went wrong, then press Ctrl-D")
    with stdout.writing(encoding="utf-8" if as_json else None) as out:
        if (_as_json if as_json else _as_text)(_items(names), out, environ):
            return BAD_INPUT
    return 0


type Explained = Iterator[tuple[str, Item | UserError]]


def _as_json(items: Explained, out: TextIO, _: Mapping[str, str]) -> bool:
    out.write(explained.HEAD)
    first, failed = True, False
    for name, item in items:
        if isinstance(item, UserError):
            failed = _said(item)
            continue
        out.write(("" if first else ",") + explained.item_json(item, name))
        first = False
    out.write(explained.TAIL)
    return failed


def _as_text(items: Explained, out: TextIO, environ: Mapping[str, str]) -> bool:
    terminal = out.isatty()
    color = terminal and not environ.get("NO_COLOR")
    width = min(shutil.get_terminal_size().columns, LARGEST_WIDTH) if terminal else 80
    failed = False
    for name, item in items:
        if isinstance(item, UserError):
            failed = _said(item)
            continue
        out.write(explained.item_text(item, name, width=max(width, 60), marks=terminal, color=color))
    return failed


def _said(error: UserError) -> bool:
    stderr.say(str(error))
    return True


def _items(names: Sequence[str]) -> Explained:
    for name in names:
        try:
            with _progress(name) as progress, reading.opened(name, progress) as source:
                for item in explain(reading.passages(source)):
                    yield name, item
        except UserError as error:
            yield name, error


@contextlib.contextmanager
def _progress(name: str) -> Iterator[Callable[[int], object] | None]:
    """A bar on a terminal for a file that takes a while."""
    size = _size(name)
    if size < WORTH_A_BAR or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(Path(name).name, total=size)
        yield lambda count: bar.advance(task, count)


def _size(name: str) -> int:
    """In bytes; 0 for what is no file, or cannot be looked at."""
    try:
        return Path(name).stat().st_size if name != reading.STDIN and Path(name).is_file() else 0
    except OSError:
        return 0
