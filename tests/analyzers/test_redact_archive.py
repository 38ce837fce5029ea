"""Archives of other tools, which hide nothing, are cleaned of everything that grants access."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers.exchange import Exchange
from analyzers.redact import archive
from tests.analyzers.secret_places import NS
from tests.analyzers.test_secret_places import PLACES, SECRETS
from tests.spellings import spellings


def foreign(exchange: Exchange) -> dict[str, Any]:
    """An entry as other tools write it: everything as it was, every field that Chrome adds."""
    request, response = exchange.request, exchange.response
    entry: dict[str, Any] = {
        "startedDateTime": "2026-11-22T10:00:00.000Z",
        "time": 1.5,
        "request": {
            "method": request.method,
            "url": request.url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _headers(exchange, sent=True),
            "queryString": [{"name": "x", "value": request.path.partition("=")[2]}],
            "headersSize": -1,
            "bodySize": request.body_bytes,
        },
        "cache": {},
        "timings": {"send": 0, "wait": 1.5, "receive": 0},
        "_initiator": {"type": "script", "stack": {"callFrames": [{"url": request.url, "lineNumber": 1}]}},
    }
    if request.body:
        entry["request"]["postData"] = {"mimeType": request.headers.get("Content-Type"), **_text(request.body)}
    if response is not None:
        kind = response.headers.get("Content-Type") or "x-unknown"
        entry["response"] = {
            "status": response.status,
            "statusText": response.reason,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _headers(exchange, sent=False),
            "content": {"size": 1, "mimeType": kind, **_text(response.body or b"")},
            "redirectURL": response.headers.get("Location"),
            "headersSize": -1,
            "bodySize": -1,
        }
    if exchange.failure is not None:
        entry["response"] = {"status": 0, "_error": exchange.failure.message}
    return entry


def _headers(exchange: Exchange, *, sent: bool) -> list[dict[str, str]]:
    fields = exchange.request.headers if sent else (exchange.response.headers if exchange.response else ())
    return [{"name": name, "value": value} for name, value in fields]


def _text(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"text": base64.b64encode(body).decode(), "encoding": "base64"}


def kept(entry: dict[str, Any]) -> str:
    return json.dumps(archive.entry(entry), ensure_ascii=False)


def hits(said: str, secret: str) -> list[str]:
    return [spelling for spelling in spellings(secret) if spelling in said]


@pytest.mark.parametrize("secret", SECRETS, ids=["word", "signs"])
@pytest.mark.parametrize("place", PLACES)
def test_secret_in_any_place_is_hidden(place: Any, secret: str) -> None:
    assert hits(kept(foreign(place(secret))), secret) == []


def browsers() -> Iterator[tuple[str, Any]]:
    """Places that no Kubernetes client has, and a browser's archive."""
    url = "https://console.example.test/api/v1/pods"

    def request(**fields: Any) -> Any:
        return lambda secret: {"request": {"method": "POST", "url": url} | _filled(fields, secret)}

    def response(**fields: Any) -> Any:
        return lambda secret: {
            "request": {"method": "GET", "url": url},
            "response": {"status": 200} | _filled(fields, secret),
        }

    yield "cookie of a request", request(cookies=[{"name": "session", "value": "SECRET", "httpOnly": True}])
    yield "cookie of a response", response(cookies=[{"name": "session", "value": "SECRET", "path": "/"}])
    yield "HTTP/2's :path", request(headers=[{"name": ":path", "value": "/x?token=SECRET"}])
    yield "parameter", request(postData={"mimeType": "form", "params": [{"name": "password", "value": "SECRET"}]})
    yield (
        "JSON in a parameter's name",
        request(postData={"mimeType": "json", "params": [{"name": '{"password":"SECRET"}', "value": ""}]}),
    )
    yield "file", request(postData={"params": [{"name": "file", "fileName": "kubeconfig", "value": "SECRET"}]})
    yield "login form", request(postData={"mimeType": "application/x-www-form-urlencoded", "text": "code=SECRET&a=b"})
    yield "page", response(content={"mimeType": "text/html", "text": '<input name="csrf" value="SECRET">'})
    yield "script", response(content={"mimeType": "text/javascript", "text": "var t='SECRET'"})
    yield "picture", response(content={"mimeType": "image/png", "text": "U0VDUkVU", "encoding": "base64"})
    yield (
        "OAuth's answer",
        response(content={"mimeType": "application/json", "text": '{"access_token":"SECRET","id_token":"SECRET"}'}),
    )
    yield "redirect", response(redirectURL="https://console/cb#id_token=SECRET")
    yield (
        "WebSocket",
        lambda secret: {
            "request": {"method": "GET", "url": f"wss://h{NS}/pods/web/exec?command=sh"},
            "_webSocketMessages": [{"type": "send", "time": 1, "opcode": 2, "data": secret}],
        },
    )
    yield (
        "field of its own",
        lambda secret: {"_token": secret, "_custom": {"apiKey": secret, "url": f"https://u:{secret}@h"}},
    )


