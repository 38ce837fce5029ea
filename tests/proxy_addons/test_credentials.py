"""Credentials reach the server, in their places, and nothing else that looks at a flow."""

from __future__ import annotations

import copy
import io
import json
import logging

import pytest
from mitmproxy import io as flow_io

SECRET = "s3cr3t-t0k3n-value"
WEBSOCKET_SECRET = "czNjcjN0LXQwazNuLXZhbHVl"
FIELDS = (
    "x-first: 1",
    "Accept: application/json;as=Table;v=v1;g=meta.k8s.io",
    f"authorization: Bearer {SECRET}",
    "Impersonate-Group: a",
    "IMPERSONATE-GROUP: b",
    f"Cookie: session={SECRET}",
    "Impersonate-Group: c",
    f"Sec-WebSocket-Protocol: v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.{WEBSOCKET_SECRET}",
    "X-Last:   spaced",
)


class Snoop:
    """An addon that keeps all that any hook is given, as text."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __getattr__(self, name: str):
        if name not in ("requestheaders", "request", "responseheaders", "response", "error", "http_connect"):
            raise AttributeError(name)

        def hook(flow) -> None:
            buffer = io.BytesIO()
            flow_io.FlowWriter(buffer).add(flow)
            text = buffer.getvalue().decode("latin-1")
            self.seen.append(f"{name} {flow!r} {flow.get_state()!r} {flow.copy().get_state()!r} {text}")

        return hook


@pytest.fixture
def everything_logged():
    class Keep(logging.Handler):
        def __init__(self) -> None:
            super().__init__(logging.DEBUG)
            self.lines: list[str] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.lines.append(self.format(record))

    handler = Keep()
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)


def holds_secret(text: str) -> bool:
    return any(secret in text for secret in (SECRET, WEBSOCKET_SECRET, SECRET.encode().hex()))


def test_server_receives_every_field_in_place_order_and_case(bench) -> None:
    bench.start()
    with bench.client().open() as client:
        for _ in range(2):
            client.request(fields=FIELDS)
    for request in bench.server.requests:
        assert [f for f in request.fields if not f.startswith("Host:")] == [f.replace("   ", " ") for f in FIELDS]


def test_no_hook_exchange_repr_saved_flow_or_log_line_holds_a_credential(bench, everything_logged) -> None:
    snoop = Snoop()
    bench.start(addons=[snoop])
    with bench.client().open() as client:
        client.request(fields=FIELDS)
    assert f"authorization: Bearer {SECRET}" in bench.server.requests[0].fields
    exchange = bench.proxy.exchange
    assert len(snoop.seen) >= 4
    assert not any(holds_secret(text) for text in snoop.seen)
    assert not any("cHJveHk" in text or "Proxy-Authorization" in text for text in snoop.seen)
    fields = {(name, value) for name, value in exchange.request.headers}
    assert not holds_secret(repr(exchange))
    assert not holds_secret(repr(fields))
    assert ("Impersonate-Group", "c") in fields
    flow = bench.proxy.flows[0]
    assert not holds_secret(repr(copy.deepcopy(flow.get_state())))
    assert not holds_secret(repr(vars(bench.proxy.tunnels)))
    assert not holds_secret("".join(everything_logged))
    assert exchange.credential is not None
    assert exchange.credential.kind == "opaque-token"


def test_request_cut_off_in_its_head_leaves_no_trace_in_the_log(bench, everything_logged) -> None:
    bench.start()
    with bench.client().open() as client:
        client.send(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n")
    bench.proxy.idle()
    assert "before completing request headers" in "".join(everything_logged)
    assert not holds_secret("".join(everything_logged))


def test_plain_http_inside_the_tunnel_is_refused_without_a_trace(bench, everything_logged) -> None:
    bench.start()
    with bench.client().connect() as client:
        client.send(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n\r\n")
        assert client.recv() == b""
    bench.proxy.idle()
    assert bench.server.requests == []
    assert not holds_secret("".join(everything_logged))


def test_answer_that_is_cut_off_in_its_head_is_not_quoted(bench) -> None:
    def partial(peer) -> None:
        peer.request()
        peer.send(f"HTTP/1.1 200 OK\r\nSet-Cookie: session={SECRET}\r\n".encode())

    bench.start(partial)
    with bench.client().open() as client, pytest.raises(Exception):  # noqa: B017 - any way of saying "closed" will do
        client.request()
    failure = bench.proxy.exchange.failure
    assert failure is not None
    assert (failure.phase, failure.message) == ("request", "unexpected EOF")


def test_credentials_go_with_each_request_of_a_connection(bench) -> None:
    bench.start()
    with bench.client().open() as client:
        for token in ("one", "two"):
            client.request(fields=[f"Authorization: Bearer {token}"])
        client.request()
    assert [r.get("Authorization") for r in bench.server.requests] == ["Bearer one", "Bearer two", ""]


def test_password_of_the_proxy_is_not_passed_on(bench) -> None:
    bench.start()
    with bench.client().open() as client:
        client.request(fields=["Proxy-Authorization: Basic Y2x1c3Rlci0xOnB3"])
    assert bench.server.requests[0].get("Proxy-Authorization") == ""


def test_body_of_a_token_request_is_kept_out_of_the_flow(bench) -> None:
    def token(peer) -> None:
        while peer.request():
            peer.answer(json.dumps({"status": {"token": SECRET}}).encode())

    bench.start(token)
    with bench.client().open() as client:
        client.request("POST", "/api/v1/namespaces/a/serviceaccounts/b/token", b"{}")
    bench.proxy.take()
    assert not holds_secret(repr(bench.proxy.flows[0].get_state()))
