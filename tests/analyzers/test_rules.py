"""Every rule against recordings of what it is about (hit*.http) and of what is nearly that (miss*.http).

The golden file beside each is exactly what a user sees. After a change of words, or with a new recording:
``MITMKUBE_GOLDENS=write pytest tests/analyzers/test_rules.py``, then read the difference.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from analyzers import rules as catalogue
from analyzers.classify import classify, rules
from analyzers.exchange import Exchange
from analyzers.finding import Category, Finding, Rule
from analyzers.output import rules_page
from analyzers.output.finding_text import finding_text
from analyzers.readers import wire_text

FIXTURES = Path(__file__).parent / "rules"
DOCS = Path(__file__).parents[2] / "docs"
WRITE = os.environ.get("MITMKUBE_GOLDENS") == "write"
RECORDINGS = sorted(FIXTURES.glob("*/*.http"))
RULES = {rule.id: rule for rule in rules()}
NOTHING = "nothing to report\n"


def identity(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def findings_of(path: Path) -> list[tuple[Exchange, tuple[Finding, ...]]]:
    return [(one, classify(one)) for one in wire_text.read(path.read_text("utf-8"))]


@pytest.mark.parametrize("path", RECORDINGS, ids=identity)
def test_recording_reads_as_its_golden_says(path: Path) -> None:
    found = findings_of(path)
    texts = [finding_text(finding, one.id) for one, findings in found for finding in findings]
    shown = "\n\n".join(text.rstrip("\n") for text in texts) + "\n" if texts else NOTHING
    golden = path.with_suffix(".txt")
    if WRITE:
        golden.write_text(shown, "utf-8")
    assert shown == golden.read_text("utf-8")


@pytest.mark.parametrize("path", RECORDINGS, ids=identity)
def test_recording_hits_the_rule_of_its_folder_or_misses_it(path: Path) -> None:
    expected = path.parent.name.replace("_", "-")
    found = [[finding.rule for finding in findings] for _, findings in findings_of(path)]
    if path.stem.startswith("hit"):
        assert found
        assert all(ids == [expected] for ids in found)
    else:
        assert path.stem.startswith("miss")
        assert all(expected not in ids for ids in found)
        assert all(len(ids) <= 1 for ids in found)


@pytest.mark.parametrize("path", RECORDINGS, ids=identity)
def test_recording_holds_no_credential(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"^[<>] (?:authorization|cookie|set-cookie|proxy-authorization):", text, re.I | re.M)
    assert "PRIVATE KEY" not in text
    assert not re.search(r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}", text)


def test_no_golden_is_left_without_its_recording() -> None:
    goldens = {path.with_suffix("") for path in FIXTURES.glob("*/*.txt")}
    assert goldens == {path.with_suffix("") for path in RECORDINGS}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_rule_has_its_shape(rule: Rule) -> None:
    name = rule.id.replace("-", "_")
    module = __import__(f"{catalogue.__name__}.{name}", fromlist=["RULE"])
    assert rule.id.split("-")[0] == rule.category
    assert rule.category in Category
    page = rules_page.page(rule.id)
    assert page.title.endswith(".")
    assert [part for part, _ in page.parts] == ["What you see", "Why it happens", "What to do", "References"]
    assert all(text.strip() for _, text in page.parts)
    assert rule.check is module.check


@pytest.mark.parametrize("rule", RULES)
def test_rule_has_a_hit_and_a_near_miss(rule: str) -> None:
    folder = FIXTURES / rule.replace("-", "_")
    assert list(folder.glob("hit*.http"))
    assert list(folder.glob("miss*.http"))


def test_every_module_of_the_catalogue_is_a_rule() -> None:
    files = {
        path.stem.replace("_", "-") for path in Path(catalogue.__path__[0]).glob("*.py") if path.stem != "__init__"
    }
    assert set(RULES) == files


def test_every_folder_of_recordings_is_a_rules() -> None:
    assert {path.name.replace("_", "-") for path in FIXTURES.iterdir() if path.is_dir()} <= set(RULES)


def test_page_of_rules_is_current() -> None:
    shown = rules_page.render()
    if WRITE:
        (DOCS / "rules.md").write_text(shown, "utf-8")
    assert shown == (DOCS / "rules.md").read_text("utf-8")
