"""One request stays one request: what could be cut at another place by the server is refused, or sent on unmistakably.

Every byte is given and every byte that reaches the server is looked at.
"""

from __future__ import annotations

import contextlib

import pytest

from tests.proxy_addons.api_server import Peer, tcp_server
from tests.proxy_addons.running_proxy import Client, running_proxy, upstream_of, wait_for

SECOND = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Recorder:
    """A server that keeps what it receives and answers whenever ``whole`` says that a request is there."""

    def __init__(self, end: bytes = b"\r\n\r\n") -> None:
        self.received = b""
        self._end = end

    def __call__(self, peer: Peer) -> None:
        while data := peer.recv():
            self.received += data
            if self.received.endswith(self._end):
                peer.send(ANSWER)


def until_closed(client: Client) -> bytes:
    found = b""
    while chunk := client.recv():
        found += chunk
    return found


def head(*lines: bytes, first: bytes = b"POST /api HTTP/1.1") -> bytes:
    return b"\r\n".join((first, b"Host: x", *lines, b"", b""))


CL, TE = b"Content-Length: 5", b"Transfer-Encoding: chunked"
CHUNKED = b"0\r\n\r\n"

REFUSED = {
    "length and chunks": head(CL, TE) + CHUNKED,
    "chunks and length": head(TE, CL) + CHUNKED,
    "two lengths": head(CL, b"Content-Length: 6") + b"hello",
    "the same length twice": head(CL, CL) + b"hello",
    "a list of lengths": head(b"Content-Length: 5, 5") + b"hello",
    "signed length": head(b"Content-Length: +5") + b"hello",
    "negative length": head(b"Content-Length: -5") + b"hello",
    "length with a leading zero": head(b"Content-Length: 05") + b"hello",
    "hexadecimal length": head(b"Content-Length: 0x5") + b"hello",
    "length in other digits": head("Content-Length: ٥".encode()) + b"hello",
    "length of nothing": head(b"Content-Length:") + b"",
    "length with an underscore": head(b"Content-Length: 1_0") + b"0123456789",
    "length that no integer holds": head(b"Content-Length: " + b"9" * 40),
    "length folded": head(b"Content-Length:\r\n 5") + b"hello",
    "chunks twice": head(TE, TE) + CHUNKED,
    "chunks and identity": head(TE, b"Transfer-Encoding: identity") + CHUNKED,
    "identity": head(b"Transfer-Encoding: identity"),
    "gzip before chunks": head(b"Transfer-Encoding: gzip, chunked") + CHUNKED,
    "chunks before gzip": head(b"Transfer-Encoding: chunked, gzip") + CHUNKED,
    "an unknown coding": head(b"Transfer-Encoding: xchunked") + CHUNKED,
    "chunks in quotes": head(b'Transfer-Encoding: "chunked"') + CHUNKED,
    "chunks with a parameter": head(b"Transfer-Encoding: chunked;q=1") + CHUNKED,
    "chunks folded": head(b"Transfer-Encoding:\r\n chunked") + CHUNKED,
    "no coding": head(b"Transfer-Encoding:"),
    "a letter that lowers to ASCII": head("Transfer-Encoding: chun\u212aed".encode()) + CHUNKED,
    "chunks in HTTP/1.0": head(TE, first=b"POST /api HTTP/1.0") + CHUNKED,
    "space before the colon": head(b"Transfer-Encoding : chunked") + CHUNKED,
    "tab before the colon": head(b"Content-Length\t: 5") + b"hello",
    "space before the name": head(b"X: y", b" Transfer-Encoding: chunked") + CHUNKED,
    "a folded header": head(b"X: y\r\n z"),
    "NUL in a name": head(b"X\x00: y"),
    "NUL in a value": head(b"X: y\x00z"),
    "carriage return in a value": head(b"X: y\rTransfer-Encoding: chunked"),
    "a name that is none": head(b"X(y): z"),
    "a line without a colon": head(b"nothing"),
    "an empty name": head(b": y"),
    "two hosts": head(b"Host: y"),
    "NUL in the target": head(first=b"GET /a\x00b HTTP/1.1"),
    "a method that is none": head(first=b"GE:T / HTTP/1.1"),
    "HTTP/2 by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/1.2": head(first=b"GET / HTTP/1.2"),
    "two targets": head(first=b"GET /a /b HTTP/1.1"),
    "another server's URL": head(first=b"GET https://other.test/api HTTP/1.1"),
    "a CONNECT inside": head(first=b"CONNECT other.test:443 HTTP/1.1"),
}  # fmt: skip


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
def test_request_that_could_be_two_is_refused_and_ends_its_connection(bench, sent: bytes) -> None:
    server = Recorder()
    bench.start(server)
    with bench.client().open() as client:
        client.send(sent + SECOND)
        answer = until_closed(client)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    bench.proxy.idle()
    assert server.received == b""


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
def test_it_is_refused_after_a_request_that_went_well(bench, sent: bytes) -> None:
    server = Recorder()
    bench.start(server)
    good = head(first=b"GET /good HTTP/1.1")
    with bench.client().open() as client:
        client.send(good)
        response = client.response()
        assert (response.status, response.read()) == (200, b"{}")
        client.send(sent + SECOND)
        assert until_closed(client).startswith(b"HTTP/1.1 400 ")
    bench.proxy.idle()
    assert server.received == good


