"""What is shown: figures with their spread and what is to be reached, one table for each work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.paired import Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a median is to reach: at least or at most ``limit``, and ``beyond`` where that is only the beginning."""

    limit: float
    beyond: float | None = None
    at_least: bool = False

    def reached(self, median: float) -> bool:
        """Whether ``limit`` is."""
        return median >= self.limit if self.at_least else median <= self.limit

    def text(self) -> str:
        """``at least 1.3, beyond that 1.6``."""
        beyond = "" if self.beyond is None else f", beyond that {self.beyond:g}"
        return f"at {'least' if self.at_least else 'most'} {self.limit:g}{beyond}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of one side, or one compared with another side's."""

    row: str
    column: str
    spread: Spread
    digits: int = 0
    target: Target | None = None

    def text(self) -> str:
        """``0.97 (0.93 to 1.02), to reach 1.3``."""
        return self.spread.text(self.digits) + (f", to reach {self.target.limit:g}" if self.target else "")

    def document(self) -> dict[str, object]:
        """As JSON has it."""
        reached = {}
        if self.target:
            reached = {"target": self.target.text(), "reached": self.target.reached(self.spread.median)}
        bounds = {"median": self.spread.median, "least": self.spread.least, "greatest": self.spread.greatest}
        return {"row": self.row, "column": self.column, **bounds, **reached}


def column(
    title: str,
    rows: Iterable[str],
    of: Callable[[str], Spread],
    *,
    digits: int = 0,
    targets: Mapping[str, Target] | None = None,
) -> Iterator[Figure]:
    """The same number of several sides; ``targets`` by side."""
    for row in rows:
        yield Figure(row=row, column=title, spread=of(row), digits=digits, target=(targets or {}).get(row))


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One work. ``note`` says what the table does not, ``rounds`` is what was measured, for JSON."""

    title: str
    figures: Sequence[Figure]
    note: str = ""
    rounds: object = field(default=None, repr=False)

    def document(self) -> dict[str, object]:
        """As JSON has it."""
        figures = [figure.document() for figure in self.figures]
        return {"title": self.title, "note": self.note, "figures": figures, "rounds": self.rounds}

    def text(self) -> str:
        """The table, with what is to be reached beside what was."""
        columns = list(dict.fromkeys(figure.column for figure in self.figures))
        rows = list(dict.fromkeys(figure.row for figure in self.figures))
        cells = {(figure.row, figure.column): figure.text() for figure in self.figures}
        table = [["", *columns], *([row, *(cells.get((row, column), "") for column in columns)] for row in rows)]
        widths = [max(len(line[place]) for line in table) for place in range(len(columns) + 1)]
        lines = [
            "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
        ]
        note = [self.note] if self.note else []
        return "\n".join([self.title, *(f"  {line}" for line in (*lines, *note))])


def to_reach(figure: Figure) -> str:
    """One line: the figure, what it came to, and what was to be reached."""
    assert figure.target is not None
    verdict = "reached" if figure.target.reached(figure.spread.median) else "NOT reached"
    came_to = f"{figure.spread.median:.{figure.digits}f}"
    return f"{figure.row}, {figure.column}: {came_to}; to reach: {figure.target.text()}: {verdict}"
