"""The proxy's layers: CONNECT that reaches the server first, a handshake that waits for the client's identity, and
credentials that no addon ever sees.

A CONNECT is answered only when TCP and the server's half of TLS stand. What goes wrong there is put into the reason
phrase of the refusal, in Go's words, and kubectl prints it as if it had met it itself. The server's handshake stops
where it asks for a client certificate; the client is then asked for its own, and the same handshake goes on as exactly
that identity. No connection is made twice.

The shapes follow mitmproxy's own ``proxy/layers``: generators that yield commands and know no sockets.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Generator
from typing import Any, cast

from cryptography import x509
from mitmproxy import certs, http
from mitmproxy.connection import ConnectionState, Server
from mitmproxy.flow import Error
from mitmproxy.net.server_spec import ServerSpec
from mitmproxy.proxy import commands, events, layer, tunnel
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import ClientTLSLayer, ServerTLSLayer, TCPLayer
from mitmproxy.proxy.layers.http import GetHttpConnection, HttpLayer, HTTPMode, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestHeaders,
    RequestProtocolError,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpConnectErrorHook, HttpErrorHook, HttpRequestHeadersHook
from OpenSSL import SSL

from analyzers.exchange import FailurePhase
from proxy_addons import forward_proxy_layer, go_errors, informational
from proxy_addons.established import BecomeTop, Established
from proxy_addons.lifted import Lifted, LiftedAnswer
from proxy_addons.tls_end import End
from proxy_addons.tunnels import STRANGER, Tunnels, Watcher
from proxy_addons.upstream import Upstream
from proxy_addons.well_formed import problem

FAILURE = "mitmkube.failure"
"""Key of ``flow.metadata``: [phase, message in Go's words]."""

CLIENT_LEFT = "mitmkube.client-left"
"""Key of ``flow.metadata``: it was the client that broke off."""

PATIENCE_SECONDS = 1.0
"""A client that goes sooner has changed its mind; one that waited so long had given up."""

_UNREADABLE = "the client's certificate cannot be read"
_NEVER_STATUS = ("/openapi", "/version", "/livez", "/readyz", "/healthz")

type Commands = Generator[commands.Command, Any]


class StartHandshake(events.Event):
    """Tells ``ServerTLS`` to dial and to begin, before there is anything for its child to do."""


class ServerTLS(ServerTLSLayer):
    """TLS to the server, up to the question who the client is; goes on when the child has an answer."""

    suspended = False
    dial_error = ""

    def __init__(self, context: Context, tunnels: Tunnels, upstream: Upstream) -> None:
        super().__init__(context)
        self._tunnels = tunnels
        self._upstream = upstream
        context.server.sni = upstream.server_name

    @property
    def ready(self) -> bool:
        """Whether the client may be told that the tunnel stands."""
        return self.suspended or self.tunnel_state is tunnel.TunnelState.OPEN

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, StartHandshake):
            err = yield commands.OpenConnection(self.conn)
            if err:
                self.dial_error = str(err)
                return
            self.tunnel_state = tunnel.TunnelState.ESTABLISHING
            yield from self.start_handshake()
        elif isinstance(event, events.Start):
            yield from self.event_to_child(event)
        else:
            yield from super()._handle_event(event)

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        handshake = self.tls.get_app_data()
        handshake.first_bytes = handshake.first_bytes or data[:16]
        done, err = yield from super().receive_handshake_data(data)
        if err and handshake.wants_identity:
            self.suspended = True
            self.tunnel_state = tunnel.TunnelState.INACTIVE
            yield from self.tls_interact()
            return False, None
        if err:
            sent = [cert.to_cryptography() for cert in self.tls.get_peer_cert_chain() or ()]
            # mitmproxy notes them only after a handshake that went well; the report shows whose they were.
            self.conn.certificate_list = [certs.Cert(cert) for cert in sent]
            words = handshake.certificate_error(sent, dt.datetime.now(dt.UTC))
            err = words or go_errors.tls(err, handshake.first_bytes)
        return done, err

    def receive_data(self, data: bytes) -> layer.CommandGenerator[None]:
        if self.suspended:
            self.tls.bio_write(data)
            return
        alert = ""
        for command in super().receive_data(data):
            if isinstance(command, commands.Log) and command.message.startswith("TLS Error: "):
                alert = go_errors.tls(command.message)
            yield command
        if alert:
            # mitmproxy takes an alert for the news that the connection ends, and then tells nobody.
            self.conn.error = alert
            yield commands.CloseConnection(self.conn)
            yield from self.event_to_child(events.ConnectionClosed(self.conn))

    def on_handshake_error(self, err: str) -> layer.CommandGenerator[None]:
        # A time limit leaves its reason on the connection and closes it, which arrives here as "connection closed".
        first_bytes = self.tls.get_app_data().first_bytes if self.tls else b""
        yield from super().on_handshake_error(go_errors.tls(self.conn.error or err, first_bytes))

    def _handle_command(self, command: commands.Command) -> layer.CommandGenerator[None]:
        resumes = isinstance(command, commands.OpenConnection) and command.connection == self.conn and self.suspended
        if not resumes:
            yield from super()._handle_command(command)
            return
        assert isinstance(command, commands.OpenConnection)
        self.suspended = False
        self.command_to_reply_to = command
        self.tunnel_state = tunnel.TunnelState.ESTABLISHING
        refusal = self._tunnels.present_identity(self._upstream, self.context.client, self.tls)
        if not refusal and not self.conn.state & ConnectionState.CAN_READ:
            refusal = "EOF"
        if refusal:
            self.conn.error = refusal
            yield commands.CloseConnection(self.conn)
            yield from self._handshake_finished(refusal)
        else:
            yield from self._handle_event(events.DataReceived(self.conn, b""))


