"""A bounded share of the fuzzing (``make fuzz``), the same inputs every time, and the fuzzer itself."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from analyzers import classify
from analyzers.facts import Facts
from analyzers.finding import Category, Finding, Rule, Step
from fuzz import fuzzer, mutation, patterns
from fuzz.coverage import Coverage
from fuzz.targets import CODE, ROOT, TARGETS, Target

INPUTS = 1500
# mitmproxy's parser of filters is built when it is imported, with names that pyparsing calls old.
pytestmark = pytest.mark.filterwarnings("ignore:.* deprecated:DeprecationWarning")
READ_HERE = ("analyzers/readers", "analyzers/decode", "analyzers/redact")
HERE = (str(Path(__file__)),)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_target_takes_every_input(target: Target) -> None:
    report = fuzzer.fuzz(target, inputs=INPUTS, with_growth=False)
    assert not report.finds, "\n\n".join(f"{find.data!r}\n{find.told}" for find in report.finds)
    assert report.inputs >= INPUTS


def test_every_reader_and_decoder_is_a_part_of_a_target() -> None:
    found = (path for folder in READ_HERE for path in (ROOT / folder).glob("*.py"))
    modules = {str(path) for path in found if "def " in path.read_text("utf-8")}
    with Coverage(CODE) as coverage:
        for target in TARGETS:
            for data in target.seeds()[:300]:
                target.run(data)
    assert modules - coverage.files == set()


def test_names_of_targets_differ() -> None:
    assert len({target.name for target in TARGETS}) == len(TARGETS)


# The fuzzer itself


def _three_doors(data: bytes) -> None:
    if data[:1] != b"{":
        return
    if data[1:2] != b'"':
        return
    if data[2:3] == b"\\":
        raise LookupError("behind the third door")


def _planted(run: Any, seed: bytes = b"aaaa") -> Target:
    return Target(name="planted", run=run, seeds=lambda: [seed], largest=64)


def test_what_an_input_reaches_leads_to_the_next() -> None:
    report = fuzzer.fuzz(_planted(_three_doors), inputs=20_000, with_growth=False, roots=HERE)
    assert [find.place.partition(" at ")[0] for find in report.finds] == ["LookupError"]


def test_find_is_made_as_small_as_it_gets() -> None:
    def run(data: bytes) -> None:
        if b"\x01" in data:
            raise ValueError

    (find,) = fuzzer.fuzz(_planted(run), inputs=5_000, with_growth=False, roots=HERE).finds
    assert find.data == b"\x01"


def test_same_seed_makes_the_same_inputs() -> None:
    def inputs(seed: int) -> list[bytes]:
        seen: list[bytes] = []
        fuzzer.fuzz(_planted(seen.append), inputs=200, seed=seed, with_growth=False, roots=HERE)
        return seen

    assert inputs(3) == inputs(3)
    assert inputs(3) != inputs(4)


def test_rule_that_fails_is_a_find(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(facts: Facts) -> Finding | None:
        raise KeyError(facts.exchange.id)

    broken = Rule(id="rbac-broken", category=Category.RBAC, step=Step.AUTHORIZATION, check=check)
    monkeypatch.setattr(classify, "rules", lambda: (broken,))
    (target,) = (target for target in TARGETS if target.name == "facts")
    report = fuzzer.fuzz(target, inputs=50, with_growth=False)
    assert any(find.place.startswith("KeyError") for find in report.finds)


def test_input_without_end_is_a_find(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(data: bytes) -> None:
        re.match(r"(?:a|aa|a )*b", "a" * 200)

    monkeypatch.setattr(fuzzer, "LONGEST_SECONDS", 0.05)
    report = fuzzer.fuzz(_planted(run), inputs=1, with_growth=False)
    assert [find.place.partition(" at ")[0] for find in report.finds] == ["TooSlow"]


def test_mutation_keeps_to_the_largest_size() -> None:
    random = Random(0)
    assert all(len(mutation.mutated(b'{"a": [1, 2]}', b"other\nlines", random, 100)) <= 100 for _ in range(5_000))


def test_pattern_that_tries_again_and_again_is_slow() -> None:
    assert patterns.slowest("here", "finditer", re.compile(r"(?:a|ab|b)*c\d"), Random(0)) is not None


def test_pattern_that_looks_once_is_not_slow() -> None:
    assert patterns.slowest("here", "finditer", re.compile(r"x[a-z]\d"), Random(0)) is None


def test_patterns_of_the_product_are_found() -> None:
    places = {place for place, _, _ in patterns.patterns()}
    assert "analyzers.readers.recognise._RECORDING" in places
    assert any(place.startswith("analyzers.readers.server_words._TABLE[") for place in places)
