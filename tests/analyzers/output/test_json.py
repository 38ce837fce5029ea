"""The JSON report: what docs/json.md promises, no more and no less, and nothing that grants access."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange, Failure, Request
from analyzers.output.json import SCHEMA, document, render

type Told = Callable[[str], Story]

DOCS = Path(__file__).parents[3] / "docs" / "json.md"


def documented(section: str) -> set[str]:
    """The field names in the first column of a section's table."""
    text = re.split(r"\n##? ", DOCS.read_text().partition(f"\n## {section}\n")[2])[0]
    rows = re.findall(r"^\| (`[^|]+`) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}


@pytest.mark.parametrize("name", ["get_pods", "get_pods_forbidden", "apply_creates", "exec_forbidden", "anonymous"])
def test_every_field_is_documented_and_every_documented_field_is_there(name: str, story: Told) -> None:
    told = document(story(name))
    assert set(told) == documented("The document")
    assert set(told["command"]) == documented("command")
    for section in ("requests", "findings", "notes", "steps"):
        for entry in told[section]:
            assert set(entry) == documented(section)


def test_schema_is_the_documented_one() -> None:
    assert f"`{SCHEMA}`" in DOCS.read_text()


def test_request_info_and_credential_have_the_documented_fields(story: Told) -> None:
    told = document(story("get_pods"))["requests"][-1]
    line = next(line for line in DOCS.read_text().splitlines() if line.startswith("| `request_info`"))
    assert set(told["request_info"]) == set(re.findall(r"`([a-z_]+)`", line)) - {"request_info"}
    assert set(told["identity"]) == {"claimed", "known_as", "credential"}


def test_deciding_finding_comes_first_and_cause_names_it(story: Told) -> None:
    told = document(story("exec_forbidden"))
    assert told["cause"] == {"request": 5, "rule": told["findings"][0]["rule"]}
    assert told["findings"][0]["request"] == 5


def test_look_alike_is_a_note_and_no_finding(story: Told) -> None:
    told = document(story("apply_creates"))
    assert told["findings"] == []
    assert told["cause"] is None
    assert [note["request"] for note in told["notes"]] == [5]
    assert told["requests"][4]["cured_by"] == 7
    assert told["requests"][4]["raised"] is False


def test_finding_has_evidence_with_its_place_and_a_fix_with_its_doer(story: Told) -> None:
    finding = document(story("get_pods_forbidden"))["findings"][0]
    assert finding["category"] == "rbac"
    assert finding["step"] == "authorization"
    assert all(evidence["text"] and evidence["where"] for evidence in finding["evidence"])
    assert all(fix["text"] and fix["by"] for fix in finding["fix"])


def test_refused_connection_has_a_failure_and_no_status() -> None:
    refused = Exchange(
        id=1,
        request=Request(method="CONNECT", host="127.0.0.1", port=1, path="127.0.0.1:1"),
        failure=Failure(phase="dial", message="dial tcp 127.0.0.1:1: connect: connection refused"),
    )
    request = document(Story.of([refused], CommandInfo(exit_status=1)))["requests"][0]
    assert request["status"] is None
    assert request["failure"]["phase"] == "dial"
    assert request["url"] == "127.0.0.1:1"
    assert request["request_info"] is None


def test_steps_are_all_sixteen_lines(story: Told) -> None:
    steps: list[dict[str, Any]] = document(story("get_pods"))["steps"]
    assert [step["number"] for step in steps] == [1, 2, 3, 4, 5, 6, None, 7, 8, 9, 10, 11, 12, 13, 14, 15]


def test_rendered_document_reads_back_and_holds_no_secret(story: Told) -> None:
    rendered = render(story("get_secret"))
    assert json.loads(rendered)["schema"] == SCHEMA
    assert rendered.endswith("}\n")
    assert "canary" not in rendered
    assert "Y2FuYXJ5" not in rendered
