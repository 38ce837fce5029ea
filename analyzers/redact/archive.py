"""An HTTP archive that any tool has written, without what grants access: entry by entry, everything that is known kept.

What of an entry the specification describes is hidden by what it is; what tools add under names of their own is looked
through for secrets' names and shapes. Other tools keep every body: one that can be read is redacted, one of a kind that
says nothing about a failure (pages, scripts, pictures) is left out.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from analyzers.decode import body as body_decoder
from analyzers.decode.request_info import RequestInfo
from analyzers.decode.request_info import decode as request_info
from analyzers.decode.untrusted import items, mapping
from analyzers.exchange import Headers
from analyzers.redact import bodies, embedded, fields, header, urls
from analyzers.redact.canary import SEEN
from analyzers.redact.documents import document
from analyzers.redact.net import text
from analyzers.redact.placeholder import mask

LEFT_OUT = "left out: it may hold secrets"
_OWN = "_mitmkube"
_MESSAGES = "_webSocketMessages"
_API = re.compile(r"/(?:api/v\d\w*|apis/[^/?]+/v\d\w*)(?=[/?]|$)")
_SAYS_NOTHING = re.compile(r"html|javascript|ecmascript|css|xml|image/|font|octet-stream|video/|audio/|wasm|zip")
_URL = re.compile(r"[a-z][a-z0-9+.-]{0,20}://", re.IGNORECASE)
_COOKIE_NAMES = frozenset({"name", "path", "domain", "expires", "httpOnly", "secure", "sameSite", "comment"})


def entry(found: Mapping[str, Any]) -> dict[str, Any]:
    """One entry, whatever stands in it. Raises RecursionError where it is nested too deep."""
    request, response = mapping(found.get("request")), mapping(found.get("response"))
    info = _info(request)
    cleaned = {str(key): _field(str(key), value) for key, value in found.items() if key not in ("request", "response")}
    if "request" in found:
        cleaned["request"] = _request(request, info)
    if "response" in found:
        cleaned["response"] = _response(response, info)
    return cleaned


def field(name: str, value: Any) -> Any:
    """A field of the archive itself: its creator, its browser, its pages."""
    return _field(name, value)


def _info(request: Mapping[str, Any]) -> RequestInfo | None:
    """What was asked of an API server; None for what does not look like a request to one."""
    method, url = str(request.get("method", "")), str(request.get("url", ""))
    path = re.sub(r"^[a-z]+://[^/?#]*", "", url, count=1)
    below = _API.search(path)
    info = request_info(method, path[below.start() :] if below else path) if method != "CONNECT" else None
    if info is not None and info.subresource != "proxy":
        for said in (info.resource, info.namespace, info.name, _host(url)):
            SEEN.add_name(said)
    return info


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _request(request: Mapping[str, Any], info: RequestInfo | None) -> dict[str, Any]:
    url = urls.url(str(request.get("url", "")))
    if request.get("method") == "CONNECT":
        url = str(request.get("url", ""))
    cleaned: dict[str, Any] = {}
    for key, value in request.items():
        match key:
            case "url":
                cleaned[key] = url
            case "queryString":
                cleaned[key] = _query(url)
            case "headers":
                cleaned[key] = _headers(value)
            case "cookies":
                cleaned[key] = _cookies(value)
            case "postData":
                cleaned[key] = _sent(mapping(value), info)
            case _:
                cleaned[str(key)] = _field(str(key), value)
    return cleaned


def _response(response: Mapping[str, Any], info: RequestInfo | None) -> dict[str, Any]:
    refusal = _number(response.get("status")) >= 400
    cleaned: dict[str, Any] = {}
    for key, value in response.items():
        match key:
            case "headers":
                cleaned[key] = _headers(value)
            case "cookies":
                cleaned[key] = _cookies(value)
            case "redirectURL":
                cleaned[key] = urls.url(str(value or ""))
            case "content":
                cleaned[key] = _content(mapping(value), response, info, refusal=refusal)
            case _:
                cleaned[str(key)] = _field(str(key), value)
    return cleaned


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) and value == value else 0


def _query(url: str) -> list[dict[str, str]]:
    """Of the URL as it is shown: what tools write here they read off it."""
    try:
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return []
    return [{"name": name, "value": value} for name, value in pairs]


def _headers(value: Any) -> list[dict[str, Any]]:
    cleaned = []
    for one in map(mapping, items(value)):
        name, content = str(one.get("name", "")), str(one.get("value", ""))
        ((_, shown),) = header.headers(Headers([(name, content)]))
        if name.lower() == ":path":
            shown = urls.path(content)
        rest = {str(key): _field(str(key), said) for key, said in one.items() if key not in ("name", "value")}
        cleaned.append({"name": name, "value": shown, **rest})
    return cleaned


def _cookies(value: Any) -> list[dict[str, Any]]:
    cleaned = []
    for cookie in map(mapping, items(value)):
        kept = {str(key): said for key, said in cookie.items() if key in _COOKIE_NAMES}
        cleaned.append({**kept, "value": mask(str(cookie.get("value", "")))})
    return cleaned


def _sent(data: Mapping[str, Any], info: RequestInfo | None) -> dict[str, Any]:
    kind = str(data.get("mimeType", ""))
    cleaned = {
        str(key): _field(str(key), value)
        for key, value in data.items()
        if key not in ("text", "params", "encoding", "mimeType")
    }
    cleaned["mimeType"] = text(kind)
    if "params" in data and not data.get("text"):
        return cleaned | {"params": [_parameter(mapping(one)) for one in items(data["params"])]}
    said = data.get("text")
    content = _decoded(str(said), data.get("encoding")) if said else b""
    shown = _body(content, kind, info, refusal=False)
    return cleaned | {"text": shown or ""} | ({"comment": LEFT_OUT} if shown is None else {})


def _parameter(parameter: Mapping[str, Any]) -> dict[str, Any]:
    name, value = str(parameter.get("name", "")), str(parameter.get("value", ""))
    shown = urls.form(f"{name}={value}").partition("=")[2] if value else ""
    if name.lstrip()[:1] in ("{", "["):  # JSON that a tool took for a form
        name = embedded.string(name, document)
    if parameter.get("fileName"):
        shown = mask(value, grants=False)
    elif shown == value:
        shown = embedded.string(value, document)
    return {"name": name, "value": shown}


def _content(
    content: Mapping[str, Any], response: Mapping[str, Any], info: RequestInfo | None, *, refusal: bool
) -> dict[str, Any]:
    kind = str(content.get("mimeType", ""))
    cleaned = {
        str(key): _field(str(key), value)
        for key, value in content.items()
        if key not in ("text", "encoding", "mimeType")
    }
    if "mimeType" in content:
        cleaned["mimeType"] = text(kind)
    said = content.get("text")
    if not said:
        return cleaned
    written = _decoded(str(said), content.get("encoding"))
    if written.startswith(b"\x1f\x8b"):
        written = body_decoder.decode(written, "gzip")  # the specification wants it undone
    shown = _body(written, kind, info, refusal=refusal)
    return cleaned | ({"text": shown} if shown is not None else {"comment": LEFT_OUT})


def _decoded(text: str, encoding: object) -> bytes:
    if encoding != "base64":
        return text.encode("utf-8", "replace")
    try:
        return base64.b64decode(text)
    except (ValueError, binascii.Error):
        return b"\xff"  # which is no text either


def _body(content: bytes, kind: str, info: RequestInfo | None, *, refusal: bool) -> str | None:
    if not refusal and _SAYS_NOTHING.search(kind.lower()):
        return None
    shown = bodies.body(content, kind, info, refusal=refusal)
    try:
        return None if shown is None else shown.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _field(name: str, value: Any) -> Any:
    """What tools write under names of their own, and what the specification says of times and sizes."""
    if name == _MESSAGES:
        return [_message(mapping(one)) for one in items(value)]
    if name == _OWN:
        return _text_only(value)  # mitmkube has written it, and calls a credential what holds none
    if fields.is_secret(name) and isinstance(value, str):
        return mask(value)
    if fields.is_secret(name) or name.lower().endswith(("cookie", "cookies", "cookieline")):
        return _hidden(value)
    if isinstance(value, dict):
        said = value.get("name", value.get("key"))
        hides = isinstance(said, str) and (header.is_secret_header(said) or fields.is_secret(said))
        return {
            str(key): _hidden(one) if hides and key == "value" else _field(str(key), one) for key, one in value.items()
        }
    if isinstance(value, list):
        if len(value) == 2 and isinstance(value[0], str) and header.is_secret_header(value[0]):
            return [value[0], _hidden(value[1])]
        return [_field(name, one) for one in value]
    return _string(value) if isinstance(value, str) else value


def _hidden(value: Any) -> Any:
    """Of what grants access, however it is written, the names of its fields."""
    if isinstance(value, dict):
        return {text(str(key)): _hidden(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_hidden(one) for one in value]
    return mask(value) if isinstance(value, str) else value


def _text_only(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _text_only(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_text_only(one) for one in value]
    return _string(value) if isinstance(value, str) else value


def _string(value: str) -> str:
    return urls.url(value) if _URL.match(value) else embedded.string(value, document)


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """What is typed and printed is nobody's business, but that and when there was something is."""
    data = message.get("data")
    shown = {"data": mask(data, grants=False)} if isinstance(data, str) else {}
    return {str(key): _field(str(key), value) for key, value in message.items() if key != "data"} | shown
