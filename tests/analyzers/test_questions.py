"""What would complete a story: which GETs, and when none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analyzers.command import CommandInfo, Story
from analyzers.questions import questions
from analyzers.readers import wire_text

type Told = Callable[[str], Story]
RULES = Path(__file__).parent / "rules"


def recorded(rule: str, name: str) -> Story:
    return Story.of(wire_text.read((RULES / rule / f"{name}.http").read_text()), CommandInfo(exit_status=1))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("replace_conflict", "/api/v1/namespaces/stories/configmaps/settings"),
        ("apply_server_side_conflict", "/api/v1/namespaces/stories/configmaps/settings"),
        ("create_exists", "/api/v1/namespaces/stories"),
    ],
)
def test_object_of_a_conflict_is_asked_for_without_the_query(story: Told, name: str, path: str) -> None:
    assert questions(story(name)) == (path,)


@pytest.mark.parametrize("name", ["get_pods", "get_pods_forbidden", "anonymous", "unknown_type", "create_invalid"])
def test_nothing_is_asked_where_no_answer_would_add_to_it(story: Told, name: str) -> None:
    assert questions(story(name)) == ()


def test_object_that_the_command_itself_read_afterwards_is_not_asked_for(story: Told) -> None:
    assert questions(story("update_overtaken")) == ()


def test_content_of_a_secret_is_never_asked_for(story: Told) -> None:
    told = story("replace_conflict")
    about_secret = [
        replace(
            one.exchange,
            request=replace(one.exchange.request, path=one.exchange.request.path.replace("configmaps", "secrets")),
        )
        for one in told.verdicts
    ]
    assert questions(Story.of(about_secret, told.info)) == ()


def test_path_prefix_of_the_server_stays(story: Told) -> None:
    told = story("replace_conflict")
    prefixed = [
        replace(
            one.exchange,
            path_prefix="/k8s",
            request=replace(one.exchange.request, path=f"/k8s{one.exchange.request.path}"),
        )
        for one in told.verdicts
    ]
    assert questions(Story.of(prefixed, told.info)) == ("/k8s/api/v1/namespaces/stories/configmaps/settings",)


def test_namespace_that_goes_is_asked_for() -> None:
    assert questions(recorded("conflict_namespace_terminating", "hit"))[0].startswith("/api/v1/namespaces/")


def test_names_behind_a_429_are_asked_for_in_one_request() -> None:
    throttled = recorded("health_throttled", "hit")
    assert throttled.cause is not None
    assert throttled.cause.facts.flow_control is not None
    assert questions(throttled) == ("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas",)


def test_quotas_of_the_namespace_are_asked_for() -> None:
    told = recorded("request_quota", "hit_exceeded")
    assert told.cause is not None
    assert told.cause.facts.request_info is not None
    namespace = told.cause.facts.request_info.namespace
    assert questions(told) == (f"/api/v1/namespaces/{namespace}/resourcequotas",)