AGREED = {
    "bare line feeds": (
        b"POST /api HTTP/1.1\nHost: x\nContent-Length: 5\n\nhello",
        head(CL) + b"hello",
    ),
    "space around a length": (head(b"Content-Length: \t5 ") + b"hello", head(CL) + b"hello"),
    "chunk extensions and sizes": (
        head(TE) + b"0005;a=b\r\nhello\r\nA;c\r\n0123456789\r\n000;d\r\n\r\n",
        head(TE) + b"5\r\nhello\r\na\r\n0123456789\r\n0\r\n\r\n",
    ),
    "upper case": (
        head(b"TRANSFER-ENCODING: CHUNKED") + b"5\r\nhello\r\n0\r\n\r\n",
        head(b"TRANSFER-ENCODING: CHUNKED") + b"5\r\nhello\r\n0\r\n\r\n",
    ),
    "tabs in the first line": (head(CL, first=b"POST\t/api \tHTTP/1.1") + b"hello", head(CL) + b"hello"),
    "a name much like another": (head(b"Content_Length: 9", CL) + b"hello", head(b"Content_Length: 9", CL) + b"hello"),
    "another host": (head(b"X-Forwarded-Host: y") + b"", head(b"X-Forwarded-Host: y")),
    "an upgrade that nobody follows": (
        head(b"Connection: Upgrade", b"Upgrade: h2c", CL) + b"hello",
        head(b"Connection: Upgrade", b"Upgrade: h2c", CL) + b"hello",
    ),
    "chunks after a vertical tab": (head(b"Transfer-Encoding: \x0bchunked") + CHUNKED, head(TE) + CHUNKED),
    "letters beyond ASCII": (head("X: ü".encode()), head("X: ü".encode())),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "arrives"), AGREED.values(), ids=AGREED)
def test_request_that_is_sent_on_can_be_read_in_one_way_only(bench, sent: bytes, arrives: bytes) -> None:
    server = Recorder(arrives[-5:])
    bench.start(server)
    with bench.client().open() as client:
        client.send(sent)
        response = client.response()
        assert (response.status, response.read()) == (200, b"{}")
        assert server.received == arrives


