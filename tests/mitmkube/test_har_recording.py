"""The HAR of a run has everything that was recorded, also what the report no longer holds, and takes no memory."""

from __future__ import annotations

import json
import os
import sys
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange, Headers, Request, Response
from analyzers.output import har
from mitmkube.errors import UserError
from mitmkube.har_recording import HarRecording
from mitmkube.kept import Kept
from tests import har_schema

STATUS = (
    b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":'
    b'"pods \\"p\\" is forbidden: User \\"jane\\" cannot get resource \\"pods\\" in API group \\"\\" in the namespace'
    b' \\"default\\"","details":{"name":"p","kind":"pods"}}'
)


def exchange(number: int, status: int = 200) -> Exchange:
    request = Request(method="GET", host="10.0.0.1", path=f"/api/v1/namespaces/default/pods/p{number}")
    headers = Headers((("Content-Type", "application/json"), ("Audit-Id", f"audit-{number}")))
    body = STATUS if status == 403 else b'{"kind":"Pod"}'
    return Exchange(
        id=number, request=request, response=Response(status=status, headers=headers, body=body, body_bytes=len(body))
    )


def record(recording: HarRecording, exchanges: Iterable[Exchange], flow: Any = None) -> None:
    for one in exchanges:
        recording.add(one, flow)


def entries(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = har_schema.check(path.read_bytes())["entries"]
    return found


def test_long_session_is_in_the_har_in_order_and_in_memory_in_part(tmp_path: Path) -> None:
    count = 20_000
    path, recording, kept = tmp_path / "out.har", HarRecording(tmp_path / "out.har"), Kept(500)
    for number in range(1, count + 1):
        one = exchange(number ^ 1 if 1 < number < count else number, 403 if number % 1000 == 0 else 200)
        record(recording, [one])
        kept.add(one)
    recording.add.finish()
    story = Story.of(kept.exchanges, CommandInfo(exit_status=1), left_out=kept.left_out)
    columns = (recording._written._starts, recording._written._lengths, recording._written._findings)
    assert sum(map(sys.getsizeof, columns)) < 50 * count
    tracemalloc.start()
    try:
        recording.finish(story)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 4
    told = entries(path)
    assert [entry["_mitmkube"]["id"] for entry in told] == list(range(1, count + 1))
    assert sum(1 for entry in told if entry["_mitmkube"]["findings"]) == 20
    assert story.left_out.requests == count - 500


def test_entry_that_the_story_says_more_of_is_made_again(tmp_path: Path) -> None:
    recording = HarRecording(tmp_path / "out.har")
    exchanges = [exchange(1), exchange(2, 403), exchange(3)]
    record(recording, exchanges)
    recording.finish(Story.of(exchanges, CommandInfo(argv=("kubectl",), exit_status=0)))
    told = [entry["_mitmkube"] for entry in entries(tmp_path / "out.har")]
    assert [bool(entry["notes"]) for entry in told] == [False, True, False]
    assert json.loads((tmp_path / "out.har").read_text())["log"]["_mitmkube"]["command"]["argv"] == ["kubectl"]


SECRET = "sesame opens every door"


def holding(number: int, *, as_token: bool) -> Exchange:
    """An exchange in which the secret stands as a token, or where nobody would look for one."""
    one = exchange(number)
    assert one.response is not None
    if as_token:
        return replace(one, request=replace(one.request, headers=Headers([("X-Api-Key", SECRET)])))
    return replace(one, response=replace(one.response, reason=f"see {SECRET}"))


@pytest.mark.parametrize("known_first", [True, False])
def test_entry_in_which_a_secret_stands_is_left_out_also_where_it_was_seen_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], known_first: bool
) -> None:
    recording = HarRecording(tmp_path / "out.har")
    exchanges = [holding(number, as_token=(number == 1) is known_first) for number in (1, 2)] + [exchange(3)]
    record(recording, exchanges)
    recording.finish(Story.of(exchanges))
    archive = (tmp_path / "out.har").read_text()
    assert SECRET not in archive
    left_out = 2 if known_first else 1
    assert [entry["_mitmkube"]["id"] for entry in entries(tmp_path / "out.har")] == [3 - left_out, 3]
    said = f"request {left_out} is left out of the HAR: a secret stands in response.statusText"
    assert json.loads(archive)["log"]["comment"] == said
    assert capsys.readouterr().err == f"mitmkube: {said}\n"


def test_archive_that_goes_to_a_stream_is_looked_through_too() -> None:
    document = json.loads(har.document(Story.of([holding(1, as_token=False), holding(2, as_token=True)])))
    assert [entry["_mitmkube"]["id"] for entry in document["log"]["entries"]] == [2]
    assert SECRET not in json.dumps(document)


def test_entry_keeps_the_body_that_the_story_let_go_of(tmp_path: Path) -> None:
    recording = HarRecording(tmp_path / "out.har", bodies=True)
    first = exchange(1)
    record(recording, [first])
    assert first.response is not None
    light = replace(first, response=replace(first.response, body=None, body_complete=False))
    recording.finish(Story.of([light]))
    assert entries(tmp_path / "out.har")[0]["response"]["content"]["text"] == '{"kind":"Pod"}'


def test_what_was_asked_afterwards_comes_last(tmp_path: Path) -> None:
    recording = HarRecording(tmp_path / "out.har")
    record(recording, [exchange(1)])
    recording.finish(Story.of([exchange(1), replace(exchange(2), asked=True)]))
    assert [entry["_mitmkube"].get("asked", False) for entry in entries(tmp_path / "out.har")] == [False, True]


def test_entry_that_could_not_be_written_is_made_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = HarRecording(tmp_path / "out.har")
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", no_space)
        record(recording, [exchange(1)])
        recording.add.finish()
    recording.finish(Story.of([exchange(1)]))
    assert [entry["_mitmkube"]["id"] for entry in entries(tmp_path / "out.har")] == [1]


def test_entries_that_could_not_be_written_and_are_gone_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = HarRecording(tmp_path / "out.har")
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", no_space)
        record(recording, map(exchange, (1, 2, 3)))
        recording.add.finish()
    with pytest.raises(UserError, match="lacks 2 requests that could not be written in time"):
        recording.finish(Story.of([exchange(1)]))
    assert len(entries(tmp_path / "out.har")) == 1


def test_error_in_the_end_says_where_the_recording_is(tmp_path: Path) -> None:
    path = tmp_path / "out.har"
    recording = HarRecording(path)
    record(recording, [exchange(1)])
    path.mkdir()  # while the command ran
    with pytest.raises(UserError, match=r"out\.har could not be written: .*; what was recorded is in .*\.partial$"):
        recording.finish(Story.of([exchange(1)]))
    assert len(entries(tmp_path / "out.har.partial")) == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out.har", "out.har.partial"]


def test_what_is_open_stands_in_the_file_until_it_has_ended(tmp_path: Path) -> None:
    recording = HarRecording(tmp_path / "out.har")
    recording.look(replace(exchange(1), live=True), None)
    recording.add.finish()
    assert entries(tmp_path / "out.har.partial")[0]["_mitmkube"]["live"]
    record(recording, [exchange(1)])
    recording.finish(Story.of([exchange(1)]))
    assert len(entries(tmp_path / "out.har")) == 1


def no_space(*_: object) -> int:
    raise OSError(28, "No space left on device")
