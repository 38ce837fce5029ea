from __future__ import annotations

import json
from dataclasses import replace

import pytest

from analyzers.decode.status import Status
from analyzers.streams.upgraded import Channel, Upgraded, status_bytes

EXEC = Upgraded(
    protocol="v5.channel.k8s.io over WebSocket",
    channels=(
        Channel(name="stdin", client_bytes=12),
        Channel(name="stdout", server_bytes=1234),
        Channel(name="stderr", server_bytes=40),
        Channel(name="error", server_bytes=100),
    ),
    exit_code=3,
    status=status_bytes(Status(status="Failure", reason="NonZeroExitCode", message="exit status 3")),
    closed_by="server",
    close_code=1000,
    client_bytes=50,
    server_bytes=1500,
)
REFUSED = "error forwarding port 81 to pod p0: connection refused"
FORWARD = Upgraded(
    protocol="portforward.k8s.io over SPDY/3.1",
    channels=(
        Channel(name="data", port=8080, client_bytes=1000, server_bytes=12_000_000, streams=3),
        Channel(name="data", port=81, streams=1, error=REFUSED),
    ),
    status=status_bytes(Status(status="Failure", reason="InternalError", message=REFUSED)),
    client_bytes=1500,
    server_bytes=12_000_500,
)


def test_phrase_of_a_command_has_its_exit_code_and_what_it_said() -> None:
    assert EXEC.phrase == "exit 3; stdin 12 B, stdout 1.2 KB, stderr 40 B"


def test_phrase_of_a_forward_has_each_port() -> None:
    assert FORWARD.phrase == (
        f"port 8080: 3 connections, 12 MB down, 1.0 KB up; port 81: 1 connection, 0 B down, 0 B up, failed: {REFUSED}"
    )


def test_phrase_of_what_was_not_decoded_has_its_size() -> None:
    assert Upgraded(protocol="unknown", client_bytes=3, server_bytes=4000).phrase == "4.0 KB down, 3 B up"


def test_phrase_of_a_command_without_output_says_so() -> None:
    assert Upgraded(protocol="a", channels=(Channel(name="stdout"),)).phrase == "no output"


def test_lines_tell_all_there_is() -> None:
    assert EXEC.lines() == (
        "v5.channel.k8s.io over WebSocket",
        "stdin 12 B",
        "stdout 1.2 KB",
        "stderr 40 B",
        "error 100 B",
        "exit 3",
        "closed by the server with code 1000",
        "in all 1.5 KB down, 50 B up",
    )
    assert f"the node said: {REFUSED}" in FORWARD.lines()
    assert replace(EXEC, problem="odd").lines()[-1] == "not decoded: odd"


def test_failure_is_the_api_sides_alone() -> None:
    assert EXEC.failure_status is None
    assert FORWARD.failure_status == FORWARD.status
    assert replace(EXEC, exit_code=None).failure_status is None
    success = status_bytes(Status(status="Success"))
    assert replace(EXEC, exit_code=0, status=success).failure_status is None


def test_status_is_not_in_the_repr() -> None:
    assert "exit status 3" not in repr(EXEC)


@pytest.mark.parametrize("told", [EXEC, FORWARD, Upgraded(protocol="unknown", problem="a", close_reason="b")])
def test_document_loses_nothing(told: Upgraded) -> None:
    assert Upgraded.read(json.loads(json.dumps(told.document()))) == told


def test_document_has_the_status_as_an_object() -> None:
    assert EXEC.document()["status"]["reason"] == "NonZeroExitCode"
    assert "status" not in Upgraded(protocol="unknown").document()


@pytest.mark.parametrize("value", [None, 1, "a", [], {}, {"protocol": 1}, {"protocol": ""}])
def test_what_is_no_document_is_not_read(value: object) -> None:
    assert Upgraded.read(value) is None


def test_document_of_a_strange_shape_is_read_as_far_as_it_goes() -> None:
    strange = {
        "protocol": "a\x1b",
        "channels": [1, {"name": [], "port": "1", "clientBytes": -1, "streams": 1e300}],
        "exitCode": True,
        "status": {"kind": "Pod"},
        "closedBy": "nobody",
        "clientBytes": "1",
    }
    empty = Channel(name="", streams=0)
    assert Upgraded.read(strange) == Upgraded(protocol="a\ufffd", channels=(empty, empty))
