from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable, Iterator

import pytest

import analyzers.classify as subject
import analyzers.rules
from analyzers.classify import classify, rules, worth_classifying
from analyzers.exchange import Exchange, Failure, Headers, Request, Response
from analyzers.facts import Facts
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

MODULES = sorted(module.name for module in pkgutil.iter_modules(analyzers.rules.__path__))


def answered(status: int, content_type: str = "application/json", body: bytes = b"{}") -> Exchange:
    response = Response(status=status, headers=Headers([("Content-Type", content_type)]), body=body)
    return Exchange(id=1, request=Request(method="GET", path="/api/v1/pods"), response=response)


def rule(id: str, step: Step, check: Callable[[Facts], Finding | None] | None = None) -> Rule:
    def found(facts: Facts) -> Finding:
        return Finding(
            rule=id,
            category=Category.REQUEST,
            hop=Hop.API_SERVER,
            step=step,
            summary="It was refused.",
            evidence=(Evidence("x", "y"),),
            fix=(Fix("do"),),
        )

    return Rule(id=id, category=Category.REQUEST, step=step, check=check or found)


def fails(facts: Facts) -> Finding | None:
    raise KeyError("broken rule")


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Replaces the catalogue by the given rules."""

    def replace(*given: Rule) -> None:
        monkeypatch.setattr(subject, "rules", lambda: given)

    monkeypatch.setattr(subject, "_reported", set())
    yield replace
    rules.cache_clear()


def test_every_module_of_the_folder_is_a_rule() -> None:
    assert MODULES
    for module in MODULES:
        loaded = importlib.import_module(f"analyzers.rules.{module}").RULE
        assert loaded.id == module.replace("_", "-")
    assert sorted(found.id for found in rules()) == [module.replace("_", "-") for module in MODULES]


def test_rules_are_sorted_by_step_then_by_id() -> None:
    order = list(Step)
    keys = [(order.index(found.step), found.id) for found in rules()]
    assert keys == sorted(keys)


def test_findings_come_in_the_order_of_the_rules(only: Callable[..., None]) -> None:
    only(rule("a", Step.AUTHORIZATION), rule("b", Step.STORAGE))
    assert [finding.rule for finding in classify(answered(403))] == ["a", "b"]


def test_rule_that_raises_is_survived_and_logged_once(
    only: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    only(rule("request-broken", Step.REQUEST, fails), rule("b", Step.STORAGE))
    with caplog.at_level(logging.ERROR, "mitmkube"):
        assert [finding.rule for finding in classify(answered(403))] == ["b"]
        classify(answered(403))
    assert [record.getMessage() for record in caplog.records] == ["rule request-broken failed"]


def test_module_that_cannot_be_loaded_is_survived_and_logged(
    only: Callable[..., None], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = importlib.import_module

    def breaks(name: str) -> object:
        if name.endswith(MODULES[0]):
            raise ImportError(name)
        return load(name)

    monkeypatch.setattr(subject.importlib, "import_module", breaks)
    rules.cache_clear()
    with caplog.at_level(logging.ERROR, "mitmkube"):
        assert len(rules()) == len(MODULES) - 1
    assert MODULES[0].replace("_", "-") in caplog.text


def test_no_rule_is_run_for_what_is_no_failure(only: Callable[..., None]) -> None:
    only(rule("a", Step.STORAGE))
    assert classify(answered(200)) == ()


@pytest.mark.parametrize("status", [101, 200, 201, 204, 304])
def test_success_is_not_worth_classifying(status: int) -> None:
    assert not worth_classifying(answered(status))


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 409, 410, 429, 500, 503, 504])
def test_refusal_is_worth_classifying(status: int) -> None:
    assert worth_classifying(answered(status))


def test_failure_is_worth_classifying_also_after_a_good_beginning() -> None:
    failure = Failure(phase="response", message="unexpected EOF")
    request = Request(method="GET")
    assert worth_classifying(Exchange(id=1, request=request, failure=failure))
    assert worth_classifying(Exchange(id=1, request=request, response=Response(status=200), failure=failure))


def test_error_event_in_a_good_answer_is_worth_classifying() -> None:
    response = Response(status=200, error_event=b'{"type":"ERROR"}')
    assert worth_classifying(Exchange(id=1, request=Request(method="GET"), response=response))


def test_page_in_place_of_an_answer_is_worth_classifying() -> None:
    assert worth_classifying(answered(200, "text/html; charset=utf-8", b"<html>Log in"))


def test_discovery_with_a_stale_group_is_worth_classifying() -> None:
    discovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    assert worth_classifying(answered(200, discovery, b'{"freshness":"Stale"}'))
    assert not worth_classifying(answered(200, discovery, b'{"freshness":"Current"}'))


def test_request_still_under_way_is_not_worth_classifying() -> None:
    assert not worth_classifying(Exchange(id=1, request=Request(method="GET"), live=True))
