"""A rule or a decoder that raises, or that does not end, costs the request it failed at, and no report."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from analyzers import classify
from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange, Headers, Request, Response
from analyzers.facts import Facts
from analyzers.finding import Category, Finding, Rule, Step
from analyzers.left_out import NOTHING
from analyzers.output import json as json_output
from analyzers.output import text
from mitmkube import patience
from tests.mitmkube.commands import CLIENT, SECONDS, Place, python

STATUS = json.dumps({"kind": "Status", "status": "Failure", "message": "no", "reason": "Forbidden", "code": 403})


def exchange(number: int, body: str = STATUS) -> Exchange:
    return Exchange(
        id=number,
        request=Request(method="GET", host="h", path=f"/api/v1/namespaces/dev/pods/p{number}"),
        response=Response(
            status=403, headers=Headers([("Content-Type", "application/json"), ("Audit-Id", "x")]), body=body.encode()
        ),
    )


def tell(count: int = 5, seconds: float = 0.2) -> tuple[Story, str]:
    exchanges = [exchange(number, STATUS.replace("no", "bad") if number == 3 else STATUS) for number in range(1, count)]
    info = CommandInfo(argv=("kubectl", "get", "pods"), exit_status=1)

    def told(story: Story) -> str:
        return text.render(story) + json.dumps(json_output.document(story))

    return patience.tell(exchanges, info, NOTHING, told, seconds)


def is_bad(facts: Facts) -> bool:
    response = facts.exchange.response
    return response is not None and b"bad" in (response.body or b"")


@pytest.fixture
def with_rule(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Facts], Finding | None]], None]:
    """Puts a rule before all others."""
    others = classify.rules()

    def put(check: Callable[[Facts], Finding | None]) -> None:
        rule = Rule(id="rbac-broken", category=Category.RBAC, step=Step.AUTHORIZATION, check=check)
        monkeypatch.setattr(classify, "rules", lambda: (rule, *others))
        monkeypatch.setattr(classify, "_reported", set())

    return put


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """Set when the test is over, so that what it left behind ends."""
    event = threading.Event()
    yield event
    event.set()


def test_story_that_nothing_fails_at_is_told_as_it_is() -> None:
    story, _ = tell()
    assert len(story.failures) == 4
    assert story.notices == ()


def test_rule_that_raises_takes_nothing_from_the_story(with_rule: Any, caplog: pytest.LogCaptureFixture) -> None:
    def check(facts: Facts) -> None:
        raise ValueError("of the rule")

    with_rule(check)
    story, said = tell()
    assert len(story.failures) == 4
    assert said.startswith("- mitmkube")
    assert [record.getMessage() for record in caplog.records] == ["rule rbac-broken failed"]


def test_rule_that_does_not_end_costs_the_request_it_was_at(with_rule: Any, end: threading.Event) -> None:
    def check(facts: Facts) -> None:
        if is_bad(facts):
            end.wait()

    with_rule(check)
    story, said = tell()
    assert story.notices == ("Request 3 was not analysed: that took longer than 0.2 s.",)
    assert "Request 3 was not analysed" in " ".join(said.split())
    assert [verdict.exchange.id for verdict in story.verdicts] == [1, 2, 3, 4]
    assert {verdict.exchange.id for verdict in story.failures if verdict.findings} == {1, 2, 4}


def test_rule_that_never_ends_is_given_up_for_good(with_rule: Any, end: threading.Event) -> None:
    def check(facts: Facts) -> None:
        end.wait()

    with_rule(check)
    story, _ = tell(200)
    assert len(story.verdicts) == 199
    assert story.notices[-1] == "196 more requests were not analysed."
    assert len(story.notices) == patience.MOST_STUCK + 1


def test_decoder_that_raises_costs_the_content_it_failed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    decode = Facts.status.func

    def broken(facts: Facts) -> object:
        if is_bad(facts):
            raise KeyError("of the decoder")
        return decode(facts)

    monkeypatch.setattr(Facts.status, "func", broken)
    monkeypatch.setattr(classify, "_reported", set())
    story, said = tell()
    assert story.notices == ("Request 3 could not be analysed (KeyError): its content is left out.",)
    assert [verdict.exchange.id for verdict in story.verdicts] == [1, 2, 3, 4]
    assert "could not be analysed" in said


def test_story_that_cannot_be_told_at_all_is_an_error_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(facts: Facts) -> object:
        raise KeyError("of the decoder")

    monkeypatch.setattr(Facts.status, "func", broken)
    monkeypatch.setattr(text, "plain", broken)
    with pytest.raises(patience.NotTold, match=r"^KeyError$"):
        tell()


# As a user meets it: mitmkube with a rule that somebody has written.
PATCHED = """
import sys, threading, time
from analyzers import classify
from analyzers.finding import Category, Rule, Step
from mitmkube import cli, patience
from proxy_addons import analysis

def check(facts):
    if "/pods/web" in facts.exchange.request.path:
        {}

patience.PATIENCE_SECONDS = analysis.PATIENCE_SECONDS = 0.5
patience.tell.__defaults__ = (0.5,)
analysis.Analysis.__init__.__kwdefaults__["patience"] = 0.5
others = classify.rules()
rule = Rule(id="rbac-broken", category=Category.RBAC, step=Step.AUTHORIZATION, check=check)
classify.rules = lambda: (rule, *others)
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("fault", ["time.sleep(1e6)", "while True: pass"])
def test_command_ends_as_it_would_and_report_and_har_say_what_was_given_up(place: Place, fault: str) -> None:
    pods = "/api/v1/namespaces/{}/pods"
    paths = [pods.format("default"), pods.format("prod") + "/web", pods.format("default")]
    done = subprocess.run(
        [*python(PATCHED.format(fault)), "run", "--har", "har", "--", *CLIENT, *paths],
        env=place.environ,
        cwd=place.work,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stdout.decode().splitlines() if line[:3].isdigit()] == [
        "200",
        "403",
        "200",
    ]
    assert b"Request 2 was not analysed" in b" ".join(done.stderr.split())
    entries = json.loads((place.work / "har").read_text())["log"]["entries"]
    assert [entry["response"]["status"] for entry in entries] == [200, 403, 200]
    assert entries[1]["_mitmkube"]["notes"] == ["not analysed: its analysis took longer than 0.5 s"]
    assert "not analysed" in entries[1]["comment"]
