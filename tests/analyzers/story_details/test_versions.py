"""Conflicts as the whole session tells them, on recordings of a real API server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from analyzers.command import Story
from analyzers.finding import Finding

type Told = Callable[[str], Story]


def found(told: Story) -> Finding:
    assert told.finding is not None
    return told.finding


def evidence(finding: Finding) -> list[str]:
    return [one.text for one in finding.evidence]


def where(finding: Finding, beginning: str) -> str:
    return next(one.where for one in finding.evidence if one.text.startswith(beginning))


def without_asked(told: Story) -> Story:
    return Story.of([verdict.exchange for verdict in told.verdicts], told.info)


# A version that is no longer the latest


def test_overtaken_update_names_who_changed_what_between_two_reads(story: Told) -> None:
    finding = found(story("update_overtaken"))
    assert finding.summary.startswith("kubectl.1.33 and kube-controller-manager changed deployment web ")
    said = evidence(finding)
    assert "request 1 read resourceVersion 591, 1 s before" in said
    assert "resourceVersion 602 is what it has by now" in said
    assert "kubectl.1.33 (subresource scale) changed .spec.replicas (0 to 1)" in said
    assert any(
        text.startswith("kube-controller-manager (subresource status) changed .status.observedGeneration (1 to 2), ")
        for text in said
    )


def test_session_that_overtook_itself_is_told_so(story: Told) -> None:
    finding = found(story("update_own_write"))
    assert finding.summary.startswith("Request 2 of this very session changed deployment web ")
    assert "request 2 wrote resourceVersion 612, a later one" in evidence(finding)


def test_version_that_no_request_read_is_said_to_come_from_elsewhere(story: Told) -> None:
    finding = found(story("replace_conflict"))
    assert where(finding, "no request of this session read resourceVersion 555") == "requests before this one"


def test_what_no_request_showed_is_said_with_the_command_that_shows_it(story: Told) -> None:
    fix = found(story("replace_conflict")).fix[0]
    assert fix.text.startswith("who changed it, and to which version, no request showed; ")
    assert fix.commands == ("kubectl get configmaps settings -n stories -o yaml --show-managed-fields",)


def test_object_that_was_asked_for_names_the_last_writer_and_the_fields_that_differ(story: Told) -> None:
    finding = found(story("replace_conflict_asked"))
    said = evidence(finding)
    assert "resourceVersion 586 is what it has by now" in said
    assert any(
        text.startswith("the last to write was kubectl-annotate: .metadata.annotations.touched at ") for text in said
    )
    assert "what was sent differs from it in .metadata.annotations.touched (written by kubectl-annotate)" in said
    assert where(finding, "resourceVersion 586") == "request 6, asked afterwards, response body, metadata"
    assert "no request showed" not in finding.fix[0].text


def test_an_earlier_read_of_the_same_version_shows_nothing_new(story: Told) -> None:
    told = story("update_overtaken")
    read, refused, _ = (verdict.exchange for verdict in told.verdicts)
    finding = found(Story.of([read, refused], told.info))
    assert finding.summary.startswith("Somebody changed ")
    assert "no request showed" in finding.fix[0].text


def test_read_of_another_server_is_of_another_object(story: Told) -> None:
    told = story("update_overtaken")
    read, refused, latest = (verdict.exchange for verdict in told.verdicts)
    elsewhere = [replace(one, request=replace(one.request, host="other.example")) for one in (read, latest)]
    finding = found(Story.of([elsewhere[0], refused, elsewhere[1]], told.info))
    assert finding.summary.startswith("Somebody changed ")


# Server-side apply


def test_every_conflicting_field_is_shown_with_its_owner_and_both_values(story: Told) -> None:
    finding = found(story("apply_conflict_asked"))
    said = evidence(finding)
    assert any(
        text.startswith('kubectl-create owns .spec.template.spec.containers[name="web"].image (set with Update at ')
        for text in said
    )
    assert "kubectl.1.33 (subresource scale) owns .spec.replicas (set with Update): 1 there, 3 here" in said


def test_owners_since_when_is_said_to_be_unseen_without_the_object(story: Told) -> None:
    fixes = found(without_asked(story("apply_conflict_asked"))).fix
    assert any(fix.text.startswith("since when, no request showed; ") for fix in fixes)


def test_replicas_that_were_scaled_are_to_be_left_out_of_the_manifest(story: Told) -> None:
    fixes = [fix.text for fix in found(story("apply_conflict_asked")).fix]
    assert "leave .spec.replicas out of your manifest: an autoscaler, or kubectl scale, sets it" in fixes


# An object that is gone, was made again, or was there already


def test_object_that_was_made_again_is_shown_with_both_uids(story: Told) -> None:
    said = evidence(found(story("delete_made_again")))
    assert "request 1 showed UID 6914f4f0-2e7c-41ae-ac79-a4b7ae52fe13" in said
    assert any(
        text.startswith("the object there now has UID 9faca364-8dac-403d-b7b1-02c8e0df8e61, made at ")
        and text.endswith(" by kubectl-create")
        for text in said
    )


def test_name_that_is_taken_is_shown_with_its_maker(story: Told) -> None:
    assert any(" by kubectl-create" in text for text in evidence(found(story("create_exists_asked"))))
    assert not any(
        " by kubectl-create" in text for text in evidence(found(without_asked(story("create_exists_asked"))))
    )


# A list or watch that cannot go on


def test_watch_that_was_not_followed_by_a_list_is_told_so(story: Told) -> None:
    finding = found(story("watch_expired_for_good"))
    assert where(finding, "the client did not list again") == "requests after this one"


def test_watch_that_was_followed_by_a_list_is_noted_and_not_raised(story: Told) -> None:
    assert story("watch_expired_then_list").finding is None


# What stays


@pytest.mark.parametrize("name", ["update_overtaken", "apply_conflict_asked", "delete_made_again", "replace_conflict"])
def test_details_change_neither_rule_nor_category_nor_step(story: Told, name: str) -> None:
    told = story(name)
    assert told.cause is not None
    alone = Story.of([told.cause.exchange]).finding
    assert alone is not None
    finding = found(told)
    assert (finding.rule, finding.category, finding.step) == (alone.rule, alone.category, alone.step)
