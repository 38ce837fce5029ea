"""The report as a person reads it: the answer first, nothing that is not known, nothing that a terminal obeys."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analyzers.classify import worth_classifying
from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange, Failure, Request, Response
from analyzers.finding import Step
from analyzers.left_out import LeftOut, Span
from analyzers.output.finding_text import finding_text
from analyzers.output.layout import wrapped
from analyzers.output.text import render

type Told = Callable[[str], Story]
type Recorded = Callable[[str], tuple[Exchange, ...]]

STORIES = sorted(path.stem for path in (Path(__file__).parents[1] / "stories").glob("*.http"))


def refused(count: int = 1) -> Story:
    failure = Failure(phase="dial", message="dial tcp 127.0.0.1:1: connect: connection refused")
    request = Request(method="CONNECT", host="127.0.0.1", port=1, path="127.0.0.1:1")
    return Story.of(
        [Exchange(id=number, request=request, failure=failure) for number in range(1, count + 1)],
        CommandInfo(argv=("kubectl", "get", "pods"), exit_status=1),
    )


def is_command(line: str) -> bool:
    return line.strip().startswith(("kubectl ", "openssl ", "curl ", "nc ", "getent "))


# The answer first


def test_failure_begins_with_category_step_and_sentence(story: Told) -> None:
    lines = render(story("get_pods_forbidden")).splitlines()
    assert lines[1] == "failed: rbac, at step 7 authorization"
    assert lines[2] == "  jane may not list secrets in namespace prod."


def test_success_begins_with_what_was_answered(story: Told) -> None:
    assert render(story("get_pods")).splitlines()[1] == "ok: list pods in stories was answered 200 (Table, 1 row)"


def test_success_is_short(story: Told) -> None:
    assert len(render(story("get_pods")).splitlines()) <= 8


def test_evidence_says_where_it_stands_and_on_which_request(story: Told) -> None:
    report = " ".join(render(story("get_pods_forbidden")).split())
    assert "GET /api/v1/namespaces/prod/secrets?limit=500 -> 403 Forbidden (request 3)" in report
    assert "(response body, message)" in report


def test_fix_and_check_can_be_pasted(story: Told) -> None:
    report = render(story("get_pods_forbidden"))
    assert "           kubectl create role secrets-list -n prod --verb=list --resource=secrets\n" in report
    assert re.search(r"^  check    .*\n +kubectl auth can-i list secrets -n prod$", report, re.MULTILINE)


def test_findings_are_printed_by_the_same_renderer_as_goldens(story: Told) -> None:
    told = story("replace_conflict")
    assert told.finding is not None
    assert told.cause is not None
    assert finding_text(told.finding, told.cause.exchange.id) in render(told)


def test_failing_command_without_a_failed_request_is_said_to_be_so(story: Told) -> None:
    report = render(story("unknown_type"))
    assert report.splitlines()[1] == "failed, and not at a request"
    assert "no request failed" in report


def test_answer_that_no_rule_knows_is_shown_as_it_is(exchanges: Recorded) -> None:
    strange = replace(exchanges("get_pods")[-1], response=Response(status=418, reason="I'm a teapot", body=b"short"))
    report = render(Story.of([strange], CommandInfo(exit_status=1), classified={strange.id: ()}))
    assert "failed, and no rule knows this answer" in report
    assert "418 I'm a teapot" in report
    assert "short (response body)" in report


def test_command_that_sent_nothing_is_said_to_have_sent_nothing() -> None:
    report = render(Story.of([], CommandInfo(argv=("kubectl", "get", "pods"), exit_status=1)))
    assert "kubectl get sent no request through the proxy, and exited 1." in report
    assert "0 requests" in report


def test_refused_connection_is_a_network_failure_at_connection() -> None:
    assert render(refused()).splitlines()[1] == "failed: network, at step 4 connection"


# Quiet


@pytest.mark.parametrize("name", ["get_pods", "apply_creates", "exec_forbidden", "watch_expired_then_list"])
def test_quiet_prints_failures_only(name: str, story: Told) -> None:
    told = story(name)
    assert bool(render(told, quiet=True)) is told.failed


def test_quiet_is_silent_after_an_interrupt(exchanges: Recorded) -> None:
    assert render(Story.of(exchanges("watch_ends"), CommandInfo(signal="SIGINT")), quiet=True) == ""


# The table


def test_table_has_verb_phrase_status_time_and_rule(story: Told) -> None:
    row = next(line for line in render(story("get_pods_forbidden")).splitlines() if "list secrets in prod" in line)
    assert re.fullmatch(r" +3  list secrets in prod +403 +[\d.]+ m?s  rbac-denied", row)


def test_repeats_are_counted(story: Told) -> None:
    rows = [line for line in render(story("expired_certificate")).splitlines() if "discovery /api" in line]
    assert len(rows) == 1
    assert "401 x 5" in rows[0]


def test_cured_retries_are_one_row_that_says_so(exchanges: Recorded) -> None:
    report = render(Story.of(exchanges("eviction_retried")))
    assert re.search(r"^  1-4 .* 429 x 3, 201 .* recovered$", report, re.MULTILINE)


def test_look_alike_is_noted_with_its_reason(story: Told) -> None:
    report = " ".join(render(story("exec_forbidden")).split())
    assert "noted 4: jane may not exec into pod web in namespace stories (a WebSocket was tried first" in report


def test_long_table_is_cut_and_keeps_what_failed(exchanges: Recorded) -> None:
    refusal, read = exchanges("get_pods_forbidden")[-1], exchanges("get_pods")[-1]
    many = [replace(refusal if number == 20 else read, id=number) for number in range(1, 41)]
    report = render(Story.of(many, CommandInfo(exit_status=1)))
    assert "more rows" in report
    assert re.search(r"^ +20  list secrets in prod +403", report, re.MULTILINE)
    assert len([line for line in report.splitlines() if "list pods in stories" in line]) == 11


def test_two_failures_are_told_in_full_and_in_one_line(exchanges: Recorded) -> None:
    first, last = exchanges("get_pods_forbidden")[-1], exchanges("replace_conflict")[-1]
    report = render(Story.of([replace(first, id=1), replace(last, id=2)], CommandInfo(exit_status=1)))
    assert report.splitlines()[1] == "failed: conflict, at step 10 storage"
    said = "also rbac at authorization: jane may not list secrets in namespace prod. (request 1)"
    assert said in " ".join(report.split())


# Who and where


def test_asked_by_names_the_certificate_and_what_the_server_calls_it(story: Told) -> None:
    report = " ".join(render(story("get_pods_forbidden")).split())
    assert "asked by jane, says the API server; client certificate CN=jane, O=dev, until" in report


def test_nobody_is_named_where_nothing_was_sent(story: Told) -> None:
    report = " ".join(render(story("anonymous")).split())
    assert "asked by system:anonymous, says the API server; no credential was sent" in report


def test_identity_is_left_out_where_no_request_could_carry_one() -> None:
    assert "asked by" not in render(refused())


def test_context_server_and_exit_status_are_there(story: Told) -> None:
    report = render(story("get_pods_forbidden"))
    assert "context dev, cluster https://127.0.0.1:" in report
    assert "exit 1" in report


def test_notices_are_printed(exchanges: Recorded) -> None:
    told = Story.of(exchanges("get_pods"), CommandInfo(exit_status=0, notices=("insecure-skip-tls-verify is on",)))
    assert "  note     insecure-skip-tls-verify is on\n" in render(told)


def test_password_in_the_server_url_is_masked() -> None:
    told = Story.of([], CommandInfo(argv=("kubectl",), server="https://jane:canary@host:6443", exit_status=1))
    assert "canary" not in render(told)


# Steps


def test_steps_are_shown_when_asked_for(story: Told) -> None:
    report = render(story("replace_conflict"), steps=True)
    for step in Step:
        assert re.search(rf"^ +{step.number or ''} *{step.value} ", report, re.MULTILINE)
    assert re.search(r"^ +9 validation +not reached +the version is checked first$", report, re.MULTILINE)
    assert "--steps" not in report


def test_steps_are_left_out_when_not_asked_for(story: Told) -> None:
    assert "transmission" not in render(story("replace_conflict"))


# Form


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("steps", [False, True])
def test_report_fits_80_columns_but_for_commands(name: str, steps: bool, story: Told) -> None:
    long = [line for line in render(story(name), steps=steps).splitlines() if len(line) > 80 and not is_command(line)]
    # A regular expression of a message has no place to break.
    assert [line for line in long if " " in line.strip()] == []


@pytest.mark.parametrize("name", STORIES)
def test_plain_report_has_no_colour_no_marks_and_no_trailing_space(name: str, story: Told) -> None:
    report = render(story(name), steps=True)
    assert report.isascii()
    assert "\x1b" not in report
    assert not re.search(r"[ \t]$", report, re.MULTILINE)
    assert report.endswith("\n")


def test_terminal_gets_marks_and_colour(story: Told) -> None:
    report = render(story("get_pods_forbidden"), steps=True, color=True)
    assert "\x1b[" in report
    assert "✗ rbac" in report
    assert "→ 403 Forbidden" in report
    assert "failed:" not in report


def test_terminal_without_colour_gets_marks_only(story: Told) -> None:
    report = render(story("get_pods_forbidden"), color=False, marks=True)
    assert "✗ rbac" in report
    assert not re.search(r"\x1b\[[\d;]*3[0-7]", report)


def test_coloured_and_plain_report_break_at_the_same_places(story: Told) -> None:
    told = story("replace_conflict")
    marked = re.sub(r"\x1b\[[\d;]*m", "", render(told, color=True))
    assert len(marked.splitlines()) == len(render(told).splitlines())


def test_terminal_codes_in_an_answer_are_not_passed_on(exchanges: Recorded) -> None:
    nasty = Response(status=418, reason="\x1b[2Jgone\u202e", body=b"\x1b]0;title\x07")
    strange = replace(exchanges("get_pods")[-1], response=nasty)
    report = render(Story.of([strange], CommandInfo(exit_status=1), classified={strange.id: ()}))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", report)


@pytest.mark.parametrize("width", [20, 40, 80])
def test_wrapped_text_keeps_every_character(width: int) -> None:
    text = "PUT /api/v1/namespaces/stories/configmaps/settings?fieldManager=kubectl&force=true and a few more words"
    assert "".join("".join(wrapped(text, width)).split()) == "".join(text.split())


def test_secret_reaches_no_report(story: Told) -> None:
    report = render(story("get_secret"), steps=True)
    assert "canary" not in report
    assert "Y2FuYXJ5" not in report


# A long session


def long_session(*, exit_status: int = 0, signal: str = "") -> Story:
    def one(number: int) -> Exchange:
        request = Request(method="GET", host="10.0.0.1", path=f"/api/v1/namespaces/default/pods/p{number}")
        response = Response(status=500 if number == 9000 else 200, body=b"{}", body_bytes=2)
        return Exchange(id=number, request=request, response=response)

    spans = (Span(first=3, last=8999, count=8997), Span(first=9001, last=25344, count=16344))
    return Story.of(
        map(one, (1, 2, 9000, 25345, 25346)),
        CommandInfo(argv=("kubectl", "get", "pods"), exit_status=None if signal else exit_status, signal=signal),
        left_out=LeftOut(spans=spans, most=100, response_bytes=2 * 25341),
    )


def test_requests_that_were_left_out_are_said_where_they_would_have_stood() -> None:
    lines = [line.strip() for line in render(long_session()).splitlines()]
    first = next(place for place, line in enumerate(lines) if line.startswith("1 "))
    assert [line if "..." in line else line.split()[0] for line in lines[first : first + 7]] == [
        "1",
        "2",
        "... 8,997 requests left out (--keep-flows 100)",
        "9000",
        "... 16,344 requests left out (--keep-flows 100)",
        "25345",
        "25346",
    ]


def test_requests_that_were_left_out_are_counted() -> None:
    assert "25,346 requests" in render(long_session())


def test_story_with_gaps_is_not_told_of_what_was_not_seen() -> None:
    discovery = Exchange(
        id=1,
        request=Request(method="GET", host="10.0.0.1", path="/api/v1"),
        response=Response(
            status=200, body=b'{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"pods"}]}'
        ),
    )
    info = CommandInfo(argv=("kubectl", "get", "podz"), exit_status=1)
    gap = LeftOut(spans=(Span(first=2, last=9, count=8),), most=100)
    assert "none of the 1 types" in render(Story.of([discovery], info))
    assert "none of the" not in render(Story.of([discovery], info, left_out=gap))


def test_bodies_that_were_let_go_of_are_said() -> None:
    story = replace(long_session(), left_out=LeftOut(bodies=1200))
    assert "the bodies of 1,200 early requests that went well were let go of" in " ".join(render(story).split())


def test_same_failure_on_both_sides_of_a_gap_is_two_rows() -> None:
    request = Request(method="GET", host="10.0.0.1", path="/api/v1/nodes")
    refused = [Exchange(id=number, request=request, response=Response(status=403)) for number in (1, 2, 9, 10)]
    gap = LeftOut(spans=(Span(first=3, last=8, count=6),), most=100)
    rows = Story.of(refused, CommandInfo(exit_status=1), left_out=gap).rows
    assert [[verdict.exchange.id for verdict in row.verdicts] for row in rows] == [[1, 2], [9, 10]]


@pytest.mark.parametrize("name", STORIES)
def test_story_without_the_bodies_of_successes_says_nothing_that_it_did_not_say_with_them(
    exchanges: Recorded, name: str
) -> None:
    def light(one: Exchange) -> Exchange:
        if one.response is None or worth_classifying(one):
            return one
        request, response = replace(one.request, body=None, body_complete=False), one.response
        return replace(one, request=request, response=replace(response, body=None, body_complete=False))

    info = CommandInfo(argv=("kubectl",), exit_status=1)
    whole = Story.of(exchanges(name), info)
    part = Story.of(map(light, exchanges(name)), info, left_out=LeftOut(bodies=1))
    assert render(part, steps=True)
    assert [verdict.raised for verdict in part.verdicts] == [verdict.raised for verdict in whole.verdicts]
    for told, less in zip(whole.verdicts, part.verdicts, strict=True):
        assert [finding.rule for finding in less.findings] == [finding.rule for finding in told.findings]
        said = {evidence for finding in told.findings for evidence in finding.evidence}
        assert {evidence for finding in less.findings for evidence in finding.evidence} <= said
