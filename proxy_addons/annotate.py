"""Writes on each flow what it means: a mark, a comment, and what the "Kubernetes" view shows above the body.

Bodies were streamed and are not in the flow; what is put there now is what may be shown.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from mitmproxy import ctx, http
from mitmproxy.hooks import UpdateHook

from analyzers import redact
from analyzers.exchange import Exchange, Request, Response
from analyzers.facts import Facts
from analyzers.finding import Finding
from analyzers.output import comment, har
from analyzers.output.view import above_body
from analyzers.phrase import phrase
from analyzers.redact import guard

VIEW = "mitmkube.view"
"""Key of ``flow.metadata``: the text above a body, [request side, response side]."""
TOLD = "mitmkube.told"
"""Key of ``flow.metadata``: what the HAR has under ``_mitmkube``, so that a saved flow can be judged again."""

LEFT_OUT = b"(mitmkube leaves this body out: it may hold secrets, or is too long to be sure)\n"


class Annotate:
    """A listener of the analysis: called on its thread, writes on the event loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._beginnings: WeakKeyDictionary[http.HTTPFlow, tuple[bytes, bytes | None]] = WeakKeyDictionary()

    def __call__(self, exchange: Exchange, findings: tuple[Finding, ...], flow: http.HTTPFlow) -> None:
        shown = self._shown(exchange, flow)
        facts = Facts.of(exchange)
        info = facts.request_info
        note = _Note(
            comment=guard.text(comment.comment(exchange, info, findings)),
            mark=comment.mark(findings[0].category) if findings else "",
            view=guard.text(above_body(shown, findings)),
            told=guard.document(har.told(shown, facts, findings)),
        )
        self._loop.call_soon_threadsafe(_write, flow, _guarded(shown), note)

    def given_up(self, exchange: Exchange, flow: http.HTTPFlow, why: str) -> None:
        """Say that the analysis failed, and show nothing of what it may have failed at."""
        shown = redact.exchange(exchange.without_bodies())
        said = f"not analysed: {why}"
        note = _Note(comment=guard.text(f"{phrase(exchange, None)} ({said})"), mark="", view=f"# {said}", told={})
        self._loop.call_soon_threadsafe(_write, flow, _guarded(shown), note)

    def _shown(self, exchange: Exchange, flow: http.HTTPFlow) -> Exchange:
        """Without secrets. The beginning of a stream that is still open is looked at once, when it grows no more."""
        response = exchange.response
        if not exchange.live or response is None or not response.body:
            return redact.exchange(exchange)
        known = self._beginnings.get(flow)
        if known is not None and known[0] == response.body:
            shown = redact.exchange(replace(exchange, response=replace(response, body=None)))
            assert shown.response is not None
            return replace(shown, response=replace(shown.response, body=known[1]))
        shown = redact.exchange(exchange)
        assert shown.response is not None
        self._beginnings[flow] = response.body, shown.response.body
        return shown


def _guarded(shown: Exchange) -> Exchange:
    request, response = shown.request, shown.response
    return replace(
        shown,
        request=replace(request, body=guard.body(request.body)),
        response=response and replace(response, body=guard.body(response.body)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    comment: str
    mark: str
    view: str
    told: dict[str, Any]


def _write(flow: http.HTTPFlow, shown: Exchange, note: _Note) -> None:
    flow.comment, flow.marked = note.comment, note.mark
    flow.metadata[VIEW] = note.view
    flow.metadata[TOLD] = note.told
    if shown.tunnel:
        if view := ctx.master.addons.get("view"):
            view.add([flow])  # a CONNECT is not shown by itself, but one that failed is what the user looks for
    else:
        _show(flow.request, shown.request)
        if flow.response is not None and shown.response is not None:
            _show(flow.response, shown.response)
    ctx.master.addons.trigger(UpdateHook([flow]))


def _show(message: http.Message, shown: Request | Response) -> None:
    """Put what may be shown into the flow, for the page. The headers stay as they were on the wire."""
    fields = message.headers.fields
    if shown.body is not None:
        message.content = shown.body
    else:
        message.content = LEFT_OUT if shown.body_bytes else b""
    message.headers.fields = fields
