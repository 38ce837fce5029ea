"""Header fields that grant access, or are somebody else's word on who the user is."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from functools import lru_cache

from analyzers.decode.credential import WEBSOCKET_BEARER
from analyzers.exchange import Headers
from analyzers.redact.net import text
from analyzers.redact.placeholder import MASK, mask
from analyzers.redact.urls import url

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-forwarded-client-cert"})
_GRANTS = re.compile(
    r"(?:^|-)(?:[a-z]*tokens?\d?|secrets?|pass(?:w(?:or)?d|code)?|pwd|otp|pin|jwt|dpop|bearer|hmac|[cx]srf"
    r"|apikey|api-key|private-key|[a-z]*access-?key|auth-key|(?:subscription|functions|client|license|master|shared|ssh)-key"
    r"|key-id|registry-config|client-principal|session-?id|authorization|authentication|cookie2?|credentials?|assertion"
    r"|signature|sig)(?:-|$)"
    r"|(?:twofactor|mfa|otp)-code$|^x-.*-key$|^x-userpass$|^sessionid$|^x-session$|(?:^|-)auth$"
)
_SAYS_WHO = re.compile(r"^x-(?:remote|auth)-|^x-forwarded-client-cert$")
_HARMLESS_HEADER = re.compile(r"^(?:access-control-|www-authenticate$|proxy-authenticate$)")
_URLS = frozenset(
    {"location", "referer", "content-location", "x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri"}
)
_SCHEMES = frozenset({"bearer", "basic", "negotiate", "digest", "ntlm"})


def is_secret_header(name: str, value: str = "") -> bool:
    """Whether a header field may grant access, or is somebody else's word on who the user is (X-Remote-User)."""
    secret = _is_secret_name(name)
    return WEBSOCKET_BEARER in value.lower() if secret is None else secret


@lru_cache(maxsize=256)
def _is_secret_name(name: str) -> bool | None:
    """None where the value decides. Names repeat in every message, so each is looked at once; no value is kept."""
    lowered = name.strip().lower().replace("_", "-")
    if lowered == "sec-websocket-protocol":
        return None
    if lowered in _SECRET_HEADERS:
        return True
    secret = _GRANTS.search(lowered) or _SAYS_WHO.match(lowered)
    return secret is not None and not _HARMLESS_HEADER.match(lowered)


def split_secret_fields(
    fields: Iterable[tuple[str, str]],
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Header fields in two: those that may stay, and those that are secret; each in wire order."""
    kept: list[tuple[str, str]] = []
    secret: list[tuple[str, str]] = []
    for name, value in fields:
        if is_secret_header(name, value):
            note_header(name, value)
            secret.append((name, value))
        else:
            kept.append((name, value))
    return tuple(kept), tuple(secret)


def headers(fields: Headers) -> Headers:
    """The same fields in the same order, the values of the secret ones masked; a scheme such as Bearer is kept."""
    return Headers((name, _header_value(name, value)) for name, value in fields)


def note_header(name: str, value: str) -> None:
    """A secret field was seen, and is kept nowhere: from now on its value may stand nowhere in the report."""
    _header_value(name, value)


def _header_value(name: str, value: str) -> str:
    if not is_secret_header(name, value):
        return url(value) if name.lower() in _URLS else text(value)
    lowered = name.strip().lower()
    if lowered == "sec-websocket-protocol":
        return ", ".join(_sub_protocol(protocol.strip()) for protocol in value.split(","))
    if _SAYS_WHO.match(lowered) and not _GRANTS.search(lowered):
        return mask(value, grants=False)  # a name, which stands elsewhere too
    if lowered in ("cookie", "set-cookie"):
        return _cookies(value)
    scheme, space, credential = value.strip().partition(" ")
    if lowered.endswith("authorization") and space and scheme.lower() in _SCHEMES:
        if scheme.lower() == "basic":
            mask(_password(credential.strip()))
        return f"{scheme} {mask(credential.strip()) or MASK}"
    return mask(value)


def _sub_protocol(protocol: str) -> str:
    at = protocol.lower().find(WEBSOCKET_BEARER)
    if at < 0:
        return protocol
    encoded = protocol[at + len(WEBSOCKET_BEARER) :]
    mask(_decoded(encoded))
    return mask(encoded) or MASK


def _cookies(value: str) -> str:
    """Each cookie's value is a secret; what else a Set-Cookie says of it is none."""
    for cookie in value.split(";"):
        name, equals, content = cookie.strip().partition("=")
        if equals and name.lower() not in ("path", "domain", "expires", "max-age", "samesite"):
            mask(content)
    return mask(value, grants=False)


def _password(encoded: str) -> bytes:
    return _decoded(encoded).partition(b":")[2]


def _decoded(encoded: str) -> bytes:
    plain = encoded.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except ValueError:
        return b""
