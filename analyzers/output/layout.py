"""Lines of a report as styled spans, and the two ways to print them: with colour and marks, or in plain words.

The lines are laid out here and not by rich, so that both ways break at the same places and a command is never broken:
what is to be pasted stays one line, however long.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence

type Span = tuple[str, str]
type Line = tuple[Span, ...]

# What a control character of another's message could do to a terminal: nothing here may.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2060\u2066-\u2069]")
# A word joiner cannot come in from outside: it stands before what continues a word without a space.
_GLUE = "\u2060"
_BREAKS = re.compile(r"(?<=[/?,])|(?=&)")
# Plain output goes to files and pipes of any encoding: what mitmkube itself writes stays ASCII there.
_PLAIN = str.maketrans({"→": "->", "×": "x", "…": "...", "─": "-"})


def line(*spans: Span | str) -> Line:
    """A line of spans; a bare string is a span without style."""
    return tuple((span, "") if isinstance(span, str) else span for span in spans)


def hanging(label: str, text: str, *, width: int, indent: int, style: str = "", label_style: str = "dim") -> list[Line]:
    """``label`` in a column of ``indent`` characters, ``text`` beside it, wrapped at words within ``width``."""
    found = wrapped(text, max(width - indent, 20))
    lines = [line((label.ljust(indent), label_style), (found[0], style))]
    return lines + [line(" " * indent, (rest, style)) for rest in found[1:]]


def wrapped(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width``, broken at spaces, and inside a URL that is longer. Never empty."""
    lines: list[str] = []
    current = ""
    for word in _words(text, width):
        space = 0 if word.startswith(_GLUE) else 1
        piece = word.removeprefix(_GLUE)
        if current and len(current) + space + len(piece) > width:
            lines.append(current)
            current = piece
        else:
            current = f"{current}{' ' * space}{piece}" if current else piece
    return [*lines, current]


def _words(text: str, width: int) -> Iterator[str]:
    """The words; of one that is longer than a line its parts, glued by a mark, where its own punctuation allows."""
    for word in harmless(text).split():
        if len(word) <= width:
            yield word
            continue
        first, *rest = _BREAKS.split(word)
        yield first
        yield from (f"{_GLUE}{part}" for part in rest if part)


def harmless(text: str) -> str:
    """``text`` without control characters and direction overrides."""
    return _CONTROL.sub("�", text)


def plain(lines: Iterable[Line]) -> str:
    """The lines without styles, ended by a newline each; "" for no lines."""
    return "".join("".join(text for text, _ in spans).translate(_PLAIN).rstrip() + "\n" for spans in lines)


def coloured(lines: Sequence[Line], *, colour: bool = True) -> str:
    """The lines with their styles as terminal codes. Without ``colour`` bold and dim stay, as NO_COLOR asks."""
    # Loaded here because most runs print to no terminal, and rich takes a tenth of a second.
    from rich.console import Console
    from rich.text import Text

    console = Console(
        file=io.StringIO(),
        force_terminal=True,
        color_system="standard",
        no_color=not colour,
        width=10_000,
        legacy_windows=False,
    )
    with console.capture() as capture:
        for spans in lines:
            text = Text(end="\n")
            for content, style in spans:
                text.append(content, style=style or None)
            text.rstrip()
            console.print(text, soft_wrap=True, highlight=False, markup=False)
    return capture.get()
