"""The HAR: true to the specification, whole after every entry, with the findings and without secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analyzers.classify import classify
from analyzers.command import Story
from analyzers.exchange import Exchange, Failure, Headers, Request, Response, Timing
from analyzers.left_out import LeftOut, Span
from analyzers.output import har
from tests import har_schema

type Told = Callable[[str], Story]
type Recorded = Callable[[str], tuple[Exchange, ...]]

STORIES = sorted(path.stem for path in (Path(__file__).parents[1] / "stories").glob("*.http"))


@pytest.mark.parametrize("bodies", [False, True])
@pytest.mark.parametrize("name", STORIES)
def test_document_is_as_the_specification_has_it_for_every_recording(name: str, bodies: bool, story: Told) -> None:
    log = har_schema.check(har.document(story(name), "1.0", bodies=bodies))
    assert log["creator"] == {"name": "mitmkube", "version": "1.0"}
    assert len(log["entries"]) == len(story(name).verdicts) + len(story(name).asked)


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
    beginning = replace(zipped, body=body[:100], body_complete=False)
    counted = har.entry(replace(exchange, response=replace(beginning, decoded_bytes=1600)))["response"]["content"]
    assert (counted["size"], counted["compression"]) == (1600, 1510)
    unknown = har.entry(replace(exchange, response=beginning))["response"]["content"]
    assert unknown["size"] == -1
    assert "compression" not in unknown


def test_failed_request_has_status_0_and_the_error() -> None:
    refused = Exchange(
        id=1,
        request=Request(method="CONNECT", host="127.0.0.1", port=1, path="127.0.0.1:1"),
        failure=Failure(phase="dial", message="dial tcp 127.0.0.1:1: connect: connection refused"),
    )
    entry = har.entry(refused, classify(refused))
    assert har_schema.entry_faults(entry) == []
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
    entry = har.entry(exchanges("get_pods")[0], bodies=True)
    assert entry["response"]["content"]["comment"] in (
        "the beginning only",
        "not kept",
        "left out: it may hold secrets",
    )


def test_bodies_are_left_out_but_for_those_of_refusals(story: Told) -> None:
    entries = json.loads(har.document(story("replace_conflict")))["log"]["entries"]
    shown = [entry["response"]["status"] for entry in entries if entry["response"]["content"].get("text")]
    assert shown
    assert all(status >= 400 for status in shown)
    sent = [entry["request"]["postData"] for entry in entries if "postData" in entry["request"]]
    assert sent
    assert {data["text"] for data in sent} == {""}
    assert {data["comment"] for data in sent} == {"left out; --bodies keeps it, redacted"}


def test_body_that_is_asked_for_is_there_without_its_secrets(story: Told) -> None:
    well = json.loads(har.document(story("get_secret"), bodies=True))["log"]["entries"]
    assert any(entry["response"]["content"].get("text") for entry in well if entry["response"]["status"] == 200)
    assert "Y2FuYXJ5" not in json.dumps(well)


def test_size_of_a_body_is_told_also_where_it_is_left_out(exchanges: Recorded) -> None:
    exchange = exchanges("get_pods")[-1]
    bare, full = (har.entry(exchange, bodies=bodies)["response"] for bodies in (False, True))
    assert "text" not in bare["content"]
    assert full["content"]["text"]
    assert bare["content"]["size"] == full["content"]["size"] > 0
    assert bare["bodySize"] == full["bodySize"]


def test_page_of_somebody_else_is_kept(exchanges: Recorded) -> None:
    page = b"<html><head><title>Sign in</title></head></html>"
    headers = Headers([("Content-Type", "text/html; charset=utf-8")])
    answer = Response(status=200, headers=headers, body=page, body_bytes=len(page))
    entry = har.entry(replace(exchanges("get_pods")[-1], response=answer))
    assert "Sign in" in entry["response"]["content"]["text"]


def test_archive_tells_names_and_versions_of_what_its_bodies_held(exchanges: Recorded) -> None:
    exchange = exchanges("get_pods")[-1]
    body = (
        b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c","namespace":"n","resourceVersion":"7",'
        b'"annotations":{"note":"canary"}},"data":{"key":"canary"},"immutable":true}'
    )
    headers = Headers([("Content-Type", "application/json")])
    read = replace(exchange, response=Response(status=200, headers=headers, body=body, body_bytes=len(body)))
    text = har.entry_text(read)
    assert json.loads(text)["_mitmkube"]["response"]["outline"] == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "c", "namespace": "n", "resourceVersion": "7"},
    }
    assert "canary" not in text
    assert "outline" not in har.entry(read, bodies=True)["_mitmkube"].get("response", {})
