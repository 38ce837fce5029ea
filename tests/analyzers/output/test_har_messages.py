"""WebSocket messages in a HAR: as Chrome writes them, and without what they say."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from analyzers.decode.upgraded import message_log
from analyzers.decode.upgraded.reader import UpgradedReader
from analyzers.exchange import Exchange, Headers
from analyzers.output import har
from analyzers.streams.message import BINARY, Message
from analyzers.streams.upgraded import Upgraded
from tests import har_schema
from tests.analyzers.decode.upgraded.recorded import NAMES
from tests.har_of_recordings import STARTED, upgraded

WEBSOCKET = [name for name in NAMES if "websocket" in name or "base64" in name or name.startswith("1.36")]
TYPED = "typed by a person"


def messages(exchange: Exchange) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = har.entry(exchange)["_webSocketMessages"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_entry_of_a_real_connection_is_as_the_specification_and_chrome_have_it(name: str) -> None:
    exchange = upgraded(name)
    entry = json.loads(har.entry_text(exchange))
    assert har_schema.entry_faults(entry) == []
    websocket = exchange.request.headers.get("Upgrade").lower() == "websocket"
    assert ("_webSocketMessages" in entry) == (entry["request"]["url"].startswith("wss://")) == websocket


@pytest.mark.parametrize("name", WEBSOCKET)
def test_what_was_typed_printed_or_forwarded_is_in_no_message(name: str) -> None:
    text = json.dumps(messages(upgraded(name)))
    stdout = "".join(map(str, range(100, 110)))
    for word in (TYPED, "GET / HTTP", "\\n1\\n2\\n3", stdout):
        assert word not in text
        assert base64.b64encode(word.encode()).decode() not in text


def test_message_tells_when_which_way_and_how_much_on_which_channel() -> None:
    found = messages(upgraded("1.36_exec_exit_3"))
    assert found[1] == {
        "type": "receive",
        "time": STARTED + 0.5,
        "opcode": 1,
        "data": "[stdout: 693 bytes, left out]",
        "_opcode": 2,
        "_bytes": 693,
        "_channel": "stdout",
    }
    assert [one.get("_channel") for one in found] == ["stdout", "stdout", "stderr", "error", None]


def test_error_channel_says_how_it_went_and_the_close_frame_its_code() -> None:
    *_, error, close = messages(upgraded("1.36_exec_exit_3"))
    assert json.loads(error["data"])["status"] == "Failure"
    assert (close["opcode"], close["data"]) == (8, "1000")


def test_message_to_a_channel_that_ends_another_is_named_by_its_number() -> None:
    channels = {one.get("_channel") for one in messages(upgraded("1.36_exec_stdin"))}
    assert {"stdin", "channel 255"} <= channels


def test_forwarded_port_is_told_in_bytes_alone() -> None:
    found = messages(upgraded("v4_websocket_port_forward"))
    assert any(one["_channel"].startswith("port ") and one["type"] == "send" for one in found if "_channel" in one)
    assert all(one["data"].endswith("left out]") for one in found if one["opcode"] == 1)


def test_secret_in_what_the_error_channel_says_is_hidden() -> None:
    exchange = upgraded("1.36_exec_exit_3")
    assert exchange.response is not None
    assert isinstance(exchange.response.stream, Upgraded)
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ"
    status = json.dumps({"kind": "Status", "status": "Failure", "message": f"no such user {token}"}).encode()
    stream = replace(exchange.response.stream, status=status)
    said = json.dumps(messages(replace(exchange, response=replace(exchange.response, stream=stream))))
    assert "no such user" in said
    assert token not in said


def test_only_the_first_and_the_latest_messages_are_there_and_the_gap_is_said() -> None:
    log = message_log.MessageLog()
    for number in range(1000):
        log.now = STARTED + number
        log.add(0, BINARY, number, "stdin")
    told = log.messages
    assert [one.size for one in told.first] == list(range(message_log.MOST))
    assert [one.size for one in told.latest] == list(range(1000 - message_log.MOST, 1000))
    exchange = upgraded("1.36_exec_stdin")
    assert exchange.response is not None
    assert isinstance(exchange.response.stream, Upgraded)
    stream = replace(exchange.response.stream, messages=told)
    long = replace(exchange, response=replace(exchange.response, stream=stream))
    found = messages(long)
    assert len(found) == 2 * message_log.MOST + 1
    gap = found[message_log.MOST]
    assert (gap["data"], gap["_leftOut"]) == ("[800 messages not kept]", 800)
    assert har_schema.entry_faults(har.entry(long)) == []


def test_message_in_parts_is_one_message() -> None:
    asked = Headers([("Upgrade", "websocket")])
    answer = Headers([("Upgrade", "websocket"), ("Sec-WebSocket-Protocol", "v4.channel.k8s.io")])
    reader = UpgradedReader("/api/v1/namespaces/n/pods/p/exec", asked, answer)
    for at, frame in enumerate([b"\x02\x03\x01ab", b"\x89\x01p", b"\x80\x02cd"], start=5):
        reader.feed_server(frame, float(at))
    told = reader.upgraded.messages
    assert told is not None
    assert told.first == (Message(time=7.0, side="server", opcode=BINARY, size=5, label="stdout"),)
