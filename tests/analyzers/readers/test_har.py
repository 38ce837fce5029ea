"""mitmkube's own archive is read back as the story that it was written from, on every recording there is."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from analyzers import grouping
from analyzers.command import CommandInfo, Story, display_argv
from analyzers.exchange import Exchange, Headers, Request, Response
from analyzers.explain import explain
from analyzers.kubeconfig.credential_source import CredentialSource
from analyzers.output import har
from analyzers.output.json import document, finding_object
from analyzers.readers import har as reader
from analyzers.readers import wire_text
from analyzers.readers.passage import Passage
from analyzers.readers.recognise import recognise
from analyzers.readers.source import Source

ROOT = Path(__file__).parents[3]
RECORDINGS = sorted(
    [*(ROOT / "tests/analyzers").glob("**/*.http"), *(ROOT / "mitmkube/demo/recordings").glob("*/*.http")]
)
REFUSALS_IN_WORDS = sorted(
    path
    for path in (ROOT / "tests/analyzers/rules").glob("*/*.http")
    if "\n< Content-Type: text/plain" in path.read_text() and "\n< {" not in path.read_text()
)
# Where the report compares what objects said, which only an archive with bodies holds.
COMPARED = {
    "stories-apply_conflict_asked", "stories-replace_conflict", "stories-replace_conflict_asked",
    "stories-update_overtaken", "stories-update_own_write",
}  # fmt: skip
type Recorded = Callable[[str], tuple[Exchange, ...]]


def identity(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def story_of(path: Path) -> Story:
    """As the command was told live; what is known of it stands in the recording's ``# command`` line."""
    text = path.read_text("utf-8")
    info = CommandInfo()
    for line in text.splitlines():
        if line.startswith("# command "):
            told = json.loads(line.removeprefix("# command "))
            info = CommandInfo(
                argv=display_argv(told["argv"]),
                exit_status=told["exit_status"],
                server=told["server"],
                context="dev",
                cluster="dev",
            )
    return Story.of(wire_text.read(text), info)


def read(text: str | bytes) -> list[Passage]:
    content = text.encode("utf-8", "replace") if isinstance(text, str) else text
    return list(reader.read(Source(io.BytesIO(content))))


def again(text: str) -> Story:
    (passage,) = read(text)
    assert not passage.notes
    return Story.of(passage.exchanges, passage.info)


def findings(story: Story) -> Any:
    told = document(story)
    return told["findings"], told["cause"], told["notes"]


def explained(*passages: Passage) -> list[Any]:
    return [([finding_object(one) for one in item.findings], item.notes) for item in explain(passages)]


@pytest.mark.parametrize("path", RECORDINGS, ids=identity)
def test_archive_of_a_recording_gives_the_findings_of_the_live_run(path: Path) -> None:
    live = story_of(path)
    text = har.document(live, "1.0", bodies=identity(path) in COMPARED)
    assert findings(again(text)) == findings(live)
    exchanges = tuple(verdict.exchange for verdict in (*live.verdicts, *live.asked))
    assert explained(*read(text)) == explained(Passage(kind="har", exchanges=exchanges, info=live.info))


@pytest.mark.parametrize("path", RECORDINGS, ids=identity)
def test_archive_with_all_bodies_gives_the_findings_of_the_live_run(path: Path) -> None:
    live = story_of(path)
    assert findings(again(har.document(live, "1.0", bodies=True))) == findings(live)


@pytest.mark.parametrize("path", RECORDINGS, ids=identity)
def test_archive_without_bodies_leaves_every_step_in_its_state_and_compares_no_objects(path: Path) -> None:
    live = story_of(path)
    told, expected = document(again(har.document(live, "1.0"))), document(live)
    states = [[(step["step"], step["state"]) for step in one["steps"]] for one in (told, expected)]
    assert states[0] == states[1]
    assert {json.dumps(request["admission"]) for request in told["requests"]} <= {"null"}


