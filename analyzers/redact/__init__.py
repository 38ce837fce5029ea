"""The only redactor: takes out of headers, URLs, bodies and text what would grant access to whoever reads them.

Structure comes first: a body is parsed, hidden where its structure says that it is secret, and written again. What has
no structure goes through ``text``, a net for the shapes that secrets have. In doubt a body is left out (None).
"""

from __future__ import annotations

from dataclasses import replace

from analyzers.decode.request_info import RequestInfo
from analyzers.decode.request_info import decode as request_info
from analyzers.exchange import Exchange, Failure, Request, Response
from analyzers.redact.bodies import body
from analyzers.redact.canary import SEEN
from analyzers.redact.documents import without_quoted_values
from analyzers.redact.header import headers, is_secret_header, note_header, split_secret_fields
from analyzers.redact.net import text
from analyzers.redact.placeholder import MASK, is_mask, mask
from analyzers.redact.urls import path, url

__all__ = [
    "MASK",
    "SEEN",
    "body",
    "exchange",
    "headers",
    "is_mask",
    "is_secret_header",
    "know_names",
    "mask",
    "note_header",
    "path",
    "split_secret_fields",
    "text",
    "url",
    "without_quoted_values",
]


def exchange(recorded: Exchange) -> Exchange:
    """A copy of ``recorded`` that may be shown and kept."""
    know_names(recorded)
    info = _info(recorded)
    failure, response = recorded.failure, recorded.response
    return replace(
        recorded,
        request=_request(recorded.request, info),
        response=_response(response, info) if response is not None else None,
        failure=Failure(phase=failure.phase, message=text(failure.message)) if failure is not None else None,
    )


def know_names(recorded: Exchange) -> None:
    """What is asked for, where and of whom is no secret, should a Secret hold the same word."""
    info = _info(recorded)
    SEEN.add_name(recorded.cluster)
    SEEN.add_name(recorded.request.host)
    if info is not None and info.subresource != "proxy":
        for said in (info.api_group, info.resource, info.namespace, info.name):
            SEEN.add_name(said)
    if recorded.credential is not None:
        SEEN.add_name(recorded.credential.subject)
        SEEN.add_name(recorded.credential.username)


def _info(recorded: Exchange) -> RequestInfo | None:
    return None if recorded.tunnel else request_info(recorded.request.method, recorded.api_path)


def _request(request: Request, info: RequestInfo | None) -> Request:
    content = body(request.body, request.headers.get("Content-Type"), info, complete=request.body_complete)
    target = request.path if request.method == "CONNECT" else path(request.path)
    return replace(request, path=target, headers=headers(request.headers), body=content)


def _response(response: Response, info: RequestInfo | None) -> Response:
    content = body(
        response.body,
        response.headers.get("Content-Type"),
        info,
        complete=response.body_complete,
        refusal=response.status >= 400,
    )
    return replace(
        response,
        reason=text(response.reason),
        headers=headers(response.headers),
        body=content,
        error_event=body(response.error_event, "application/json", info),
    )
