"""What is told of connections between real clients and a real API server; the node is kwok's."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from analyzers.streams.upgraded import Upgraded
from tests.analyzers.decode.upgraded.recorded import NAMES, recording

KUBECTLS = {"1.27": "v4.channel.k8s.io over SPDY/3.1", "1.33": "v5.channel.k8s.io over WebSocket"}
KUBECTLS["1.36"] = KUBECTLS["1.33"]
FORWARDS = {"1.27": "portforward.k8s.io over SPDY/3.1", "1.36": "portforward.k8s.io over SPDY/3.1 in WebSocket"}
OLD = ("v1_websocket", "v1_base64", "v4_websocket", "v4_base64", "unnamed_websocket", "v1_spdy", "v2_spdy", "v3_spdy")
TYPED = "the-quick-brown-fox"


def counts(told: Upgraded) -> dict[str, tuple[int, int]]:
    return {channel.name: (channel.client_bytes, channel.server_bytes) for channel in told.channels}


def failure(told: Upgraded) -> dict[str, object]:
    assert told.failure_status is not None
    found = json.loads(told.failure_status)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("kubectl", KUBECTLS)
def test_command_that_succeeds_is_told_with_its_output(kubectl: str) -> None:
    told = recording(f"{kubectl}_exec").read()
    assert told.protocol == KUBECTLS[kubectl]
    assert counts(told)["stdout"] == (0, 692)
    assert counts(told)["stderr"] == (0, 6)
    assert (told.exit_code, told.failure_status, told.problem) == (0, None, "")
    assert told.phrase == "exit 0; stdout 692 B, stderr 6 B"


@pytest.mark.parametrize("kubectl", KUBECTLS)
def test_exit_code_of_the_users_program_is_no_failure(kubectl: str) -> None:
    told = recording(f"{kubectl}_exec_exit_3").read()
    assert (told.exit_code, told.failure_status) == (3, None)


@pytest.mark.parametrize("kubectl", KUBECTLS)
def test_program_that_cannot_be_started_is_a_failure(kubectl: str) -> None:
    told = recording(f"{kubectl}_exec_no_program").read()
    assert told.exit_code is None
    assert failure(told)["reason"] == "InternalError"
    assert "fork/exec /no/such/program: no such file or directory" in told.phrase


@pytest.mark.parametrize("kubectl", KUBECTLS)
def test_what_is_typed_is_counted(kubectl: str) -> None:
    told = recording(f"{kubectl}_exec_stdin").read()
    assert counts(told)["stdin"] == (len(TYPED) + 1, 0)
    assert counts(told)["stdout"] == (0, 4)


@pytest.mark.parametrize("kubectl", KUBECTLS)
def test_terminal_has_one_output_and_its_size_is_sent(kubectl: str) -> None:
    told = recording(f"{kubectl}_exec_terminal").read()
    assert told.exit_code == 4
    assert counts(told)["stdin"] == (len(TYPED) + 1, 0)
    assert counts(told).get("stderr", (0, 0)) == (0, 0)
    assert counts(told)["resize"][0] > 0


@pytest.mark.parametrize("kubectl", KUBECTLS)
def test_attach_tells_no_exit_code(kubectl: str) -> None:
    told = recording(f"{kubectl}_attach").read()
    assert (told.exit_code, told.failure_status) == (None, None)
    assert counts(told)["stdout"] == (0, 15)
    assert told.closed_by == "client"


@pytest.mark.parametrize("kubectl", KUBECTLS)
def test_copied_file_is_counted_in_its_direction(kubectl: str) -> None:
    sent, received = recording(f"{kubectl}_cp_to").read(), recording(f"{kubectl}_cp_from").read()
    assert counts(sent)["stdin"] == (10240, 0)
    assert counts(received)["stdout"] == (0, 10240)
    assert (sent.exit_code, received.exit_code) == (0, 0)


@pytest.mark.parametrize("kubectl", FORWARDS)
def test_forwarded_ports_are_counted_with_their_connections(kubectl: str) -> None:
    told = recording(f"{kubectl}_port_forward").read()
    assert told.protocol == FORWARDS[kubectl]
    assert [(channel.port, channel.streams) for channel in told.channels] == [(80, 2), (81, 1)]
    assert told.channels[0].server_bytes == 2 * told.channels[1].server_bytes > 12_000
    assert told.failure_status is None
    assert told.phrase == ("port 80: 2 connections, 12 KB down, 238 B up; port 81: 1 connection, 6.1 KB down, 119 B up")


@pytest.mark.parametrize("name", ["1.27", "1.33", "1.36", "v4_websocket", "v4_base64"])
def test_port_that_nobody_listens_on_is_a_failure_in_the_nodes_words(name: str) -> None:
    told = recording(f"{name}_port_forward_refused").read()
    (channel,) = told.channels
    assert (channel.port, channel.server_bytes) == (80, 0)
    assert channel.error.startswith("error forwarding port 80 to pod ")
    assert channel.error.endswith("connect: connection refused")
    assert (failure(told)["reason"], failure(told)["message"]) == ("InternalError", channel.error)


def test_port_forwarded_over_channels_does_not_count_what_names_the_port() -> None:
    told = recording("v4_websocket_port_forward").read()
    assert (told.channels[0].client_bytes, told.channels[0].error) == (18, "")
    assert told.channels[0].server_bytes == recording("1.36_port_forward").read().channels[1].server_bytes


@pytest.mark.parametrize("name", OLD)
def test_older_protocols_tell_the_exit_code_and_the_output(name: str) -> None:
    told = recording(f"{name}_exit_3").read()
    assert (told.exit_code, told.failure_status) == (3, None)
    assert counts(told)["stdout"] == (0, 692)
    assert counts(told)["stderr"] == (0, 6)


@pytest.mark.parametrize("name", [name for name in OLD if not name.startswith("unnamed")])
def test_older_protocols_tell_success(name: str) -> None:
    told = recording(f"{name}_stdin").read()
    assert told.exit_code == 0
    assert counts(told)["stdin"] == (len(TYPED), 0)
    assert counts(told)["stdout"] == (0, 4)


@pytest.mark.parametrize("name", ["v1_websocket", "v4_websocket", "v1_spdy", "v2_spdy", "v3_spdy"])
def test_older_protocols_tell_a_failure_as_a_status(name: str) -> None:
    assert failure(recording(f"{name}_no_program").read())["reason"] == "InternalError"


def test_close_frame_is_told() -> None:
    told = recording("1.36_exec").read()
    assert (told.closed_by, told.close_code) == ("server", 1000)
    assert "closed by the server with code 1000" in told.lines()


@pytest.mark.parametrize("name", NAMES)
def test_whole_connection_is_decoded(name: str) -> None:
    one = recording(name)
    told = one.read()
    assert told.problem == ""
    for side, count in (("client", told.client_bytes), ("server", told.server_bytes)):
        assert count == sum(len(data) for by, data in one.parts if by == side)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("name", NAMES)
def test_slices_tell_the_same(name: str, size: int) -> None:
    one = recording(name)
    assert one.read(one.sliced(size)) == one.read()


@pytest.mark.parametrize("first", ["client", "server"])
@pytest.mark.parametrize("name", NAMES)
def test_order_between_the_directions_does_not_matter(name: str, first: str) -> None:
    one = recording(name)
    told = one.read(one.joined(first, "server" if first == "client" else "client"))
    expected = one.read()
    same = {"closed_by": expected.closed_by, "close_reason": expected.close_reason}
    assert replace(told, **same) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_what_was_typed_or_sent_is_not_told(name: str) -> None:
    one = recording(name)
    reader = one.reader()
    for side, data in one.parts:
        (reader.feed_client if side == "client" else reader.feed_server)(data)
    told = reader.upgraded
    shown = [repr(told), json.dumps(told.document()), told.phrase, *told.lines(), str(told.status)]
    typed = (TYPED, base64.b64encode(TYPED.encode()).decode(), "GET / HTTP")
    assert not [text for text in shown for word in typed if word in text]


@pytest.mark.parametrize("name", NAMES)
def test_document_is_read_again(name: str) -> None:
    told = recording(name).read()
    assert Upgraded.read(json.loads(json.dumps(told.document()))) == told