@pytest.mark.parametrize("name", sorted(COMPARED))
def test_archive_without_bodies_tells_the_cause_without_the_values_that_were_compared(name: str) -> None:
    (path,) = (path for path in RECORDINGS if identity(path) == name)
    live = story_of(path)
    told, _, notes = findings(again(har.document(live, "1.0")))
    expected, _, expected_notes = findings(live)
    assert [one["rule"] for one in told] == [one["rule"] for one in expected]
    assert told != expected
    assert notes == expected_notes


@pytest.mark.parametrize("path", RECORDINGS, ids=identity)
def test_archive_that_was_cut_off_before_its_command_ended_gives_the_findings_so_far(path: Path) -> None:
    exchanges = wire_text.read(path.read_text("utf-8"))
    entries = [har.entry_text(one, bodies=identity(path) in COMPARED) for one in exchanges]
    partial = har.head("1.0") + har.SEPARATOR.join(entries) + har.TAIL
    assert findings(again(partial)) == findings(Story.of(exchanges))


@pytest.mark.parametrize("place", ["/api/v1/namespaces/prod/secrets/db", "/api/v1/namespaces/prod/pods/web/exec"])
@pytest.mark.parametrize("path", REFUSALS_IN_WORDS, ids=identity)
def test_refusal_in_plain_words_is_kept_where_other_text_is_left_out(path: Path, place: str) -> None:
    exchange = wire_text.read(path.read_text("utf-8"))[-1]
    if "/pods/" in exchange.request.path:
        place = "/api/v1/namespaces/prod/pods/web/log"  # a kubelet's words; nobody says them of anything else
    moved = replace(exchange, request=replace(exchange.request, path=place))
    live = Story.of([moved])
    assert findings(again(har.document(live))) == findings(live)


@pytest.mark.parametrize(
    "place", ["/api/v1/namespaces/prod/services/web/proxy/login", "/api/v1/namespaces/prod/pods/web:80/proxy/"]
)
def test_answer_of_an_application_is_left_out(place: str, exchanges: Recorded) -> None:
    exchange = exchanges("get_pods")[-1]
    said = b"wrong password for canary-of-the-application"
    response = Response(status=403, headers=Headers([("Content-Type", "text/plain")]), body=said, body_bytes=44)
    proxied = replace(exchange, request=replace(exchange.request, path=place), response=response)
    assert "canary" not in har.entry_text(proxied)


def test_service_that_the_api_server_could_not_reach_is_told_also_from_the_archive(exchanges: Recorded) -> None:
    # apimachinery, pkg/util/proxy/transport.go
    said = b"error trying to reach service: dial tcp 10.244.0.5:80: connect: connection refused"
    exchange = exchanges("get_pods")[-1]
    response = Response(status=503, headers=exchange.response.headers, body=said, body_bytes=len(said))  # type: ignore[union-attr]
    path = "/api/v1/namespaces/prod/services/web/proxy/"
    live = Story.of([replace(exchange, request=replace(exchange.request, path=path), response=response)])
    assert live.finding is not None
    assert findings(again(har.document(live))) == findings(live)


def test_command_is_read_back_as_it_was_written(exchanges: Recorded) -> None:
    info = CommandInfo(
        argv=("kubectl", "get", "pods"),
        context="dev",
        cluster="kind",
        server="https://127.0.0.1:6443",
        user="jane",
        credential=CredentialSource(user="jane", kinds=("exec",), plugin=("aws", "eks"), options=(("--region", "x"),)),
        namespace="prod",
        kubeconfig=("/home/jane/.kube/config",),
        exit_status=1,
        started=1795377242.5,
        ended=1795377243.25,
        notices=("A notice.",),
    )
    assert again(har.document(Story.of(exchanges("get_pods_forbidden"), info))).info == info


def test_partial_archive_says_nothing_of_the_command(exchanges: Recorded) -> None:
    text = har.head("1.0") + har.entry_text(exchanges("get_pods")[0]) + har.TAIL
    assert again(text).info == CommandInfo()


