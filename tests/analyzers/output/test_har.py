"""The HAR: true to the specification, whole after every entry, with the findings and without secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analyzers.classify import classify
from analyzers.command import Story
from analyzers.exchange import Exchange, Failure, Headers, Request, Response, Timing
from analyzers.left_out import LeftOut, Span
from analyzers.output import har

type Told = Callable[[str], Story]
type Recorded = Callable[[str], tuple[Exchange, ...]]

STORIES = sorted(path.stem for path in (Path(__file__).parents[1] / "stories").glob("*.http"))

# Required by HAR 1.2.
ENTRY = {"startedDateTime", "time", "request", "response", "cache", "timings"}
REQUEST = {"method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize"}
RESPONSE = {
    "status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL", "headersSize", "bodySize",
}  # fmt: skip
OPTIONAL = {
    "entry": {"pageref", "serverIPAddress", "connection", "comment"},
    "request": {"postData", "comment"},
    "response": {"comment"},
}


def check(entry: dict[str, Any]) -> None:
    """The specification's rules that a viewer relies on."""
    for name, part, required in (
        ("entry", entry, ENTRY),
        ("request", entry["request"], REQUEST),
        ("response", entry["response"], RESPONSE),
    ):
        own = {key for key in part if not key.startswith("_")}
        assert required <= own <= required | OPTIONAL[name], name
    timings = entry["timings"]
    assert {"send", "wait", "receive"} <= set(timings)
    assert all(timings[name] >= 0 for name in ("send", "wait", "receive"))
    assert timings["ssl"] <= timings["connect"] or timings["connect"] == timings["ssl"] == -1
    spent = sum(value for name, value in timings.items() if name != "ssl" and value >= 0)
    assert entry["time"] == pytest.approx(spent)
    assert {"size", "mimeType"} <= set(entry["response"]["content"])
    assert "://" in entry["request"]["url"]


@pytest.mark.parametrize("name", STORIES)
def test_document_is_valid_for_every_recording(name: str, story: Told) -> None:
    log = json.loads(har.document(story(name), "1.0"))["log"]
    assert log["version"] == "1.2"
    assert log["creator"] == {"name": "mitmkube", "version": "1.0"}
    assert len(log["entries"]) == len(story(name).verdicts) + len(story(name).asked)
    for entry in log["entries"]:
        check(entry)


def test_text_is_a_whole_document_after_every_entry(exchanges: Recorded) -> None:
    text = har.head()
    assert json.loads(text + har.TAIL)["log"]["entries"] == []
    for count, exchange in enumerate(exchanges("apply_creates"), start=1):
        text += (har.SEPARATOR if count > 1 else "") + har.entry_text(exchange)
        assert len(json.loads(text + har.TAIL)["log"]["entries"]) == count


def test_entry_carries_the_findings_and_says_them_in_its_comment(exchanges: Recorded) -> None:
    exchange = exchanges("get_pods_forbidden")[-1]
    entry = har.entry(exchange, classify(exchange))
    (finding,) = entry["_mitmkube"]["findings"]
    assert set(finding) == {"rule", "category", "hop", "step", "summary", "evidence", "fix"}
    assert entry["comment"] == f"rbac at authorization: {finding['summary']}"
    assert entry["_mitmkube"]["requestInfo"]["verb"] == "list"


def test_look_alike_has_notes_and_no_findings(story: Told) -> None:
    entries = json.loads(har.document(story("exec_forbidden")))["log"]["entries"]
    attempt, decides = (entry["_mitmkube"] for entry in entries[-2:])
    assert attempt["findings"] == []
    assert attempt["notes"]
    assert decides["findings"]


def test_times_put_tls_inside_connect_and_leave_out_what_did_not_happen(exchanges: Recorded) -> None:
    exchange = exchanges("get_pods")[-1]
    first = replace(exchange, timing=Timing(started=1.5, connect=0.010, tls=0.020, send=0.001, wait=0.1, receive=0.05))
    reused = replace(exchange, timing=Timing(started=1.5, wait=0.1))
    assert har.entry(first)["timings"] == {
        "blocked": -1, "dns": -1, "connect": 30.0, "ssl": 20.0, "send": 1.0, "wait": 100.0, "receive": 50.0,
    }  # fmt: skip
    assert har.entry(first)["time"] == 181.0
    assert har.entry(first)["startedDateTime"] == "1970-01-01T00:00:01.500Z"
    assert har.entry(reused)["timings"]["connect"] == -1
    assert har.entry(reused)["time"] == 100.0


def test_content_size_is_the_decoded_length_and_compression_what_was_saved(exchanges: Recorded) -> None:
    exchange = exchanges("get_pods")[-1]
    body = b'{"kind":"Table"}' * 100
    zipped = Response(
        status=200,
        headers=Headers([("Content-Encoding", "gzip"), ("Content-Type", "application/json")]),
        body=body,
        body_bytes=90,
    )
    content = har.entry(replace(exchange, response=zipped))["response"]["content"]
    assert content["size"] == 1600
    assert content["compression"] == 1510


def test_failed_request_has_status_0_and_the_error() -> None:
    refused = Exchange(
        id=1,
        request=Request(method="CONNECT", host="127.0.0.1", port=1, path="127.0.0.1:1"),
        failure=Failure(phase="dial", message="dial tcp 127.0.0.1:1: connect: connection refused"),
    )
    entry = har.entry(refused, classify(refused))
    check(entry)
    assert entry["response"]["status"] == 0
    assert "connection refused" in entry["response"]["_error"]
    assert entry["request"]["url"] == "https://127.0.0.1:1/"
    assert entry["_mitmkube"]["failure"]["phase"] == "dial"


def test_headers_that_are_no_secret_are_kept(exchanges: Recorded) -> None:
    exchange = exchanges("get_pods")[-1]
    names = [header["name"] for header in har.entry(exchange)["request"]["headers"]]
    assert names == [name for name, _ in exchange.request.headers]
    assert "User-Agent" in names


def test_query_is_listed_by_name(exchanges: Recorded) -> None:
    assert har.entry(exchanges("get_pods")[-1])["request"]["queryString"] == [{"name": "limit", "value": "500"}]


def test_archive_says_what_was_left_out_of_it() -> None:
    left_out = LeftOut(spans=(Span(first=2, last=4900, count=4899),), most=100)
    log = json.loads(har.document(Story.of([Exchange(id=1, request=Request(method="GET"))], left_out=left_out)))["log"]
    assert log["comment"] == "4,899 requests left out (--keep-flows 100)"


def test_secret_reaches_no_part_of_the_document(story: Told) -> None:
    document = har.document(story("get_secret"))
    assert "canary" not in document
    assert "Y2FuYXJ5" not in document


def test_authorization_reaches_no_part_of_the_document(exchanges: Recorded) -> None:
    exchange = exchanges("get_pods")[-1]
    leaking = replace(
        exchange,
        request=replace(
            exchange.request,
            path="/api/v1/pods?token=canary-5up3r-s3cr3t",
            headers=Headers([("Authorization", "Bearer canary-5up3r-s3cr3t"), ("Accept", "*/*")]),
        ),
    )
    assert "canary" not in har.entry_text(leaking)


def test_status_of_a_refusal_is_kept_as_the_server_sent_it(exchanges: Recorded) -> None:
    text = har.entry(exchanges("get_pods_forbidden")[-1])["response"]["content"]["text"]
    assert json.loads(text)["reason"] == "Forbidden"


def test_body_that_was_cut_says_so(exchanges: Recorded) -> None:
    assert har.entry(exchanges("get_pods")[0])["response"]["content"]["comment"]
