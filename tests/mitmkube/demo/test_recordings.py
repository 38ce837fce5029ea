"""The recordings that come with the package, and how an answer is chosen among them."""

from __future__ import annotations

import base64
import json
import re

import pytest

from analyzers import redact
from analyzers.readers import wire_text
from mitmkube.demo.recorded import Recordings, recorded_files

FILES = {f"{asker}/{file.name}": file.read_text("utf-8") for asker, file in recorded_files()}
SECRET = re.compile(
    r"eyJ[\w-]+\.|PRIVATE KEY|bearer (?!token)|authorization:|set-cookie:|password|token:", re.IGNORECASE
)

PODS = "/api/v1/namespaces/prod/pods?limit=500"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;{};as=APIGroupDiscoveryList"


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    return Recordings.load()


@pytest.mark.parametrize("name", FILES)
def test_a_recording_is_wire_text(name: str) -> None:
    exchanges = wire_text.read(FILES[name])
    assert exchanges
    assert all(one.response is not None and one.response.headers.get("Audit-Id") for one in exchanges)


@pytest.mark.parametrize("name", FILES)
def test_a_recording_says_what_it_was_recorded_from(name: str) -> None:
    assert re.match(r"# recorded from kube-apiserver v1\.\d+\.\d+: \w", FILES[name])


@pytest.mark.parametrize("name", FILES)
def test_a_recording_holds_no_secret(name: str) -> None:
    binary = [
        base64.b64decode(part).decode("latin-1") for part in re.findall(r"^< ([A-Za-z0-9+/=]{60,})$", FILES[name], re.M)
    ]
    assert [found for text in (FILES[name], *binary) for found in SECRET.findall(text)] == []
    for exchange in wire_text.read(FILES[name]):
        assert exchange.credential is None
        assert exchange.connection is None
        shown = redact.exchange(exchange)
        assert shown.request.headers == exchange.request.headers


def test_an_answer_depends_on_who_asks(recordings: Recordings) -> None:
    statuses = {}
    for asker in ("admin", "jane", "unknown"):
        answer = recordings.answer(asker, "GET", PODS, TABLE)
        assert answer is not None
        statuses[asker] = answer.status
    assert statuses == {"admin": 200, "jane": 403, "unknown": 401}


def test_discovery_answers_everyone_who_is_known(recordings: Recordings) -> None:
    assert recordings.answer("jane", "GET", "/version", "") == recordings.answer("admin", "GET", "/version", "")


@pytest.mark.parametrize("asker", ["unknown", ""])
def test_discovery_does_not_answer_who_is_not_known(recordings: Recordings, asker: str) -> None:
    answer = recordings.answer(asker, "GET", "/apis/apps/v1", "")
    assert answer is None


def test_a_media_type_that_the_server_has_not_gives_way_to_the_next(recordings: Recordings) -> None:
    accept = f"{DISCOVERY.format('v=v2beta1')},application/json"
    answer = recordings.answer("admin", "GET", "/apis?timeout=32s", accept)
    assert answer is not None
    assert json.loads(answer.body or b"")["kind"] == "APIGroupList"


def test_the_first_media_type_that_the_server_has_is_answered(recordings: Recordings) -> None:
    accept = ",".join([DISCOVERY.format("v=v2"), DISCOVERY.format("v=v2beta1"), "application/json"])
    answer = recordings.answer("admin", "GET", "/apis?timeout=32s", accept)
    assert answer is not None
    assert json.loads(answer.body or b"")["kind"] == "APIGroupDiscoveryList"


@pytest.mark.parametrize("accept", ["", "*/*", "application/yaml, */*;q=0.1", "application/json"])
def test_json_is_answered_where_anything_will_do(recordings: Recordings, accept: str) -> None:
    answer = recordings.answer("admin", "GET", "/version", accept)
    assert answer is not None
    assert answer.headers.get("Content-Type") == "application/json"


def test_a_refusal_is_answered_whatever_form_was_wanted(recordings: Recordings) -> None:
    answer = recordings.answer("jane", "GET", PODS, "application/vnd.kubernetes.protobuf")
    assert answer is not None
    assert answer.status == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", PODS), ("GET", f"{PODS}&watch=true"), ("GET", f"{PODS}&labelSelector=a"), ("GET", "/nowhere")],
)
def test_nothing_is_made_up(recordings: Recordings, method: str, path: str) -> None:
    assert recordings.answer("admin", method, path, TABLE) is None