def _filled(fields: Any, secret: str) -> Any:
    if isinstance(fields, dict):
        return {key: _filled(value, secret) for key, value in fields.items()}
    if isinstance(fields, list):
        return [_filled(value, secret) for value in fields]
    return fields.replace("SECRET", secret) if isinstance(fields, str) else fields


@pytest.mark.parametrize(("place", "make"), [pytest.param(*one, id=one[0]) for one in browsers()])
def test_secret_of_a_browser_is_hidden(place: str, make: Any) -> None:
    secret = SECRETS[0]
    assert secret in json.dumps(make(secret)) or place == "picture"
    assert hits(kept(make(secret)), secret) == []


def test_what_debugging_needs_is_kept() -> None:
    refusal = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": 'pods "web" not found',
        "code": 404,
    }
    entry = {
        "startedDateTime": "2026-11-22T10:00:00.000Z",
        "time": 3,
        "request": {
            "method": "GET",
            "url": f"https://h:6443{NS}/pods/web?limit=500",
            "headers": [
                {"name": "User-Agent", "value": "kubectl/v1.33"},
                {"name": "Impersonate-User", "value": "jane"},
            ],
            "queryString": [{"name": "limit", "value": "500"}],
        },
        "response": {
            "status": 404,
            "statusText": "Not Found",
            "headers": [{"name": "Audit-Id", "value": "f6a42e74"}],
            "content": {"size": 9, "mimeType": "application/json", "text": json.dumps(refusal)},
        },
        "timings": {"send": 0, "wait": 3, "receive": 0},
        "serverIPAddress": "10.0.0.1",
    }
    cleaned = archive.entry(entry)
    assert json.loads(cleaned["response"]["content"].pop("text")) == refusal
    entry["response"]["content"].pop("text")  # type: ignore[index]
    assert cleaned == entry


def test_equal_secrets_stay_recognisable() -> None:
    def header(secret: str) -> str:
        entry = archive.entry({"request": {"headers": [{"name": "Authorization", "value": f"Bearer {secret}"}]}})
        return str(entry["request"]["headers"][0]["value"])

    assert header(SECRETS[0]) == header(SECRETS[0])
    assert header(SECRETS[0]) != header(SECRETS[1])
    assert header(SECRETS[0]).startswith("Bearer [redacted:")


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["request", "response", "url", "headers", "name", "value", "content", "text", "encoding", "postData",
                 "params", "queryString", "cookies", "status", "mimeType", "_webSocketMessages", "data", "token", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.dictionaries(st.sampled_from(["request", "response", "_x", "timings"]), json_values))
def test_any_entry_is_cleaned_and_stays_so(entry: dict[str, Any]) -> None:
    once = archive.entry(entry)
    assert json.dumps(archive.entry(once)) == json.dumps(once)