class Underway:
    """A stack that has begun before its first Start, which is news to its top layer only."""

    def __init__(self, stack: tunnel.LayerStack, top: ServerTLS) -> None:
        self._bottom, self._top = (stack / top)[0], top

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        return (self._top if isinstance(event, events.Start) else self._bottom).handle_event(event)


class ClientTLS(ClientTLSLayer):
    """TLS with the client; once its certificate is known, the server's handshake is told to go on."""

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        try:
            done, err = yield from super().receive_handshake_data(data)
        except x509.InvalidVersion:
            return False, _UNREADABLE
        if done and not err and self._unreadable():
            return False, _UNREADABLE
        if done and not err and not self.context.server.tls_established and not self.context.server.error:
            yield commands.OpenConnection(self.context.server)  # its error is what the next request meets
        return done, err

    def _unreadable(self) -> bool:
        """Whether the certificate that the client proved is missing in what mitmproxy says it presented.

        OpenSSL takes certificates that its Python binding cannot read; mitmproxy passes those over, and whatever the
        client sent behind would stand in the first place, without any proof.
        """
        proved, presented = self.tls.get_peer_certificate(), self.conn.certificate_list
        if proved is None:
            return bool(presented)
        return not presented or presented[0].fingerprint().hex(":").upper().encode() != proved.digest("sha256")

    def send_close(self, command: commands.CloseConnection) -> layer.CommandGenerator[None]:
        # As Established does it, for the first answer of a tunnel.
        server = next((one for one in self.context.layers if isinstance(one, ServerTLS)), None)
        said = server is not None and server.tls and server.tls.get_shutdown() & SSL.RECEIVED_SHUTDOWN
        if said and (out := End(self.conn, self.tls).close_notify()):
            yield commands.SendData(self.conn, out)
        yield from super().send_close(command)

    def on_handshake_error(self, err: str) -> layer.CommandGenerator[None]:
        # What the client sent instead of a ClientHello may hold its credentials, and the error is logged.
        not_tls = err.startswith("Cannot parse ClientHello")
        yield from super().on_handshake_error("Cannot parse ClientHello" if not_tls else err)


