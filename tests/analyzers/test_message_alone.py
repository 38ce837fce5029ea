"""A message without its request: the same rule recognises it, and no sentence has a hole where the request would be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzers import answer
from analyzers.classify import classify
from analyzers.exchange import Exchange, Request, Response
from analyzers.facts import Facts
from analyzers.output.finding_text import finding_text
from analyzers.readers import wire_text

RULES = Path(__file__).parent / "rules"
# What the message does not tell: which API it was about, that discovery was a 200, that something was to be made.
UNTOLD = {
    "health_aggregated_api-hit",
    "health_aggregated_api-hit_dial",
    "health_aggregated_api-hit_discovery",
    "health_aggregated_api-hit_stale",
    "request_namespace_missing-hit",
    # client-go's words for a 400 without a Status, which an API server does not send as a rule.
    "request_refused-hit_client_words",
    # The one word "Forbidden" may be what any client made of a 403.
    "rbac_path_filter-hit",
}
HOLES = re.compile(r"GET /|: :| , | \.(?:\s|$)|:443|\(\)|''|\bof {2}|\bNone\b|for the path the object|for : ")


def alone(exchange: Exchange) -> Exchange | None:
    """The Status that a reader makes of the pasted message."""
    facts = Facts.of(exchange)
    code = answer.code(facts)
    if code < 400:
        return None
    status = {"kind": "Status", "status": "Failure", "message": facts.text, "code": code}
    if facts.status is not None:
        status |= {"message": facts.status.message, "reason": facts.status.reason}
    request = Request(method="", host="", path="")
    return Exchange(id=1, request=request, response=Response(status=code, body=json.dumps(status).encode()))


def cases() -> Iterator[object]:
    for category in ("rbac", "conflict", "health", "request"):
        for path in sorted(RULES.glob(f"{category}_*/hit*.http")):
            name = f"{path.parent.name}-{path.stem}"
            found = alone(wire_text.read(path.read_text("utf-8"))[0])
            if found is not None and name not in UNTOLD:
                yield pytest.param(path.parent.name.replace("_", "-"), found, id=name)


@pytest.mark.parametrize(("rule", "exchange"), list(cases()))
def test_message_without_its_request_hits_the_same_rule(rule: str, exchange: Exchange) -> None:
    assert [finding.rule for finding in classify(exchange)] == [rule]


@pytest.mark.parametrize(("rule", "exchange"), list(cases()))
def test_message_without_its_request_reads_well(rule: str, exchange: Exchange) -> None:
    (finding,) = classify(exchange)
    assert finding.rule == rule
    assert not HOLES.search(finding.summary), finding.summary
    assert "  " not in finding.summary
    for command in (command for fix in finding.fix for command in fix.commands):
        assert "''" not in command
        assert "  " not in command.strip()
    assert all(evidence.text for evidence in finding.evidence), finding_text(finding)
