from __future__ import annotations

import pytest

from analyzers.canonical import same_value


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("1000m", "1"),
        (1, "1"),
        (0.5, "500m"),
        ("1024Mi", "1Gi"),
        ("1e3", "1k"),
        ("1.5Gi", "1536Mi"),
        (".5", "500m"),
        ("60m", "1h0m0s"),
        ("1.5h", "1h30m0s"),
        ("-60s", "-1m0s"),
        ("2026-01-01T00:00:00.123Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z"),
        (1.0, 1),
        ("a", "a"),
    ],
)
def test_two_forms_of_one_value_are_the_same(sent: object, stored: object) -> None:
    assert same_value(sent, stored)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("1000m", "2"),
        ("1G", "1Gi"),
        ("a", "b"),
        ("", "0"),
        (None, 0),
        (True, 1),
        (True, "1"),
        (0, False),
        ("1e99999999", "1e99999998"),
        ("60m", "60"),
        ("1h", "1"),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:01"),
        ("v1", "1"),
        ([], "1"),
    ],
)
def test_two_values_are_not_the_same(sent: object, stored: object) -> None:
    assert not same_value(sent, stored)