class UpgradedLayer(TCPLayer):
    """What an exec or a port-forward sends, as far as it does not go the short way of ``Relay``."""

    def __init__(self, context: Context, watcher: Watcher | None) -> None:
        super().__init__(context, ignore=True)
        self._watcher = watcher

    def relay_messages(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from super().relay_messages(event)
        if self._watcher is None or not isinstance(event, events.ConnectionEvent):
            return
        from_client = event.connection == self.context.client
        if isinstance(event, events.DataReceived):
            self._watcher(from_client, event.data)
        elif isinstance(event, events.ConnectionClosed):
            self._watcher(from_client, b"")


class KubeHttpStream(HttpStream):
    """One request, or the CONNECT before it."""

    def __init__(self, context: Context, stream_id: int, owner: KubeHttpLayer, tunnels: Tunnels) -> None:
        super().__init__(context, stream_id)
        self._owner = owner
        self._tunnels = tunnels
        self._upstream: Upstream
        self._server_tls: ServerTLS
        self.malformed = ""
        """Why the request must not be sent on, "" where it may."""

    def handle_connect_regular(self) -> layer.CommandGenerator[None]:
        admitted = self._tunnels.admit(self.flow.request, self._lifted, self.context.client)
        if not isinstance(admitted, Upstream):
            self._note_refusal(admitted)
            self.flow.response = admitted
            yield from self.handle_connect_finish()  # type: ignore[no-untyped-call]
            return
        self._upstream = admitted
        if admitted.scheme == "http":
            self.context.server.via = _via(admitted)
            self.child_layer = KubeHttpLayer(self.context, HTTPMode.transparent, self._tunnels)
            yield from self.handle_connect_finish()  # type: ignore[no-untyped-call]
            return
        stack = tunnel.LayerStack()
        if admitted.via is not None:
            self.context.server.via = _via(admitted)
            stack = forward_proxy_layer.through(self.context, admitted.via)
        self._server_tls = ServerTLS(self.context, self._tunnels, admitted)
        self.child_layer = cast(layer.Layer, Underway(stack, self._server_tls))
        self._handle_event = self._connecting
        yield from self._connecting(StartHandshake())

    def _connecting(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Between CONNECT and its answer: whatever the server sends belongs to its handshake."""
        if isinstance(event, RequestProtocolError):
            # The client would not wait any longer: what it waited for is what failed.
            self._handle_event = self.state_errored
            if time.time() - self.flow.request.timestamp_start >= PATIENCE_SECONDS:
                dialling = self.context.server.timestamp_tcp_setup is None
                looking_up = self._tunnels.looking_up(self._upstream) if dialling else ""
                self._refuse(*go_errors.gave_up(dialling=dialling, looking_up=looking_up))
                yield HttpConnectErrorHook(self.flow)
            yield commands.CloseConnection(self.context.server)
            return
        assert self.child_layer is not None
        if isinstance(event, StartHandshake | events.ConnectionEvent | events.CommandCompleted):
            yield from self.child_layer.handle_event(event)
        if self._server_tls.dial_error:
            self._refuse(*self._tunnels.dial_failure(self._upstream, self._server_tls.dial_error))
        elif self.context.server.error:
            self._refuse("tls", self.context.server.error)
        elif not self._server_tls.ready:
            return
        yield from self.handle_connect_finish()  # type: ignore[no-untyped-call]

    def check_invalid(self, request: bool) -> layer.CommandGenerator[bool]:
        if not request or not self.malformed:
            return (yield from super().check_invalid(request))
        message = f"refused a request that servers may read differently: {self.malformed}"
        self.flow.request.headers.clear()  # a credential among them need not look like one
        self.flow.metadata[FAILURE] = ["mitmkube", message]
        if self.mode is HTTPMode.regular and not self._tunnels.knows_password(self._lifted):
            self.flow.metadata[STRANGER] = True
        self.flow.error = Error(message)
        yield HttpRequestHeadersHook(self.flow)
        yield HttpErrorHook(self.flow)
        # This ends the connection too: what is left in it may be meant for a second request.
        refusal = ResponseProtocolError(self.stream_id, f"mitmkube: {message}", ErrorCode.REQUEST_VALIDATION_FAILED)
        yield SendHttp(refusal, self.context.client)
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        return True

    @property
    def _lifted(self) -> Lifted:
        return self._tunnels.lifted.get(self.flow.request) or Lifted()

    def _note_refusal(self, refusal: http.Response) -> None:
        if refusal.status_code == 407:
            self.flow.metadata[STRANGER] = True
        else:
            self.flow.metadata[FAILURE] = ["mitmkube", refusal.reason]

    def _refuse(self, phase: FailurePhase, message: str) -> None:
        """Answer the CONNECT with a reason phrase that kubectl will print."""
        self.context.server.error = self.context.server.error or message
        self.flow.metadata[FAILURE] = [phase, message]
        self._handle_event = self.state_errored
        phrase = " ".join(message.split()).encode("ascii", "backslashreplace")
        self.flow.response = http.Response.make(502, b"", {"Content-Length": "0"})
        self.flow.response.data.reason = phrase

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        if self.mode is HTTPMode.regular:
            admitted = self._tunnels.admit(self.flow.request, self._lifted, self.context.client)
            if not isinstance(admitted, Upstream):
                self._note_refusal(admitted)
                yield from self._answer(admitted)
                return False
            self.flow.server_conn.via = _via(admitted)
        connection, err = yield GetHttpConnection(
            (self.flow.request.host, self.flow.request.port),
            self.flow.request.scheme == "https",
            self.flow.server_conn.via,
            self.flow.server_conn.transport_protocol,
        )
        if not err:
            self.context.server = self.flow.server_conn = connection
            return True
        yield from self._answer_failure(*self._tunnels.explain(err, self.context.client))
        return False

    def handle_protocol_error(
        self, event: RequestProtocolError | ResponseProtocolError
    ) -> layer.CommandGenerator[None]:
        if isinstance(event, RequestProtocolError):
            self.flow.metadata[CLIENT_LEFT] = True
        elif self.flow.response is None:
            said = self.flow.server_conn.error or go_errors.not_http(event.message)
            if said:
                yield from self._answer_failure("tls" if self.flow.server_conn.error else "response", said)
                return
            # The client meets what we met: it says "EOF" itself, or tries again where that is safe.
            event = ResponseProtocolError(event.stream_id, event.message, ErrorCode.CANCEL)
        elif self.client_state == self.server_state == self.state_done:
            return  # the server went on to end; the client has its answer, and may have sent the next request
        yield from super().handle_protocol_error(event)

    def flow_done(self) -> layer.CommandGenerator[None]:
        assert self.flow.response is not None
        if self.flow.response.status_code != 101:
            yield from super().flow_done()
            return
        # What flows inside an exec or a port-forward passes as bytes, is kept nowhere, and shows up as no flow.
        self.flow.live = False
        watcher = self._tunnels.watchers.get(self.flow.request)
        self.child_layer = UpgradedLayer(self.context, watcher)
        self._handle_event = self.passthrough
        yield from self.child_layer.handle_event(events.Start())
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
        standing = self._owner.tunnel
        if standing is not None and (relay := standing.relay(self.context.server, watcher)) is not None:
            yield BecomeTop(relay)

    def _answer_failure(self, phase: FailurePhase, message: str) -> Commands:
        self.flow.metadata[FAILURE] = [phase, message]
        upstream = self._tunnels.of(self.context.client)
        path = self.flow.request.path.removeprefix(upstream.path_prefix if upstream else "")
        yield from self._answer(_as_response(path, phase, message))

    def _answer(self, response: http.Response) -> Commands:
        """Answer in the server's place, whether or not the client is still sending its body."""
        self.flow.response = response
        response.timestamp_start = time.time()
        client_done = self.client_state == self.state_done
        yield from self.send_response()
        if not client_done:
            self.flow.live = False
            self.client_state = self.state_errored
            yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)


class KubeHttpLayer(HttpLayer):
    """Takes credentials off a request before any addon sees it, and puts them back on what is sent to the server."""

    def __init__(self, context: Context, mode: HTTPMode, tunnels: Tunnels) -> None:
        super().__init__(context, mode)
        self._tunnels = tunnels
        self.tunnel: Established | None = None

    def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
        self.streams[stream_id] = KubeHttpStream(self.context.fork(), stream_id, self, self._tunnels)
        yield from self.event_to_child(self.streams[stream_id], events.Start())

    def event_to_child(self, child: layer.Layer | HttpStream, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, RequestHeaders):
            if isinstance(child, KubeHttpStream):
                child.malformed = problem(event.request, in_tunnel=self.mode is HTTPMode.transparent)
                foreign = self._is_foreign and self.mode is not HTTPMode.regular
                self._tunnels.lifted[event.request] = Lifted.take_from(event.request, foreign=foreign)
            else:
                informational.pass_over(child)
                if lifted := self._tunnels.lifted.get(event.request):
                    event = RequestHeaders(event.stream_id, lifted.put_back(event.request), event.end_stream)
        elif (
            isinstance(event, ResponseHeaders)
            and self.tunnel is None
            and (found := self._standing(child.context.server)) is not None
        ):
            self.tunnel = found
            yield BecomeTop(found)
        if isinstance(event, ResponseHeaders) and self._is_foreign:
            if isinstance(child, HttpStream):
                self._tunnels.lifted_answers[event.response] = LiftedAnswer.take_from(event.response)
            elif answer := self._tunnels.lifted_answers.get(event.response):
                event = ResponseHeaders(event.stream_id, answer.put_back(event.response), event.end_stream)
        for command in super().event_to_child(child, event):
            if isinstance(command, commands.Log):
                command.message = command.message.partition(": b'")[0].partition(': b"')[0]  # bytes off the wire
            yield command

    @property
    def _is_foreign(self) -> bool:
        upstream = self._tunnels.of(self.context.client)
        return upstream is not None and upstream.foreign

    def _standing(self, server: Server) -> Established | None:
        """The tunnel around this, which an answer of ``server`` came through; None where it must be passed layer by
        layer: behind a forward proxy, and where TLS to the server is no part of it."""
        if self.mode is not HTTPMode.transparent or server.via is not None:
            return None
        tls = {
            one.conn: one.tls
            for one in self.context.layers
            if isinstance(one, ServerTLS | ClientTLS) and one.tunnel_state is tunnel.TunnelState.OPEN
        }
        client = self.context.client
        if (client.tls and client not in tls) or (server.tls and server not in tls):
            return None
        return Established(self, End(client, tls.get(client)), End(server, tls.get(server)))


def _via(upstream: Upstream) -> ServerSpec | None:
    return (upstream.via.scheme, (upstream.via.host, upstream.via.port)) if upstream.via is not None else None


def _as_response(path: str, phase: FailurePhase, message: str) -> http.Response:
    """A failure met after the tunnel stood, as kubectl can show it in one line.

    Discovery never decodes a Status, but shows a 502 of text/plain verbatim; everything else decodes one. There is no
    Retry-After: clients would try ten times more.
    """
    text = message if phase != "mitmkube" else f"mitmkube: {message}"
    path = path.partition("?")[0]
    if path.startswith(_NEVER_STATUS) or _is_discovery(path):
        return http.Response.make(502, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": text,
        "reason": "ServiceUnavailable",
        "code": 503,
    }
    return http.Response.make(503, json.dumps(status).encode(), {"Content-Type": "application/json"})


def _is_discovery(path: str) -> bool:
    """/api, /api/v1, /apis, /apis/GROUP and /apis/GROUP/VERSION."""
    segments = path.strip("/").split("/")
    return (segments[0] == "api" and len(segments) <= 2) or (segments[0] == "apis" and len(segments) <= 3)