def test_what_the_rules_look_at_survives_the_file(exchanges: Recorded) -> None:
    exchange = replace(exchanges("expired_certificate")[-1], path_prefix="/k8s/clusters/c-1", live=True, cluster="dev")
    (passage,) = read(har.document(Story.of([exchange])))
    (found,) = passage.exchanges
    assert found.timing == exchange.timing
    assert found.connection == exchange.connection
    assert (found.id, found.cluster, found.path_prefix, found.live) == (exchange.id, "dev", "/k8s/clusters/c-1", True)
    assert found.request == exchange.request
    assert found.credential == exchange.credential


def test_certificates_are_written_once_a_connection_and_belong_to_all_of_its_requests(exchanges: Recorded) -> None:
    one = exchanges("expired_certificate")[-1]
    assert one.connection is not None
    fine = Response(status=200, headers=Headers([("Audit-Id", "1")]))
    pays = replace(one, id=1, response=fine, timing=replace(one.timing, connect=0.001))
    pays = replace(pays, connection=replace(one.connection, id="c1"))
    later = replace(pays, id=2, timing=replace(one.timing, connect=None, tls=None))
    text = har.document(Story.of([pays, later]))
    assert text.count('"clientCertificates"') == 1
    (passage,) = read(text)
    assert [found.connection for found in passage.exchanges] == [pays.connection, later.connection]


def test_address_of_the_server_is_written_with_and_without_a_port(exchanges: Recorded) -> None:
    exchange = exchanges("get_pods")[-1]
    assert exchange.connection is not None
    for peer, address in [
        ("10.0.0.1", "10.0.0.1"), ("10.0.0.1:6443", "10.0.0.1"), ("::1", "::1"), ("[::1]:6443", "::1"), ("", None),
    ]:  # fmt: skip
        entry = har.entry(replace(exchange, connection=replace(exchange.connection, peer=peer)))
        assert entry.get("serverIPAddress") == address


def test_many_sessions_of_one_command_are_one_story(exchanges: Recorded) -> None:
    exchange = exchanges("get_pods_forbidden")[-1]

    def of_session(number: int) -> Exchange:
        fields = [*exchange.request.headers, ("Kubectl-Session", f"session-{number}")]
        return replace(exchange, id=number, request=replace(exchange.request, headers=Headers(fields)))

    (passage,) = read(har.document(Story.of(map(of_session, (1, 2)))))
    assert len(passage.exchanges) == 2


# Files as they come


def test_line_of_the_failure_is_told(exchanges: Recorded) -> None:
    recorded = exchanges("get_pods_forbidden")
    text = har.document(Story.of(recorded))
    (item,) = explain(read(text))
    assert item.line == 1 + len(recorded)  # the head's line stands before them
    pretty = json.dumps(json.loads(text), indent=2)
    (item,) = explain(read(pretty))
    assert item.line is not None
    assert pretty.splitlines()[item.line - 1] == "      {"


def test_archive_is_read_the_same_on_one_line_and_indented_and_in_another_order(exchanges: Recorded) -> None:
    story = Story.of(exchanges("get_pods_forbidden"), CommandInfo(argv=("kubectl", "get", "pods"), exit_status=1))
    archive = json.loads(har.document(story))
    last = {"log": {"entries": archive["log"].pop("entries")} | archive["log"] | {"pages": [{"id": "p"}] * 3}}
    for text in (json.dumps(last), json.dumps(last, indent="\t"), "\ufeff" + json.dumps(last, sort_keys=True)):
        assert findings(again(text)) == findings(story)
        assert again(text).info == story.info


@pytest.mark.parametrize("step", [97])
def test_archive_cut_off_anywhere_yields_what_stands_before_and_says_where(step: int, exchanges: Recorded) -> None:
    text = har.document(Story.of(exchanges("apply_creates")), "1.0").encode()
    whole = text.rstrip(b"\n")
    before = text.index(b'"entries"')
    for end in range(before + 20, len(whole), step):
        *told, cut = read(text[:end])
        found = [one for passage in told for one in passage.exchanges]
        assert len(found) in (text[:end].count(b"\n{"), text[:end].count(b"\n{") - 1)
        (note,) = cut.notes
        assert f"ends in the middle of line {cut.line}:" in note
        assert cut.line == text[:end].count(b"\n") + 1


