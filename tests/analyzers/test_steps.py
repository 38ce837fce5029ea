"""The states of the fifteen steps: what an answer proves, and nothing that it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange, Failure, Request, Response
from analyzers.finding import Step, StepState
from analyzers.steps import StepLine, steps_of

type Told = Callable[[str], Story]
type Recorded = Callable[[str], tuple[Exchange, ...]]

PASSED, FAILED = StepState.PASSED, StepState.FAILED
NOT_REACHED, NOT_APPLICABLE = StepState.NOT_REACHED, StepState.NOT_APPLICABLE
NOT_OBSERVABLE = StepState.NOT_OBSERVABLE

SERVER = (
    Step.AUTHENTICATION,
    Step.FLOW_CONTROL,
    Step.AUTHORIZATION,
    Step.ADMISSION,
    Step.VALIDATION,
    Step.STORAGE,
    Step.PROCESSING,
)


def by_step(lines: tuple[StepLine, ...]) -> dict[Step, StepLine]:
    return {line.step: line for line in lines}


def server_states(told: Story) -> tuple[StepState, ...]:
    lines = by_step(steps_of(told))
    return tuple(lines[step].state for step in SERVER)


@pytest.mark.parametrize(
    ("name", "states"),
    [
        # authentication, flow control, authorization, admission, validation, storage, processing
        ("get_pods", (PASSED, PASSED, PASSED, NOT_APPLICABLE, NOT_APPLICABLE, PASSED, NOT_APPLICABLE)),
        ("get_pods_forbidden", (PASSED, PASSED, FAILED, NOT_APPLICABLE, NOT_APPLICABLE, NOT_REACHED, NOT_REACHED)),
        ("apply_creates", (PASSED, PASSED, PASSED, PASSED, PASSED, PASSED, PASSED)),
        ("replace_conflict", (PASSED, PASSED, PASSED, PASSED, NOT_REACHED, FAILED, NOT_REACHED)),
        ("apply_server_side_conflict", (PASSED, PASSED, PASSED, NOT_REACHED, NOT_REACHED, FAILED, NOT_REACHED)),
        ("create_exists", (PASSED, PASSED, PASSED, PASSED, PASSED, FAILED, NOT_REACHED)),
        ("create_invalid", (PASSED, PASSED, PASSED, PASSED, FAILED, NOT_REACHED, NOT_REACHED)),
        ("create_pod_security", (PASSED, PASSED, PASSED, FAILED, PASSED, NOT_REACHED, NOT_REACHED)),
        ("get_pod_not_found", (PASSED, PASSED, PASSED, NOT_APPLICABLE, NOT_APPLICABLE, FAILED, NOT_REACHED)),
        ("create_dry_run", (PASSED, PASSED, PASSED, PASSED, PASSED, NOT_APPLICABLE, NOT_APPLICABLE)),
        ("delete_waits_for_finalizer", (PASSED, PASSED, PASSED, PASSED, NOT_APPLICABLE, PASSED, PASSED)),
        ("watch_ends", (PASSED, PASSED, PASSED, NOT_APPLICABLE, NOT_APPLICABLE, PASSED, PASSED)),
        ("exec_forbidden", (PASSED, NOT_APPLICABLE, FAILED, NOT_REACHED, NOT_APPLICABLE, NOT_REACHED, NOT_REACHED)),
    ],
)
def test_states_follow_the_handlers_order_for_the_verb(name: str, states: tuple[StepState, ...], story: Told) -> None:
    assert server_states(story(name)) == states


def test_every_step_is_there_once_and_in_order(story: Told) -> None:
    assert tuple(line.step for line in steps_of(story("get_pods"))) == tuple(Step)


def test_unauthorized_reaches_nothing_behind_authentication(story: Told) -> None:
    states = server_states(story("expired_certificate"))
    assert states[0] is FAILED
    assert PASSED not in states


def test_anonymous_refusal_fails_at_authentication_and_shows_the_authorizers_no(story: Told) -> None:
    lines = by_step(steps_of(story("anonymous")))
    assert lines[Step.AUTHENTICATION].state is FAILED
    assert lines[Step.AUTHORIZATION].state is FAILED
    assert lines[Step.CREDENTIALS].state is NOT_APPLICABLE


def test_conflict_on_update_claims_only_the_mutating_part_of_admission(story: Told) -> None:
    assert by_step(steps_of(story("replace_conflict")))[Step.ADMISSION].text == "mutating part passed"


def test_storage_failure_of_a_write_claims_no_admission(exchanges: Recorded) -> None:
    written = exchanges("apply_creates")[-1]
    message = (
        b'{"kind":"Status","apiVersion":"v1","status":"Failure","message":"etcdserver: request timed out","code":500}'
    )
    assert written.response is not None
    slow = replace(written, response=replace(written.response, status=500, body=message))
    lines = by_step(steps_of(Story.of([slow], CommandInfo(exit_status=1))))
    assert lines[Step.ADMISSION].state is not PASSED
    assert lines[Step.VALIDATION].state is not PASSED


def test_request_that_never_left_reaches_no_server_step() -> None:
    refused = Exchange(
        id=1,
        request=Request(method="CONNECT", host="127.0.0.1", port=1, path="127.0.0.1:1"),
        failure=Failure(phase="dial", message="dial tcp 127.0.0.1:1: connect: connection refused"),
    )
    lines = by_step(steps_of(refused))
    assert lines[Step.CONNECTION].state is FAILED
    assert {lines[step].state for step in (*SERVER, Step.TRANSMISSION, Step.RESPONSE)} == {NOT_REACHED}
    assert lines[Step.CREDENTIALS].state is NOT_OBSERVABLE


def test_lost_connection_leaves_open_what_the_server_did(exchanges: Recorded) -> None:
    lost = replace(exchanges("get_pods")[-1], response=None, failure=Failure(phase="request", message="EOF"))
    lines = by_step(steps_of(Story.of([lost], classified={lost.id: ()})))
    assert {lines[step].state for step in (*SERVER, Step.TRANSMISSION)} == {NOT_OBSERVABLE}


def test_answer_of_something_in_front_proves_no_server_step(exchanges: Recorded) -> None:
    page = Response(status=502, reason="Bad Gateway", body=b"<html><h1>502 Bad Gateway</h1></html>")
    lines = by_step(steps_of(replace(exchanges("get_pods")[-1], response=page)))
    assert {lines[step].state for step in SERVER} <= {NOT_OBSERVABLE, FAILED}


def test_nothing_sent_claims_nothing_but_the_exit_status() -> None:
    told = Story.of([], CommandInfo(argv=("kubectl", "get", "pods"), exit_status=1))
    lines = by_step(steps_of(told))
    assert {line.state for step, line in lines.items() if step is not Step.DISPLAY} == {NOT_OBSERVABLE, NOT_REACHED}
    assert lines[Step.DISPLAY] == StepLine(Step.DISPLAY, PASSED, "exit 1")


def test_flow_control_is_passed_only_where_a_header_says_so(exchanges: Recorded) -> None:
    answered = exchanges("get_pods")[-1]
    assert answered.response is not None
    bare = replace(
        answered.response,
        headers=type(answered.response.headers)(
            field for field in answered.response.headers if not field[0].lower().startswith("x-kubernetes-pf")
        ),
    )
    assert by_step(steps_of(answered))[Step.FLOW_CONTROL].state is PASSED
    assert by_step(steps_of(replace(answered, response=bare)))[Step.FLOW_CONTROL].state is NOT_OBSERVABLE


def test_output_is_not_claimed_for_a_command_that_failed(story: Told) -> None:
    assert by_step(steps_of(story("get_pods")))[Step.OUTPUT] == StepLine(Step.OUTPUT, PASSED, "table")
    assert by_step(steps_of(story("get_pods_forbidden")))[Step.OUTPUT].state is NOT_OBSERVABLE


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        (("kubectl", "get", "pods", "-o", "wide"), "wide"),
        (("kubectl", "get", "pods", "-ojson"), "json"),
        (("kubectl", "get", "pods", "-o=jsonpath={.items}"), "jsonpath"),
        (("kubectl", "get", "pods", "--output=yaml"), "yaml"),
    ],
)
def test_output_names_the_format_that_was_asked_for(argv: tuple[str, ...], asked: str, exchanges: Recorded) -> None:
    told = Story.of(exchanges("get_pods"), CommandInfo(argv=argv, exit_status=0))
    assert by_step(steps_of(told))[Step.OUTPUT].text == asked


def test_response_counts_what_came(story: Told) -> None:
    assert by_step(steps_of(story("get_pods")))[Step.RESPONSE].text == "Table, 1 row"


def test_processing_names_the_finalizers_a_delete_waits_for(story: Told) -> None:
    line = by_step(steps_of(story("delete_waits_for_finalizer")))[Step.PROCESSING]
    assert line.text == "marked for deletion, waits for example.com/keep"


def test_signal_is_shown_at_display(exchanges: Recorded) -> None:
    told = Story.of(exchanges("watch_ends"), CommandInfo(signal="SIGINT"))
    assert by_step(steps_of(told))[Step.DISPLAY].text == "ended by SIGINT"
