"""Frames that no client or server here sends, made by hand after RFC 6455 and the SPDY protocol's draft 3.1."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Mapping

import pytest

from analyzers.decode.upgraded.reader import UpgradedReader
from analyzers.decode.upgraded.spdy_headers import DICTIONARY, LONGEST_BLOCK
from analyzers.decode.upgraded.tally import STATUS_BYTES
from analyzers.exchange import Headers

POD = "/api/v1/namespaces/default/pods/p0"
KEY = b"\x11\x22\x33\x44"
V5 = {"Upgrade": "websocket", "Sec-WebSocket-Protocol": "v5.channel.k8s.io"}
FORWARD = {"Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "portforward.k8s.io"}
V4_SPDY = {"Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"}
# As k8s.io/cri-streaming writes it; kwok, which the recordings are of, has an error of its own.
EXIT_7 = {
    "metadata": {},
    "status": "Failure",
    "message": "command terminated with non-zero exit code: exit status 7",
    "reason": "NonZeroExitCode",
    "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
}


def reader(answer: Mapping[str, str], path: str = f"{POD}/exec") -> UpgradedReader:
    return UpgradedReader(path, Headers(), Headers(answer.items()))


def frame(first: int, content: bytes, *, masked: bool = False) -> bytes:
    size = len(content)
    mark = 0x80 if masked else 0
    if size < 126:
        header = bytes((first, mark | size))
    elif size < 1 << 16:
        header = bytes((first, mark | 126)) + size.to_bytes(2)
    else:
        header = bytes((first, mark | 127)) + size.to_bytes(8)
    if masked:
        header += KEY
        content = bytes(byte ^ KEY[at % 4] for at, byte in enumerate(content))
    return header + content


def word(number: int) -> bytes:
    return number.to_bytes(4)


def spdy_data(number: int, content: bytes, *, last: bool = False) -> bytes:
    return word(number) + bytes((last,)) + word(len(content))[1:] + content


def control(kind: int, content: bytes, *, flags: int = 0) -> bytes:
    return b"\x80\x03" + kind.to_bytes(2) + bytes((flags,)) + word(len(content))[1:] + content


class Opener:
    """SYN_STREAM frames of one direction."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(9, zdict=DICTIONARY)

    def opened(self, number: int, **headers: str) -> bytes:
        plain = word(len(headers)) + b"".join(
            word(len(text)) + text.encode() for field in headers.items() for text in field
        )
        block = self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return control(1, word(number) + bytes(6) + block)


# WebSocket


@pytest.mark.parametrize("size", [0, 1, 124, 125, 126, 65_534, 65_535, 65_536, 200_000])
@pytest.mark.parametrize("masked", [True, False])
def test_message_of_any_length_is_counted(size: int, masked: bool) -> None:
    one = reader(V5)
    message = frame(0x82, b"\x01" + bytes(size), masked=masked)
    one.feed_server(message + message)
    (channel,) = one.upgraded.channels
    assert (channel.name, channel.server_bytes, one.upgraded.problem) == ("stdout", 2 * size, "")


def test_message_in_fragments_has_its_channel_in_the_first() -> None:
    one = reader(V5)
    one.feed_server(frame(0x02, b"") + frame(0x00, b"\x02ab") + frame(0x89, b"ping") + frame(0x80, b"\x01c"))
    (channel,) = one.upgraded.channels
    assert (channel.name, channel.server_bytes) == ("stderr", 4)


def test_channel_that_is_closed_is_no_channel() -> None:
    one = reader(V5)
    one.feed_client(frame(0x82, b"\x00ab", masked=True) + frame(0x82, b"\xff\x00", masked=True))
    assert [channel.name for channel in one.upgraded.channels] == ["stdin"]


def test_reason_of_a_close_frame_is_told() -> None:
    one = reader(V5)
    one.feed_client(frame(0x88, b"\x03\xf3too\x1b[31m long", masked=True))
    told = one.upgraded
    assert (told.closed_by, told.close_code, told.close_reason) == ("client", 1011, "too\ufffd[31m long")


def test_first_who_closes_is_told() -> None:
    one = reader(V5)
    one.feed_server(frame(0x88, b""))
    one.feed_client(frame(0x88, b"\x03\xe8", masked=True))
    one.end("client")
    assert one.upgraded.closed_by == "server"


