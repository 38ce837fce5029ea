"""The line and the mark beside a flow."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from analyzers.classify import classify
from analyzers.exchange import Exchange
from analyzers.facts import Facts
from analyzers.finding import Category
from analyzers.output.comment import comment, mark

type Recorded = Callable[[str], tuple[Exchange, ...]]


def said(exchange: Exchange) -> str:
    return comment(exchange, Facts.of(exchange).request_info, classify(exchange))


def test_refusal_is_its_category_step_and_sentence(exchanges: Recorded) -> None:
    line = said(exchanges("get_pods_forbidden")[-1])
    assert line == "rbac at authorization: jane may not list secrets in namespace prod."


def test_success_is_the_request_in_words(exchanges: Recorded) -> None:
    assert said(exchanges("get_pods")[-1]) == "list pods in stories"
    assert said(exchanges("get_pods")[0]) == "discovery /api"


def test_note_stands_behind_the_request_in_words(exchanges: Recorded) -> None:
    exchange = exchanges("get_pods")[-1]
    line = comment(exchange, Facts.of(exchange).request_info, (), ("not modified",))
    assert line == "list pods in stories (not modified)"


@pytest.mark.parametrize("name", ["create_invalid", "apply_server_side_conflict", "create_pod_security", "anonymous"])
def test_comment_is_one_line(name: str, exchanges: Recorded) -> None:
    for exchange in exchanges(name):
        assert "\n" not in said(exchange)


def test_every_category_has_a_mark_of_its_own() -> None:
    marks = [mark(category) for category in Category]
    assert len(set(marks)) == len(marks)
    assert all(name.startswith(":") and name.endswith(":") for name in marks)


def test_marks_are_names_that_mitmproxy_knows() -> None:
    from mitmproxy.utils import emoji

    assert {mark(category) for category in Category} <= set(emoji.emoji)
