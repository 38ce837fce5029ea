"""Details are made from what strangers answered: whatever that is, they do not fail."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers import story_details
from analyzers.command import CommandInfo, Story, Verdict
from analyzers.exchange import Exchange
from analyzers.readers import wire_text
from analyzers.story_details import Seen

STORIES = Path(__file__).parents[1] / "stories"
CONFLICTS = (
    "apply_conflict_asked", "create_exists_asked", "delete_made_again", "replace_conflict_asked", "update_overtaken",
    "watch_expired_for_good",
)  # fmt: skip
RECORDED = {name: wire_text.read((STORIES / f"{name}.http").read_text()) for name in CONFLICTS}
WORDS = (
    "metadata", "managedFields", "fieldsV1", "f:spec", 'k:{"name":"a"}', "resourceVersion", "uid", "name", "spec",
    "kind", "items", "object", "status", "conditions", "creationTimestamp", "manager", "time", "operation", "ports",
)  # fmt: skip
VALUES = ("web", "settings", "stories", "Table", "2026-11-22T19:48:57Z", "586", "Update", "v1")
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner, max_size=6),
    max_leaves=30,
)


def with_bodies(exchange: Exchange, sent: bytes, received: bytes) -> Exchange:
    """The exchange with another body each way, but for a refusal: that is what makes the finding."""
    response = exchange.response
    if response is not None and response.status < 300 and response.error_event is None:
        response = replace(response, body=received)
    return replace(exchange, request=replace(exchange.request, body=sent), response=response)


def tell(verdicts: tuple[Verdict, ...], asked: tuple[Verdict, ...]) -> None:
    seen = Seen(info=CommandInfo(argv=("operator",)), verdicts=verdicts, asked=asked)
    for verdict in verdicts:
        for finding in verdict.findings:
            for detail in story_details.details_of(finding.category):
                assert detail(finding, verdict, seen).rule == finding.rule


@pytest.mark.parametrize("name", CONFLICTS)
@given(sent=documents, received=documents)
@settings(max_examples=25, deadline=None)
def test_any_document_is_survived(name: str, sent: object, received: object) -> None:
    bodies = [json.dumps(one).encode() for one in (sent, received)]
    told = Story.of([with_bodies(one, *bodies) for one in RECORDED[name]], CommandInfo(exit_status=1))
    tell(told.verdicts, told.asked)


@pytest.mark.parametrize("name", CONFLICTS)
def test_any_document_cut_anywhere_is_survived(name: str) -> None:
    for cut in range(0, 1500, 7):
        exchanges = [
            with_bodies(one, (one.request.body or b"")[:cut], ((one.response and one.response.body) or b"")[:cut])
            for one in RECORDED[name]
        ]
        told = Story.of(exchanges, CommandInfo(exit_status=1))
        tell(told.verdicts, told.asked)
