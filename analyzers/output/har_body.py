"""The bodies of a HAR entry: how long they are, whatever is shown of them, and why where it is not all.

An archive holds metadata and what servers refused with. Whatever else a body holds can be asked for, and is redacted
then; its size is told in any case.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from analyzers.exchange import Exchange, Request, Response

LEFT_OUT = "left out; --bodies keeps it, redacted"
_FIRST_ERROR = 400
_SWITCHING = 101
_HTML = "text/html"


def is_refusal(exchange: Exchange) -> bool:
    """Whether the answer's body says why there is no other: a page of HTML, whatever its status, is somebody else's."""
    response = exchange.response
    return response is not None and (response.status >= _FIRST_ERROR or _HTML in response.headers.get("Content-Type"))


def without_contents(exchange: Exchange) -> Exchange:
    """``exchange`` with the body of a refusal and no other."""
    bare = exchange.without_bodies()
    return replace(bare, response=exchange.response) if is_refusal(exchange) else bare


def post_data(shown: Request, sent: Request, *, wanted: bool) -> dict[str, Any]:
    """``postData``: what of ``sent`` is shown; ``wanted``: its body was to be."""
    text = _as_text(shown.body)
    why = _why_not_all(shown, sent, wanted)
    if shown.body is not None and text is None:
        why = "binary, left out"  # HAR has no encoding for what was sent
    data = {"mimeType": shown.headers.get("Content-Type"), "text": text or ""}
    return data | ({"comment": why} if why else {})


def content(shown: Response, original: Response, *, wanted: bool) -> dict[str, Any]:
    """``content``: ``size`` is that of what the server sent, decoded, also where less of it is shown; -1 where nobody
    counted it. ``wanted``: the body was to be shown."""
    encoded = original.headers.get("Content-Encoding").lower() not in ("", "identity")
    size = _decoded_size(original) if encoded else original.body_bytes
    found: dict[str, Any] = {"size": size, "mimeType": original.headers.get("Content-Type") or "x-unknown"}
    if encoded and size >= 0:
        found["compression"] = size - original.body_bytes
    if shown.body:
        text = _as_text(shown.body)
        if text is not None:
            found["text"] = text
        else:
            found |= {"text": base64.b64encode(shown.body).decode(), "encoding": "base64"}
    if original.status == _SWITCHING and original.body_bytes:
        found["comment"] = "counted and not kept"
    elif why := _why_not_all(shown, original, wanted):
        found["comment"] = why
    return found


def _decoded_size(response: Response) -> int:
    if response.body_complete:
        return len(response.body or b"")
    return response.decoded_bytes if response.decoded_bytes is not None else -1


def _why_not_all(shown: Request | Response, original: Request | Response, wanted: bool) -> str:
    """What to say where a body is not there as it was sent; "" where it is."""
    if not original.body:
        return "" if original.body_complete else "not kept"
    if not wanted:
        return LEFT_OUT
    if shown.body is None:
        return "left out: it may hold secrets"
    return "" if original.body_complete else "the beginning only"


def _as_text(body: bytes | None) -> str | None:
    if body is None:
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None