def test_archive_broken_inside_yields_what_stands_before_and_says_where(exchanges: Recorded) -> None:
    lines = har.document(Story.of(exchanges("apply_creates"))).split("\n")
    lines[3] = lines[3].replace('"request":', '"request"', 1)
    *told, broken = read("\n".join(lines))
    assert sum(len(passage.exchanges) for passage in told) == 2
    assert broken.line == 4
    assert "is broken in line 4" in broken.notes[0]


def test_every_moment_of_a_partial_file_is_read_without_a_note(exchanges: Recorded) -> None:
    text = har.head("1.0")
    for count, exchange in enumerate(exchanges("apply_creates"), start=1):
        text += (har.SEPARATOR if count > 1 else "") + har.entry_text(exchange)
        (passage,) = read(text + har.TAIL)
        assert (len(passage.exchanges), passage.notes) == (count, ())


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (b"", "ends in the middle of line 1"),
        (b'{"log": {"entries": [1, "x", {"request": 3}, {}]}}', "4 entries are none"),
        (b'{"log": {"entries": {"a": 1}}}', ""),
        (b'{"log": [1]}', ""),
        (b'{"log": {"entries": [' + b"[" * 200_000, "is broken in line 1"),
        (b'{"log": {"entries": [{"request": "' + b"x" * 3_000_000, "ends in the middle of line 1"),
        (b'{"log": {"entries": [{"request": {"bodySize": ' + b"9" * 5000 + b"}}]}}", ""),
        (b'{"log": {"entries": [\xff\xfe]}}', "is broken in line 1"),
        (b'{"log": {"entries": [NaN, Infinity, -1e999]}}', "3 entries are none"),
    ],
)
def test_archive_that_is_none_is_said_to_be_so(content: bytes, note: str) -> None:
    said = [one for passage in read(content) for one in passage.notes]
    assert any(note in one for one in said) if note else not any("broken" in one for one in said)


# Memory


class Endless:
    """An archive of ``count`` entries that exists only while it is read."""

    def __init__(self, head: str, entry: bytes, count: int, tail: str) -> None:
        self._parts = iter([head.encode(), *[entry] * count, tail.encode()])
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (part := next(self._parts, None)) is not None:
            self._rest += part
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


def held_at_most(source: Source) -> int:
    """Bytes that reading holds at its height."""
    import tracemalloc

    tracemalloc.start()
    try:
        for _ in reader.read(source):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_foreign_archive_is_read_in_memory_that_does_not_grow_with_it(
    exchanges: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "MOST_EXCHANGES", 50)
    entry = har.entry(exchanges("get_pods")[-1])
    entry["response"]["content"]["text"] = "x" * 100_000
    del entry["_mitmkube"]
    text = (json.dumps(entry) + ",\n").encode()
    head = '{"log": {"version": "1.2", "creator": {"name": "WebInspector"}, "entries": [\n'
    small = held_at_most(Source(Endless(head, text, 100, "{}]}}")))
    large = held_at_most(Source(Endless(head, text, 400, "{}]}}")))
    assert large < small * 1.2


def test_value_of_many_blocks_is_read_whole() -> None:
    body = "x" * 5_000_000
    entry = {
        "request": {"method": "GET", "url": "https://h/api/v1/pods"},
        "response": {"status": 200, "content": {"text": body}},
    }
    (passage,) = read(json.dumps({"log": {"entries": [entry, entry]}}))
    assert [len(one.response.body) for one in passage.exchanges if one.response and one.response.body] == [
        5_000_000
    ] * 2


