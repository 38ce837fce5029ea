"""The audit log reader, on what a kube-apiserver logged of requests whose answers are known (audit/answers.http).

``python -m tests.cluster.record_audit`` records both anew.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers.classify import classify
from analyzers.decode import audit_event
from analyzers.exchange import Exchange
from analyzers.explain import Item, explain
from analyzers.readers import audit, wire_text
from analyzers.readers.audit_lines import Broken, documents
from analyzers.readers.passage import Passage
from analyzers.readers.recognise import recognise
from analyzers.readers.source import BLOCK, LONGEST_LINE, Source

FOLDER = Path(__file__).parent / "audit"
LOG = (FOLDER / "audit.log").read_bytes()
EVENTS: list[dict[str, Any]] = [json.loads(line) for line in LOG.splitlines()]
REFUSED = {event["auditID"]: event for event in EVENTS if event.get("responseStatus", {}).get("code", 0) >= 400}
ANSWERS = {
    answer.response.headers.get("Audit-Id"): answer
    for answer in wire_text.read((FOLDER / "answers.http").read_text("utf-8"))
    if answer.response is not None
}
# The header that the client sent and the server missed is in no log of the server.
SEEN_BY_THE_CLIENT_ONLY = {"network-upgrade-stripped"}


def read(log: bytes) -> list[Passage]:
    return list(audit.read(Source(io.BytesIO(log))))


def told(log: bytes) -> list[Item]:
    return list(explain(audit.read(Source(io.BytesIO(log)))))


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event, separators=(",", ":")).encode() + b"\n" for event in events)


def notes(passages: list[Passage]) -> str:
    return "\n".join(note for passage in passages for note in passage.notes)


def refused(log: bytes) -> list[Passage]:
    return [passage for passage in read(log) if passage.exchanges]


def only(passages: list[Passage]) -> Passage:
    (found,) = [passage for passage in passages if passage.exchanges]
    return found


def code(passage: Passage) -> int:
    response = passage.exchanges[0].response
    return response.status if response is not None else 0


def refusal(status: int, **fields: Any) -> dict[str, Any]:
    """The first recorded event with this status, with some fields changed."""
    found = next(event for event in REFUSED.values() if event["responseStatus"]["code"] == status)
    return {**found, **fields}


def clean(**fields: Any) -> dict[str, Any]:
    found = next(event for event in EVENTS if event.get("responseStatus", {}).get("code") == 200)
    return {**found, **fields}


def denied(user: str, number: int = 1, **fields: Any) -> dict[str, Any]:
    """The recorded refusal of jane, of somebody else, as their ``number``-th request."""
    event = next(
        event
        for event in REFUSED.values()
        if event["user"].get("username") == "jane"
        and 'cannot get resource "pods" in API group "" in the namespace' in event["responseStatus"]["message"]
    )
    renamed = json.loads(json.dumps(event).replace("jane", user))
    return {**renamed, "auditID": f"{user}-{number}", **fields}


# One event


@pytest.mark.parametrize("audit_id", ANSWERS)
def test_event_is_classified_as_the_answer_that_the_client_got(audit_id: str) -> None:
    live = classify(ANSWERS[audit_id])
    event = audit_event.decode(REFUSED[audit_id])
    assert event is not None
    logged = classify(audit_event.exchange(event))
    assert live, "the recording holds refusals that a rule knows"
    if live[0].rule in SEEN_BY_THE_CLIENT_ONLY:
        assert logged[0].category != "rbac"
        return
    assert [finding.category for finding in logged] == [finding.category for finding in live]


@pytest.mark.parametrize("audit_id", ANSWERS)
def test_request_and_status_are_those_of_the_wire(audit_id: str) -> None:
    answer = ANSWERS[audit_id]
    event = audit_event.decode(REFUSED[audit_id])
    assert event is not None
    logged = audit_event.exchange(event)
    assert answer.response is not None
    assert logged.response is not None
    assert (logged.request.method, logged.request.path) == (answer.request.method, answer.request.path)
    assert logged.response.status == answer.response.status
    assert logged.response.headers.get("Audit-Id") == audit_id
    if logged.response.body is not None:
        assert json.loads(logged.response.body)["message"] == said(answer)


def said(answer: Exchange) -> str:
    assert answer.response is not None
    assert answer.response.body is not None
    return str(json.loads(answer.response.body)["message"])


def test_time_is_from_the_arrival_to_the_stage() -> None:
    event = audit_event.decode(
        refusal(
            403,
            requestReceivedTimestamp="2026-01-01T00:00:00.000000Z",
            stageTimestamp="2026-01-01T00:00:01.250000Z",
        )
    )
    assert event is not None
    timing = audit_event.exchange(event).timing
    assert timing.started == 1767225600
    assert timing.wait == pytest.approx(1.25)


def test_impersonated_user_is_in_the_headers_that_asked_for_it() -> None:
    event = next(event for event in REFUSED.values() if event.get("impersonatedUser", {}).get("username") == "jane")
    decoded = audit_event.decode(event)
    assert decoded is not None
    assert audit_event.exchange(decoded).request.headers.get("Impersonate-User") == "jane"
    assert "admin acting as jane" in notes(read(lines(event)))


@pytest.mark.parametrize("document", [None, [], "x", {}, {"auditID": 1}, {"auditID": "a", "verb": []}])
def test_what_is_no_event_is_none(document: object) -> None:
    assert audit_event.decode(document) is None


def test_event_of_nothing_but_an_id_is_an_exchange_without_an_answer() -> None:
    event = audit_event.decode({"auditID": "a", "user": [], "objectRef": 1, "annotations": "", "responseStatus": []})
    assert event is not None
    assert audit_event.exchange(event).response is None


# A log


def test_recorded_log_is_recognised_and_each_refusal_is_found_in_its_line() -> None:
    assert recognise(LOG[:65536]) == "audit-log"
    passages = [passage for passage in read(LOG) if passage.exchanges]
    # Every refusal is told or known to have been made good for: nothing gets lost.
    cured = 2
    assert sum(passage.count for passage in passages) == len(REFUSED) - cured
    for passage in passages:
        assert passage.line is not None
        event = EVENTS[passage.line - 1]
        answer = passage.exchanges[0].response
        assert answer is not None
        assert answer.headers.get("Audit-Id") == event["auditID"]


def test_log_without_a_failure_has_no_passage() -> None:
    good = [event for event in EVENTS if event["auditID"] not in REFUSED]
    assert [passage.exchanges for passage in read(lines(*good))] == [()]
    (item,) = told(lines(*good))
    assert (item.kind, item.notes) == ("audit-log", ("no failure was found in it",))


def test_stages_of_one_request_are_one_exchange() -> None:
    event = refusal(403, auditID="one")
    started, complete = {**event, "stage": "ResponseStarted"}, {**event, "stage": "ResponseComplete"}
    received = {key: value for key, value in event.items() if key != "responseStatus"} | {"stage": "RequestReceived"}
    assert only(read(lines(received, started, complete))).count == 1


def test_unauthorized_request_has_only_its_first_stage_and_is_found() -> None:
    event = next(event for event in REFUSED.values() if event["responseStatus"]["code"] == 401 and not event["user"])
    assert event["stage"] == "ResponseStarted"
    (item,) = told(lines(event))
    assert item.findings[0].category == "auth"


def test_equal_refusals_of_one_client_are_one_passage_with_a_count() -> None:
    log = lines(clean(), *(denied("robot", number) for number in range(1000)), clean())
    passage = only(read(log))
    assert (passage.line, passage.count, passage.last_line) == (2, 1000, 1001)


def test_refusals_of_two_clients_are_two_passages() -> None:
    passages = refused(lines(denied("robot"), denied("jane"), denied("robot", 2, userAgent="another-program/v1")))
    assert [passage.count for passage in passages] == [1, 1, 1]


def test_same_refusal_in_other_namespaces_is_one_passage_that_names_them() -> None:
    def elsewhere(number: int) -> dict[str, Any]:
        event = json.loads(json.dumps(denied("robot", number)).replace("default", f"team-{number}"))
        assert event["objectRef"]["namespace"] == f"team-{number}"
        return dict(event)

    passages = read(lines(denied("robot"), *(elsewhere(number) for number in range(1, 6))))
    assert only(passages).count == 6
    assert "the same in 5 other namespaces: team-1, team-2, team-3, …" in notes(passages)


def test_same_code_for_another_reason_is_another_passage() -> None:
    other = next(
        event
        for event in REFUSED.values()
        if event["responseStatus"]["code"] == 403 and "exceeded quota" in event["responseStatus"].get("message", "")
    )
    same_client = {key: denied("jane")[key] for key in ("user", "userAgent", "verb", "objectRef")}
    assert len(refused(lines(denied("jane"), {**other, **same_client}))) == 2


def test_panic_is_told_in_the_servers_words() -> None:
    # Wording: k8s.io/apiserver, pkg/endpoints/filters/audit.go, 1.33.
    status = {"metadata": {}, "status": "Failure", "message": "APIServer panic'd: boom", "reason": "InternalError"}
    (item,) = told(lines(clean(stage="Panic", responseStatus={**status, "code": 500})))
    assert item.findings[0].category == "health"
    assert "the API server's handler broke: APIServer panic'd: boom" in item.notes


def test_request_that_ended_before_an_answer_is_counted_and_no_failure() -> None:
    # Wording: k8s.io/apiserver, pkg/endpoints/filters/audit.go, 1.33.
    status = {"metadata": {}, "status": "Success", "message": "Connection closed early", "code": 200}
    passages = read(lines(clean(stage="ResponseComplete", responseStatus=status)))
    assert [passage.exchanges for passage in passages] == [()]
    assert "1 requests ended before anything was answered" in notes(passages)


def test_slow_failure_says_what_took_the_time() -> None:
    # Annotations: k8s.io/apiserver, pkg/endpoints/request/webhook_duration.go, 1.33.
    event = refusal(
        504,
        requestReceivedTimestamp="2026-01-01T00:00:00.000000Z",
        stageTimestamp="2026-01-01T00:00:03.000000Z",
        annotations={"apiserver.latency.k8s.io/etcd": "2.9s", "apiserver.latency.k8s.io/total": "3s"},
    )
    assert "the API server says how long each part took: etcd 2.9s, total 3s" in notes(read(lines(event)))


# What looks like a failure and is none


def made_good() -> list[dict[str, Any]]:
    """The recorded requests for the ConfigMap ``applied``: kubectl apply, then an update of an old version."""
    path = "/api/v1/namespaces/prod/configmaps"
    return [
        event
        for event in EVENTS
        if event["requestURI"].startswith(f"{path}/applied")
        or (event["verb"] == "create" and event["requestURI"].startswith(f"{path}?"))
    ]


def test_look_before_a_create_and_a_second_attempt_did_no_harm() -> None:
    passages = read(lines(*made_good()))
    assert [passage.exchanges for passage in passages] == [()]
    assert "2 failures did no harm: the same client made good for it" in notes(passages)


def test_what_did_no_harm_is_known_in_an_event_list_too() -> None:
    log = json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": made_good()}).encode()
    assert refused(log) == []
    assert "2 failures did no harm" in notes(read(log))


def test_long_refusal_is_kept_in_part() -> None:
    status = {**refusal(422)["responseStatus"], "message": "x" * 1_000_000}
    causes = [{"reason": "FieldValueInvalid", "message": "m" * 80, "field": "spec"}] * 100_000
    response = (
        only(read(lines(refusal(422, responseStatus={**status, "details": {"causes": causes}})))).exchanges[0].response
    )
    assert response is not None
    assert response.body is not None
    assert len(response.body) < 64 * 1024


def test_second_attempt_of_another_client_makes_good_for_nothing() -> None:
    stale = next(event for event in made_good() if event.get("responseStatus", {}).get("code") == 409)
    again = {**stale, "auditID": "again", "responseStatus": {"metadata": {}, "code": 200}}
    assert [passage.count for passage in read(lines(stale, {**again, "userAgent": "other"})) if passage.exchanges] == [
        1
    ]
    assert [passage for passage in read(lines(stale, again)) if passage.exchanges] == []


def test_one_that_harmed_is_shown_where_others_did_not() -> None:
    stale = next(event for event in made_good() if event.get("responseStatus", {}).get("code") == 409)
    again = {**stale, "auditID": "again", "responseStatus": {"metadata": {}, "code": 200}}
    passages = read(lines(stale, again, {**stale, "auditID": "for good"}))
    passage = only(passages)
    assert (passage.line, passage.count) == (3, 2)
    assert "1 of these 2 did no harm" in notes(passages)


def test_get_of_what_is_not_there_says_that_it_may_be_a_question() -> None:
    absent = next(
        event
        for event in REFUSED.values()
        if event["responseStatus"]["code"] == 404 and event["verb"] == "get" and event.get("objectRef", {}).get("name")
        and event["objectRef"]["name"] != "applied"
    )  # fmt: skip
    assert "often only a question" in notes(read(lines(absent)))


# Other forms


def test_event_list_of_a_webhook_has_the_refusals_of_its_items() -> None:
    sent = (FOLDER / "event_list.json").read_bytes()
    items = json.loads(sent)["items"]
    failed = {item["auditID"] for item in items if item.get("responseStatus", {}).get("code", 0) >= 400}
    assert failed
    assert recognise(sent[:65536]) == "audit-log"
    again = sent.replace(b'"auditID":"', b'"auditID":"again-')
    for form, times in ((sent, 1), (sent + b"\n" + again, 2), (indented(json.loads(sent)), 1)):
        passages = read(form)
        # One is the deployment controller's stale update, which it makes again.
        assert sum(passage.count for passage in passages if passage.exchanges) == times * (len(failed) - 1)
        assert "x 409 update deployments.apps/status by system:serviceaccount:kube-system" in notes(passages)


def indented(document: object) -> bytes:
    return json.dumps(document, indent=2).encode()


def test_indented_events_are_found_in_their_lines() -> None:
    log = indented(clean()) + b"\n" + indented(denied("jane"))
    passage = only(read(log))
    assert passage.line == indented(clean()).count(b"\n") + 2


def test_array_of_events_is_read() -> None:
    assert code(only(read(json.dumps([clean(), denied("jane")]).encode()))) == 403


@pytest.mark.parametrize(
    "wrap",
    [
        lambda event: {"log": json.dumps(event) + "\n", "stream": "stdout"},
        lambda event: {"time": "2026-01-01T00:00:00Z", "properties": {"log": json.dumps(event)}},
        lambda event: {"message": event, "host": "m1"},
        lambda event: {"log": json.dumps({"message": json.dumps(event)})},
    ],
)
def test_event_that_a_log_shipper_wrapped_is_read(wrap: Any) -> None:
    log = lines(wrap(clean()), wrap(denied("jane")))
    assert recognise(log) == "audit-log"
    assert code(only(read(log))) == 403


def test_time_before_each_event_is_passed_over() -> None:
    log = b"".join(b"2026-01-01T00:00:00.000Z " + line + b"\n" for line in lines(clean(), denied("jane")).splitlines())
    passages = read(log)
    assert recognise(log) == "audit-log"
    assert (only(passages).line, code(only(passages))) == (2, 403)
    assert notes(passages).count("is no audit event") == 0


def test_spaces_after_colons_hide_nothing() -> None:
    assert code(only(read(b"\xef\xbb\xbf" + json.dumps(denied("jane")).encode() + b"\r\n"))) == 403


# What is broken


def test_file_that_breaks_off_gives_what_is_before_the_break_and_says_where() -> None:
    whole = lines(denied("jane"), clean(), clean())
    passages = read(whole[:-200])
    assert only(passages).count == 1
    assert "the file breaks off in line 3; everything before it was read" in notes(passages)


def test_last_line_without_a_line_feed_is_read() -> None:
    assert only(read(lines(clean(), denied("jane")).rstrip(b"\n"))).line == 2


def test_line_that_is_no_event_is_named_and_the_rest_is_read() -> None:
    broken = lines(clean())[:300] + b"\n"
    passages = read(lines(clean()) + broken + lines(denied("jane")) + b"not JSON at all\n")
    assert only(passages).line == 3
    assert "line 2 is no audit event, and 1 more; the rest was read" in notes(passages)


def test_line_whose_beginning_is_missing_is_named() -> None:
    assert "line 2 is no audit event" in notes(read(lines(clean()) + lines(clean())[-150:] + lines(clean())))


def test_event_list_that_breaks_off_gives_the_items_before_the_break() -> None:
    sent = (FOLDER / "event_list.json").read_bytes()
    passages = read(sent[: int(len(sent) * 0.9)])
    assert [passage for passage in passages if passage.exchanges]
    assert "the file breaks off in line 1" in notes(passages)


# Bounds


def test_kinds_of_failures_beyond_the_bound_are_only_counted(monkeypatch) -> None:
    monkeypatch.setattr(audit, "MOST_GROUPS", 10)
    passages = read(lines(*(denied(f"user{number}") for number in range(25))))
    assert len([passage for passage in passages if passage.exchanges]) == 10
    assert "of the rest only the number is known: 15 x 403" in notes(passages)


def test_what_is_kept_does_not_grow_with_the_log(monkeypatch) -> None:
    monkeypatch.setattr(audit, "MOST_GROUPS", 20)
    log = audit._Log()
    stale = next(event for event in made_good() if event.get("responseStatus", {}).get("code") == 409)
    for number in range(30_000):
        path = f"/api/v1/namespaces/prod/configmaps/c{number}"
        event = {**stale, "auditID": str(number), "requestURI": path, "stage": "ResponseStarted"}
        event["objectRef"] = {**stale["objectRef"], "name": f"c{number}", "namespace": f"n{number}"}
        decoded = audit_event.decode(event)
        assert decoded is not None
        log.take(decoded, number)
    assert len(log._pending) <= audit._MOST_PENDING
    assert len(log._by_path) <= 2 * audit._MOST_PENDING
    assert len(log._started) <= audit._MOST_STARTED
    (group,) = log._groups.values()
    assert len(group.names) <= audit._MOST_NAMES + 1
    assert len(group.namespaces) <= audit._MOST_NAMES + 1


def test_line_that_is_too_long_is_one_line() -> None:
    long = b'{"auditID":"' + b"x" * (LONGEST_LINE + BLOCK)
    broken = Broken()
    assert not list(documents(Source(io.BytesIO(long)), broken, lambda _: True))
    assert (broken.first, broken.count, broken.ends_in) == (0, 0, 1)
    broken = Broken()
    (found,) = documents(Source(io.BytesIO(long + b'\n{"auditID":"1"}\n')), broken, lambda _: True)
    assert found[0] == 2
    assert (broken.first, broken.count, broken.ends_in) == (1, 1, 0)


# Whatever it is given

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("2026-01-01T00:00:00"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted({*REFUSED[next(iter(REFUSED))], "impersonatedUser", "requestObject", "annotations"})


@settings(max_examples=300, deadline=None)
@given(base=st.sampled_from(EVENTS), changed=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_event_with_any_values_is_read_and_explained(base: dict[str, Any], changed: dict[str, Any]) -> None:
    told(lines({**base, **changed}, clean()))


@settings(max_examples=300, deadline=None)
@given(
    start=st.sampled_from((LOG[-20_000:], (FOLDER / "event_list.json").read_bytes()[:8_000], b"", b'[{"auditID":')),
    place=st.integers(0, 20_000),
    inserted=st.binary(max_size=20) | st.sampled_from((b"\n", b"[", b"}", b'"', b"\xff", b'{"items":[', b"\\")),
    cut=st.integers(0, 2_000),
)
def test_any_bytes_are_read_without_an_error(start: bytes, place: int, inserted: bytes, cut: int) -> None:
    log = start[:place] + inserted + start[place + cut :]
    list(audit.read(Source(io.BytesIO(log))))
