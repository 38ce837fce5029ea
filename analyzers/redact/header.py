"""Header fields that grant access, or are somebody else's word on who the user is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from analyzers.decode.credential import WEBSOCKET_BEARER
from analyzers.exchange import Headers
from analyzers.redact.net import MASK, text
from analyzers.redact.urls import url

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-forwarded-client-cert"})
_SECRET_HEADER = re.compile(
    r"^x-remote-|^x-auth-|(?:^|-)(?:tokens?|secrets?|passw(?:or)?d|jwt|apikey|api-key|private-key|access-key"
    r"|authorization|cookie|credentials?|assertion|signature)(?:-|$)"
)
_HARMLESS_HEADER = re.compile(r"^(?:access-control-|www-authenticate$|proxy-authenticate$)")
_SCHEMES = frozenset({"bearer", "basic", "negotiate", "digest", "ntlm"})


def is_secret_header(name: str, value: str = "") -> bool:
    """Whether a header field may grant access, or is somebody else's word on who the user is (X-Remote-User)."""
    secret = _is_secret_name(name)
    return WEBSOCKET_BEARER in value.lower() if secret is None else secret


@lru_cache(maxsize=256)
def _is_secret_name(name: str) -> bool | None:
    """None where the value decides. Names repeat in every message, so each is looked at once; no value is kept."""
    lowered = name.strip().lower()
    if lowered == "sec-websocket-protocol":
        return None
    if lowered in _SECRET_HEADERS:
        return True
    return _SECRET_HEADER.search(lowered) is not None and not _HARMLESS_HEADER.match(lowered)


def split_secret_fields(
    fields: Iterable[tuple[str, str]],
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Header fields in two: those that may stay, and those that are secret; each in wire order."""
    kept: list[tuple[str, str]] = []
    secret: list[tuple[str, str]] = []
    for name, value in fields:
        (secret if is_secret_header(name, value) else kept).append((name, value))
    return tuple(kept), tuple(secret)


def headers(fields: Headers) -> Headers:
    """The same fields in the same order, the values of the secret ones masked; a scheme such as Bearer is kept."""
    return Headers((name, _header_value(name, value)) for name, value in fields)


def _header_value(name: str, value: str) -> str:
    if not is_secret_header(name, value):
        return url(value) if name.lower() in ("location", "referer", "content-location") else text(value)
    lowered = name.strip().lower()
    if lowered == "sec-websocket-protocol":
        protocols = (protocol.strip() for protocol in value.split(","))
        return ", ".join(MASK if WEBSOCKET_BEARER in one.lower() else one for one in protocols)
    scheme, space, _ = value.strip().partition(" ")
    if lowered.endswith("authorization") and space and scheme.lower() in _SCHEMES:
        return f"{scheme} {MASK}"
    return MASK
