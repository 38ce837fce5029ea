"""What a refusal proves of the steps before and behind the one that refused: the rules' recordings, step by step."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzers.command import CommandInfo, Story
from analyzers.finding import Step, StepState
from analyzers.readers import wire_text
from analyzers.steps import steps_of

RULES = Path(__file__).parent / "rules"
PASSED, FAILED, NOT_REACHED = StepState.PASSED, StepState.FAILED, StepState.NOT_REACHED
NOT_APPLICABLE = StepState.NOT_APPLICABLE


def states(recording: str) -> tuple[StepState, ...]:
    """Authorization, admission, validation, storage."""
    exchanges = wire_text.read((RULES / f"{recording}.http").read_text("utf-8"))
    lines = {line.step: line.state for line in steps_of(Story.of(exchanges, CommandInfo(exit_status=1)))}
    return tuple(lines[step] for step in (Step.AUTHORIZATION, Step.ADMISSION, Step.VALIDATION, Step.STORAGE))


@pytest.mark.parametrize("recording", ["health_throttled/hit_events", "request_permission_check/hit_owner"])
def test_refusal_of_a_validating_plugin_proves_validation(recording: str) -> None:
    assert states(recording) == (PASSED, FAILED, PASSED, NOT_REACHED)


@pytest.mark.parametrize(
    "recording",
    [
        "request_admission_denied/hit_node",
        "request_admission_denied/hit_type_terminating",
        "request_policy_denied/hit_mutating",
    ],
)
def test_refusal_of_a_mutating_plugin_reaches_no_validation(recording: str) -> None:
    assert states(recording) == (PASSED, FAILED, NOT_REACHED, NOT_REACHED)


@pytest.mark.parametrize("recording", ["rbac_escalation/hit_role", "rbac_escalation/hit_aggregation"])
def test_escalation_is_refused_by_the_storage_of_roles_before_validation(recording: str) -> None:
    assert states(recording) == (PASSED, PASSED, NOT_REACHED, FAILED)


@pytest.mark.parametrize(
    "recording", ["request_invalid/hit_json_patch", "request_decoding/hit_apply", "request_decoding/hit_other_kind"]
)
def test_body_that_cannot_be_read_or_applied_reaches_no_admission(recording: str) -> None:
    assert states(recording) == (PASSED, NOT_REACHED, NOT_REACHED, NOT_REACHED)


def test_authorizer_that_fails_lets_nothing_pass() -> None:
    assert states("health_authorizer/hit") == (FAILED, NOT_APPLICABLE, NOT_APPLICABLE, NOT_REACHED)