@pytest.mark.parametrize(
    "body",
    [
        b"5\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhelloX0\r\n\r\n",
        b"5 5\r\nhello\r\n0\r\n\r\n",
        b"FFFFFFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        b"\r\n5\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_chunks_that_are_none_end_both_connections_and_carry_no_second_request(bench, body: bytes) -> None:
    server = Recorder(b"never")
    bench.start(server)
    with bench.client().open() as client:
        client.send(head(TE) + body + SECOND)
        with contextlib.suppress(OSError):
            until_closed(client)
    bench.proxy.idle()
    assert b"smuggled" not in server.received
    assert not server.received.endswith(b"0\r\n\r\n")


def test_requests_one_behind_another_arrive_one_after_another(bench) -> None:
    server = Recorder()
    bench.start(server)
    requests = [head(first=b"GET /%d HTTP/1.1" % number) for number in range(5)]
    with bench.client().open() as client:
        client.send(b"".join(requests))
        for _ in requests:
            response = client.response()
            assert (response.status, response.read()) == (200, b"{}")
    assert server.received == b"".join(requests)


def test_what_follows_an_upgrade_that_is_not_granted_is_a_request_of_its_own(bench) -> None:
    server = Recorder()
    bench.start(server)
    upgrade = head(b"Connection: Upgrade", b"Upgrade: websocket", first=b"GET /exec HTTP/1.1")
    with bench.client().open() as client:
        client.send(upgrade + SECOND)
        for _ in range(2):
            response = client.response()
            assert (response.status, response.read()) == (200, b"{}")
    assert server.received == upgrade + SECOND
    assert [exchange.request.path for exchange in bench.proxy.take(2)] == ["/exec", "/smuggled"]


# Outside of a tunnel


@pytest.mark.parametrize("name", ["length and chunks", "two lengths", "space before the colon", "HTTP/1.2"])
def test_it_is_refused_without_a_tunnel_too(tmp_path, name: str) -> None:
    server = Recorder()
    with (
        tcp_server(server) as plain,
        running_proxy(tmp_path, [upstream_of(plain, scheme="http", ca=None)]) as proxy,
        Client(proxy, plain) as client,
    ):
        url = b"http://127.0.0.1:%d/api" % plain.port
        login = client.login.encode()
        sent = REFUSED[name].replace(b" /api ", b" %b " % url).replace(b" / ", b" %b " % url)
        client.raw.sendall(sent.replace(b"\r\n", b"\r\n" + login, 1) + SECOND)
        assert until_closed(client).startswith(b"HTTP/1.1 400 ")
        proxy.idle()
        assert server.received == b""


def test_connect_that_could_be_two_requests_reaches_nothing(bench) -> None:
    bench.start()
    with bench.client() as client:
        target = f"127.0.0.1:{bench.server.port}"
        client.raw.sendall(
            f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{client.login}Content-Length: 3\r\n"
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode()
        )
        assert until_closed(client).startswith(b"HTTP/1.1 400 ")
    bench.proxy.idle()
    assert bench.server.peers == []


def test_stranger_whose_request_is_malformed_is_not_reported_on(bench) -> None:
    bench.start()
    with bench.client() as client:
        client.raw.sendall(head(CL, TE, first=b"GET http://127.0.0.1:1/x HTTP/1.1") + CHUNKED)
        assert until_closed(client).startswith(b"HTTP/1.1 400 ")
    bench.proxy.idle()
    assert bench.proxy.exchanges == []


@pytest.mark.parametrize("name", [b"Authorization ", b"Authorization\x00", b"\x00Authorization", b"Auth(orization"])
def test_refusal_is_reported_without_what_was_refused(bench, name: bytes) -> None:
    server = Recorder()
    bench.start(server)
    with bench.client().open() as client:
        client.send(head(name + b": Bearer c4n4ry-t0ken"))
        answer = until_closed(client)
    assert bench.proxy.exchange.failure.phase == "mitmkube"
    assert "header name" in bench.proxy.exchange.failure.message
    assert server.received == b""
    assert "c4n4ry" not in repr(bench.proxy.exchange)
    assert b"c4n4ry" not in answer
    wait_for(lambda: all("c4n4ry" not in repr(flow.get_state()) for flow in bench.proxy.flows))