def test_bodies_of_a_long_story_are_let_go_but_those_of_failures(
    monkeypatch: pytest.MonkeyPatch, exchanges: Recorded
) -> None:
    monkeypatch.setattr(reader, "MOST_BYTES", 1)
    fine, refused = exchanges("get_pods")[-1], exchanges("get_pods_forbidden")[-1]
    story = Story.of([replace(fine, id=1), replace(fine, id=2), replace(refused, id=3)])
    (passage,) = read(har.document(story))
    kept = [one.response is not None and one.response.body is not None for one in passage.exchanges]
    assert kept == [True, False, True]


def test_command_of_very_many_requests_is_told_in_parts(monkeypatch: pytest.MonkeyPatch, exchanges: Recorded) -> None:
    monkeypatch.setattr(reader, "MOST_EXCHANGES", 2)
    one = exchanges("get_pods")[-1]
    first, second = read(har.document(Story.of(replace(one, id=number) for number in (1, 2, 3))))
    assert [len(passage.exchanges) for passage in (first, second)] == [2, 1]
    assert "told in parts" in first.notes[0]


def test_own_and_foreign_archives_are_recognised(exchanges: Recorded) -> None:
    text = har.document(Story.of(exchanges("get_pods")))
    assert recognise(text.encode()) == "har"
    assert recognise(json.dumps(json.loads(text), indent=4).encode()) == "har"


def test_secret_of_an_archive_that_only_claims_to_be_ours_does_not_reach_an_exchange() -> None:
    entry = {
        "request": {
            "method": "GET",
            "url": "https://user:canary@127.0.0.1:6443/api/v1/pods?token=canary",
            "headers": [{"name": "Authorization", "value": "Bearer canary"}, {"name": "cookie", "value": "canary"}],
        },
        "response": {"status": 200, "headers": [{"name": "Set-Cookie", "value": "a=canary"}]},
        "_mitmkube": {"credential": None},
    }
    (passage,) = read(json.dumps({"log": {"creator": {"name": "mitmkube"}, "entries": [entry]}}))
    (exchange,) = passage.exchanges
    assert "canary" not in repr(exchange)
    assert "canary" not in wire_text.write([exchange])
    assert exchange.credential is not None
    assert exchange.credential.kind == "opaque-token"


def test_requests_keep_the_order_of_their_ids() -> None:
    entry = {"request": {"method": "GET", "url": "https://h/api/v1/pods"}, "response": {"status": 200}}
    passages = read(json.dumps({"log": {"entries": [entry] * 5}}))
    numbers = [one.id for passage in passages for one in passage.exchanges]
    assert numbers == [1, 2, 3, 4, 5]
    assert all(earlier < later for earlier, later in pairwise(numbers))


def test_unknown_request_is_written_and_read_as_unknown() -> None:
    exchange = Exchange(id=1, request=Request(method="", path=""), response=Response(status=403))
    (passage,) = read(har.document(Story.of([exchange])))
    assert not passage.exchanges[0].request.known


@pytest.mark.parametrize(
    "message",
    [
        'Secret "db" is invalid: data[.x]: Invalid value: "canary-5up3r": not allowed',
        'Secret "db" is invalid: type: Unsupported value: ["canary-5up3r"]: supported values: "Opaque"',
        'Secret "db" is invalid: data: Invalid value: "canary-5up3r, and it goes on',
    ],
)
def test_value_that_a_refusal_quotes_from_a_secret_is_neither_in_the_report_nor_in_the_archive(
    message: str, exchanges: Recorded
) -> None:
    exchange = exchanges("get_pods_forbidden")[-1]
    said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Invalid", "code": 422}
    content = json.dumps(said | {"message": message}).encode()
    response = Response(status=422, headers=exchange.response.headers, body=content, body_bytes=len(content))  # type: ignore[union-attr]
    request = replace(exchange.request, method="PUT", path="/api/v1/namespaces/prod/secrets/db")
    live = Story.of([replace(exchange, request=request, response=response)])
    text = har.document(live)
    assert "canary" not in json.dumps(document(live)) + text
    assert findings(again(text)) == findings(live)