@pytest.mark.parametrize(
    "data", [b"\xc2\x01a", b"\x83\x00", b"\x80\x01a", b"\x02\x01\x01\x82\x01a", b"\x09\x01a", b"\x89\x7e\x00\xff"]
)
def test_what_is_no_frame_stops_the_decoding_and_not_the_counting(data: bytes) -> None:
    one = reader(V5)
    one.feed_server(data)
    one.feed_server(frame(0x82, b"\x01abc"))
    told = one.upgraded
    assert told.problem.startswith("what the server sent: ")
    assert told.server_bytes == len(data) + 6
    assert all(channel.server_bytes == 0 for channel in told.channels)


def test_compressed_messages_are_not_guessed_at() -> None:
    one = reader({**V5, "Sec-WebSocket-Extensions": "permessage-deflate; server_no_context_takeover"})
    one.feed_server(frame(0xC2, b"\x01abc") + frame(0x88, b"\x03\xe8"))
    told = one.upgraded
    assert (told.channels, told.close_code) == ((), 1000)
    assert "compressed" in told.problem


# SPDY


def test_stream_in_both_directions_is_one_channel() -> None:
    one = reader(FORWARD)
    syn = Opener()
    one.feed_client(syn.opened(1, streamtype="error", port="80", requestid="0"))
    one.feed_client(syn.opened(3, streamtype="data", port="80", requestid="0") + spdy_data(3, b"abc", last=True))
    one.feed_server(control(2, word(3)) + spdy_data(3, b"defgh"))
    (channel,) = one.upgraded.channels
    assert (channel.client_bytes, channel.server_bytes, channel.streams) == (3, 5, 1)


def test_many_connections_are_counted_and_then_forgotten() -> None:
    one = reader(FORWARD)
    syn = Opener()
    for number in range(1, 40_000, 2):
        one.feed_client(syn.opened(number, streamtype="data", port="80"))
        one.feed_server(spdy_data(number, b"ab", last=True))
        one.feed_client(spdy_data(number, b"", last=True))
    (channel,) = one.upgraded.channels
    assert (channel.streams, channel.server_bytes) == (20_000, 40_000)
    assert len(one._spdy[0]._streams._streams) < 300


def test_streams_that_never_end_are_bounded() -> None:
    one = reader(FORWARD)
    for number in range(1, 20_000):
        one.feed_server(spdy_data(number, bytes(100)))
    streams = one._spdy[0]._streams._streams
    assert len(streams) == 4096
    assert sum(len(stream.tally.said) for stream in streams.values()) <= 16 * STATUS_BYTES


def test_ports_beyond_any_use_are_counted_together() -> None:
    one = reader(FORWARD)
    syn = Opener()
    for number in range(300):
        one.feed_client(syn.opened(2 * number + 1, streamtype="data", port=str(number + 1)))
    channels = one.upgraded.channels
    assert len(channels) == 257
    assert (channels[-1].port, channels[-1].streams) == (None, 44)
    assert channels[-1].phrase.startswith("other ports: 44 connections")


def test_port_that_was_reset_may_still_get_what_was_on_its_way() -> None:
    one = reader(FORWARD)
    one.feed_client(Opener().opened(1, streamtype="data", port="80") + control(3, word(1) + word(5)))
    one.feed_server(spdy_data(1, b"late"))
    assert one.upgraded.channels[0].server_bytes == 4


def test_one_who_goes_away_closes() -> None:
    one = reader(V4_SPDY)
    one.feed_server(control(7, word(0) + word(0)))
    one.end("client")
    assert one.upgraded.closed_by == "server"


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x00\x00\x00\x00\x01a",
        b"\x80\x02\x00\x01\x00\x00\x00\x01a",
        control(1, bytes(20)),
        control(1, bytes(LONGEST_BLOCK + 1)),
        control(1, bytes(10) + zlib.compress(bytes(10 * LONGEST_BLOCK))),
    ],
)
def test_what_is_no_spdy_frame_stops_the_decoding_and_not_the_counting(data: bytes) -> None:
    one = reader(V4_SPDY)
    one.feed_client(data)
    one.feed_client(spdy_data(1, b"abc"))
    assert one.upgraded.problem.startswith("what the client sent: ")
    assert one.upgraded.client_bytes == len(data) + 11


