"""``mitmkube run --ask`` seen from outside: a few GETs after the command, as the same user, and said to be so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analyzers.decode.credential import Credential
from analyzers.exchange import Connection, Exchange, Request
from mitmkube.ask import told_apart
from tests.mitmkube.api_server import TOKEN, ApiServer
from tests.mitmkube.commands import CLIENT, Place, python

WEB = "/api/v1/namespaces/default/pods/web"
OLD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default", "resourceVersion": "6"}}


@pytest.fixture
def replacing(place: Place, kubectl: str) -> tuple[str, ...]:
    """A command that the API server refuses, because the pod has changed."""
    (place.work / "old.json").write_text(json.dumps(OLD))
    return (kubectl, "replace", "--validate=false", "--raw", WEB, "-f", "old.json")


def story_of(place: Place, *arguments: str) -> tuple[Any, str]:
    done = place.mitmkube("run", "--json", "story.json", *arguments)
    return json.loads((place.work / "story.json").read_text()), done.stderr.decode()


def test_nothing_is_asked_without_the_option(place: Place, api: ApiServer, replacing: tuple[str, ...]) -> None:
    told, _ = story_of(place, "--", *replacing)
    assert told["asked"] == []
    assert [request.partition("?")[0] for request in api.requests] == [f"PUT {WEB}"]


def test_object_is_asked_for_with_the_same_credential_and_completes_the_finding(
    place: Place, api: ApiServer, replacing: tuple[str, ...]
) -> None:
    told, report = story_of(place, "--ask", "--", *replacing)
    assert [request.partition("?")[0] for request in api.requests] == [f"PUT {WEB}", f"GET {WEB}"]
    assert api.authorization == [f"Bearer {TOKEN}"] * 2
    (finding,) = told["findings"]
    said = [evidence["text"] for evidence in finding["evidence"]]
    assert "resourceVersion 7 is what it has by now" in said
    assert "by mitmkube, after the command" in " ".join(report.split())


def test_what_was_asked_is_none_of_the_commands_requests(place: Place, replacing: tuple[str, ...]) -> None:
    told, report = story_of(place, "--ask", "--", *replacing)
    assert [request["method"] for request in told["requests"]] == ["PUT"]
    assert [request["method"] for request in told["asked"]] == ["GET"]
    assert "1 request, " in report


def test_what_was_asked_is_marked_in_the_har(place: Place, replacing: tuple[str, ...]) -> None:
    place.mitmkube("run", "--ask", "--har", "traffic.har", "--", *replacing)
    entries = json.loads((place.work / "traffic.har").read_text())["log"]["entries"]
    assert [entry["_mitmkube"].get("asked", False) for entry in entries] == [False, True]


def test_exit_status_stays_the_commands(place: Place, replacing: tuple[str, ...]) -> None:
    assert place.mitmkube("run", "--ask", "--quiet", "--", *replacing).returncode == 1


def test_command_that_worked_leaves_nothing_to_ask(place: Place, api: ApiServer, kubectl: str) -> None:
    told, _ = story_of(place, "--ask", "--", kubectl, "get", "--raw", WEB)
    assert told["asked"] == []
    assert len(api.requests) == 1


def test_refusal_that_no_answer_would_explain_is_not_asked_about(place: Place, api: ApiServer) -> None:
    told, _ = story_of(place, "--ask", "--", *CLIENT, "/api/v1/namespaces/prod/pods")
    assert told["findings"][0]["rule"] == "rbac-denied"
    assert told["asked"] == []
    assert len(api.requests) == 1


def test_without_kubectl_it_is_said_that_nothing_was_asked(place: Place, replacing: tuple[str, ...]) -> None:
    wrapped = python(f"import subprocess, sys; sys.exit(subprocess.call({list(replacing)!r}))")
    done = place.mitmkube("run", "--ask", "--", *wrapped, env={"PATH": "/nonexistent"})
    assert "--ask needs kubectl, and there is none on PATH." in " ".join(done.stderr.decode().split())


def test_another_program_is_asked_for_by_the_kubectl_on_path(place: Place, replacing: tuple[str, ...]) -> None:
    folder = place.home / "bin"
    folder.mkdir()
    (folder / "kubectl").symlink_to(Path(replacing[0]))
    wrapped = python(f"import subprocess, sys; sys.exit(subprocess.call({list(replacing)!r}))")
    place.mitmkube("run", "--ask", "--json", "story.json", "--", *wrapped, env={"PATH": str(folder)})
    assert len(json.loads((place.work / "story.json").read_text())["asked"]) == 1


def asked_as(subject: str, *, asked: bool, number: int) -> Exchange:
    credential = Credential(kind="jwt", subject=subject)
    request = Request(method="GET", host="127.0.0.1", path=WEB)
    return Exchange(id=number, request=request, credential=credential, connection=Connection(), asked=asked)


def test_answer_to_another_identity_is_left_out_and_said(place: Place) -> None:
    own, same, other = (asked_as(who, asked=n > 1, number=n) for n, who in enumerate(("jane", "jane", "bob"), 1))
    assert told_apart([own, same]) == ([own, same], ())
    kept, notices = told_apart([own, other])
    assert kept == [own]
    assert "another identity" in notices[0]
