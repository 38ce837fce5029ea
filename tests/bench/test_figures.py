"""A figure is shown beside what is to be reached, and a section as a table."""

from __future__ import annotations

import pytest

from bench.figures import Figure, Section, Target, column, to_reach
from bench.paired import Spread


@pytest.mark.parametrize(
    ("target", "median", "reached"),
    [
        (Target(limit=1.3, at_least=True), 1.3, True),
        (Target(limit=1.3, at_least=True), 1.29, False),
        (Target(limit=20, beyond=10), 20, True),
        (Target(limit=20, beyond=10), 21, False),
    ],
)
def test_target_is_reached_at_its_limit(target: Target, median: float, reached: bool) -> None:
    assert target.reached(median) is reached


def test_target_that_was_missed_is_said_in_one_line() -> None:
    figure = Figure(row="mitmkube", column="added", spread=Spread(24.4, 20, 30), target=Target(limit=20, beyond=10))
    assert to_reach(figure) == "mitmkube, added: 24; to reach: at most 20, beyond that 10: NOT reached"


def test_section_is_a_table_with_a_row_for_each_side() -> None:
    taken = {"direct": Spread(10, 9, 12), "mitmkube": Spread(15, 15, 15)}
    added = Figure(row="mitmkube", column="added", spread=Spread(5, 3, 6), target=Target(limit=20))
    section = Section(title="kubectl get ns: ms", figures=[*column("took", taken, taken.__getitem__), added], note="so")
    assert section.text() == (
        "kubectl get ns: ms\n"
        "             took           added\n"
        "  direct     10 (9 to 12)\n"
        "  mitmkube   15             5 (3 to 6), to reach 20\n"
        "  so"
    )


def test_section_is_written_with_its_rounds_and_verdicts() -> None:
    figure = Figure(row="mitmkube", column="added", spread=Spread(5, 3, 6), target=Target(limit=20))
    document = Section(title="t", figures=[figure], rounds=[{"mitmkube": 5}]).document()
    assert document["rounds"] == [{"mitmkube": 5}]
    assert document["figures"] == [
        {
            "row": "mitmkube",
            "column": "added",
            "median": 5,
            "least": 3,
            "greatest": 6,
            "target": "at most 20",
            "reached": True,
        }
    ]
