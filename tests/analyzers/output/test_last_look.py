"""What hiding has overlooked is left out at the last look, whole and in so many words."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange, Headers, Request, Response
from analyzers.output import json as json_output
from analyzers.output import text
from analyzers.redact import SEEN, guard, split_secret_fields

# Words without a sign that anything could hide them by.
SECRET = "sesame opens every door of the house"


def story(message: str, name: str = "web") -> Story:
    refusal = {"kind": "Status", "status": "Failure", "message": message, "reason": "Forbidden", "code": 403}
    exchange = Exchange(
        id=1,
        request=Request(method="GET", host="h", path=f"/api/v1/namespaces/dev/pods/{name}"),
        response=Response(
            status=403,
            headers=Headers([("Content-Type", "application/json"), ("Audit-Id", "1")]),
            body=json.dumps(refusal).encode(),
        ),
    )
    return Story.of((exchange,), CommandInfo(argv=("kubectl", "get", "pods"), exit_status=1))


@pytest.fixture
def known() -> None:
    split_secret_fields([("X-Api-Key", SECRET)])


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("width", [60, 80, 400])
def test_line_of_a_report_in_which_a_secret_stands_is_left_out_however_it_is_wrapped(width: int) -> None:
    said = text.render(story(f"no: {SECRET}"), width=width)
    assert guard.LEFT_OUT in said
    assert SECRET not in " ".join(said.split())
    coloured = text.render(story(f"no: {SECRET}"), width=width, color=True)
    assert SECRET not in " ".join(re.sub(r"\x1b\[[0-9;]*m", "", coloured).split())


@pytest.mark.usefixtures("known")
def test_string_of_the_json_in_which_a_secret_stands_is_left_out() -> None:
    document = json_output.document(story(f"no: {SECRET}"))
    assert SECRET not in json.dumps(document)
    assert guard.LEFT_OUT in json.dumps(document)
    assert document["requests"][0]["status"] == 403


def test_nothing_is_left_out_where_no_secret_was_seen() -> None:
    assert guard.LEFT_OUT not in text.render(story(f"no: {SECRET}"))
    assert SECRET in json.dumps(json_output.document(story(f"no: {SECRET}")))


def test_name_of_what_was_asked_for_is_no_secret() -> None:
    split_secret_fields([("X-Api-Key", "payments-prod")])
    told = story('pods "payments-prod" is forbidden', name="payments-prod")
    assert guard.LEFT_OUT not in text.render(told)
    assert "payments-prod" in text.render(told)
    assert "payments-prod" in json.dumps(json_output.document(told))


def test_context_and_cluster_are_no_secrets() -> None:
    split_secret_fields([("X-Api-Key", "staging-eu-1")])
    told = story("no")
    told = replace(told, info=replace(told.info, context="staging-eu-1", cluster="staging-eu-1"))
    assert "staging-eu-1" in text.render(told)


def test_place_of_a_secret_is_named() -> None:
    split_secret_fields([("X-Api-Key", SECRET)])
    assert SEEN.place_in({"a": [1, {"b": f"x {SECRET}"}]}) == "a.1.b"
    assert SEEN.place_in({"a": {SECRET: 1}}) == "a.the name of a field"
    assert SEEN.place_in({"a": "x"}) == ""
