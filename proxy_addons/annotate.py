"""Writes on each flow what it means: a mark, a comment, and what the "Kubernetes" view shows above the body.

Bodies were streamed and are not in the flow; what is put there now is what may be shown.
"""

from __future__ import annotations

import asyncio

from mitmproxy import ctx, http
from mitmproxy.hooks import UpdateHook

from analyzers import redact
from analyzers.decode import request_info
from analyzers.exchange import Exchange
from analyzers.finding import Finding
from analyzers.output import comment
from analyzers.output.view import above_body

VIEW = "mitmkube.view"
"""Key of ``flow.metadata``: the text above a body, [request side, response side]."""

_LEFT_OUT = b"(mitmkube leaves this body out: it may hold secrets, or is too long to be sure)\n"


class Annotate:
    """A listener of the analysis: called on its thread, writes on the event loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __call__(self, exchange: Exchange, findings: tuple[Finding, ...], flow: http.HTTPFlow) -> None:
        info = None if exchange.tunnel else request_info.decode(exchange.request.method, exchange.request.path)
        sent = redact.body(exchange.request.body, exchange.request.headers.get("content-type"), info)
        got = None
        if exchange.response is not None:
            got = redact.body(exchange.response.body, exchange.response.headers.get("content-type"), info)
            if not exchange.response.body_complete:
                got = None
        text = above_body(exchange, findings)
        line = comment.comment(exchange, info, findings)
        marker = comment.mark(findings[0].category) if findings else ""
        self._loop.call_soon_threadsafe(self._write, exchange, flow, line, marker, text, sent, got)

    def _write(
        self,
        exchange: Exchange,
        flow: http.HTTPFlow,
        line: str,
        marker: str,
        text: str,
        sent: bytes | None,
        got: bytes | None,
    ) -> None:
        flow.comment = line
        flow.marked = marker
        flow.metadata[VIEW] = text
        if not exchange.tunnel:
            _show(flow.request, sent, bool(exchange.request.body_bytes))
        if flow.response is not None and exchange.response is not None:
            _show(flow.response, got, bool(exchange.response.body_bytes))
        if exchange.tunnel and (view := ctx.master.addons.get("view")):
            view.add([flow])  # a CONNECT is not shown by itself, but one that failed is what the user looks for
        ctx.master.addons.trigger(UpdateHook([flow]))


def _show(message: http.Message, content: bytes | None, had_content: bool) -> None:
    """Put ``content`` into the flow for the page. The headers stay as they were on the wire."""
    shown = content if content is not None else (_LEFT_OUT if had_content else b"")
    fields = message.headers.fields
    message.content = shown
    message.headers.fields = fields