def test_header_block_that_grows_when_inflated_is_not_kept() -> None:
    deflate = zlib.compressobj(9, zdict=DICTIONARY)
    block = deflate.compress(word(1) + word(4) + b"port" + word(1 << 24) + bytes(1 << 22)) + deflate.flush()
    one = reader(FORWARD)
    one.feed_client(control(1, word(1) + bytes(6) + block))
    assert "inflated" in one.upgraded.problem


# The error channel


@pytest.mark.parametrize("answer", [V5, {**V5, "Sec-WebSocket-Protocol": "v4.channel.k8s.io"}])
def test_exit_code_of_a_kubelet_is_told_and_no_failure(answer: Mapping[str, str]) -> None:
    one = reader(answer)
    one.feed_server(frame(0x82, b"\x03" + json.dumps(EXIT_7).encode()))
    told = one.upgraded
    assert (told.exit_code, told.failure_status, told.phrase) == (7, None, "exit 7")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"command terminated with non-zero exit code: command terminated with exit code 126", 126),
        (b"command terminated with non-zero exit code: exit status 7", 7),
        (b"command terminated with non-zero exit code: killed", None),
    ],
)
def test_exit_code_in_the_text_of_old_protocols_is_told_and_no_failure(said: bytes, code: int | None) -> None:
    one = reader({"Upgrade": "websocket", "Sec-WebSocket-Protocol": "channel.k8s.io"})
    one.feed_server(frame(0x82, b"\x03" + said))
    assert (one.upgraded.exit_code, one.upgraded.failure_status) == (code, None)


def test_status_that_is_not_whole_is_not_told() -> None:
    one = reader(V5)
    one.feed_server(frame(0x82, b'\x03{"metadata":{},"status":"Fail'))
    assert (one.upgraded.status, one.upgraded.exit_code) == (None, None)


def test_error_channel_is_kept_up_to_a_limit() -> None:
    one = reader({**V5, "Sec-WebSocket-Protocol": "channel.k8s.io"})
    for _ in range(40):
        one.feed_server(frame(0x82, b"\x03" + b"x" * 10_000))
    told = one.upgraded
    assert told.channels[0].server_bytes == 400_000
    assert told.status is not None
    assert len(told.status) < STATUS_BYTES
    assert sys.getsizeof(one._session._tallies["error"].said) < 2 * STATUS_BYTES  # type: ignore[union-attr]


def test_client_does_not_write_the_error_channel() -> None:
    one = reader(V5)
    one.feed_client(frame(0x82, b'\x03{"status":"Failure","message":"typed"}', masked=True))
    assert one.upgraded.status is None


# What is no remote command


@pytest.mark.parametrize(
    ("answer", "path", "protocol"),
    [
        ({}, f"{POD}/exec", "unknown"),
        ({"Upgrade": "h2c"}, f"{POD}/exec", "unknown"),
        ({"Upgrade": "websocket"}, f"{POD}/proxy/exec", "WebSocket"),
        (
            {"Upgrade": "WebSocket", "Sec-WebSocket-Protocol": "binary.k8s.io"},
            f"{POD}/log",
            "binary.k8s.io over WebSocket",
        ),
        (
            {"Upgrade": "websocket", "Sec-WebSocket-Protocol": "plain.kubevirt.io"},
            "/x",
            "plain.kubevirt.io over WebSocket",
        ),
        ({"Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "other"}, "/x", "other over SPDY/3.1"),
    ],
)
def test_bytes_of_another_protocol_are_counted_alone(answer: Mapping[str, str], path: str, protocol: str) -> None:
    one = reader(answer, path)
    one.feed_client(frame(0x82, b"\x03abc", masked=True))
    one.feed_server(frame(0x82, b"\x03abc"))
    told = one.upgraded
    assert (told.protocol, told.channels, told.status) == (protocol, (), None)
    assert (told.client_bytes, told.server_bytes) == (10, 6)


def test_token_in_the_requests_protocols_is_not_told() -> None:
    secret = "base64url.bearer.authorization.k8s.io.c2VjcmV0"
    asked = Headers([("Sec-WebSocket-Protocol", f"{secret}, v4.channel.k8s.io")])
    told = UpgradedReader(f"{POD}/exec", asked, Headers([("Upgrade", "websocket")])).upgraded
    assert told.protocol == "channel.k8s.io over WebSocket"
    assert secret not in repr(told)
