"""What a request's Authorization says of its sender, without anything that would grant access.

The raw value is read here and goes no further: a ``Credential`` holds decoded claims, never verified by us, and only
those that are safe to show.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl

from analyzers.decode.untrusted import integer, mapping, name, names, parse_json

Kind = Literal["service-account-token", "jwt", "eks-token", "opaque-token", "basic", "other"]

WEBSOCKET_BEARER = "base64url.bearer.authorization.k8s.io."
_EKS = "k8s-aws-v1."
# aws-iam-authenticator accepts a token this long after X-Amz-Date, whatever X-Amz-Expires says.
_EKS_SECONDS = 15 * 60
_SERVICE_ACCOUNT = "system:serviceaccount:"
_LEGACY = "kubernetes.io/serviceaccount/"
_BOOTSTRAP = re.compile(r"([a-z0-9]{6})\.[a-z0-9]{16}")
_SCHEME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}")
_LONGEST_TOKEN = 256 * 1024
# Opaque tokens say nothing of themselves but by whom they were made.
_BEGINNINGS = {"ya29.": "Google", "sha256~": "OpenShift", "kubeconfig-u-": "Rancher", "kubeconfig-user-": "Rancher"}
_WORDS = {
    "service-account-token": "bearer token",
    "jwt": "bearer token",
    "eks-token": "EKS token",
    "opaque-token": "bearer token",
    "basic": "user name and password",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Safe facts about a credential in a header; "" or None for what it does not say. Times are Unix seconds.

    ``subject`` is the token's sub, or Basic's user name; ``username`` what a person would recognise (an e-mail
    address). ``namespace`` and ``pod`` belong to service account tokens. ``scheme`` is Authorization's first word, as
    sent. ``ignored``: the API server does not look at it (Basic, another scheme, a space too many, an empty token).
    """

    kind: Kind
    scheme: str = ""
    subject: str = ""
    username: str = ""
    issuer: str = ""
    audiences: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    not_before: int | None = None
    expires: int | None = None
    namespace: str = ""
    pod: str = ""
    node: str = ""
    ignored: bool = False

    @property
    def phrase(self) -> str:
        """``bearer token of system:serviceaccount:ci:deployer``: short, and safe to print anywhere."""
        words = _WORDS.get(self.kind, f"{self.scheme or 'unknown'} credential")
        who = self.username or self.subject
        return f"{words} of {who}" if who else words


def decode(header_fields: Iterable[tuple[str, str]]) -> Credential | None:
    """The credential in a request's header fields, None when there is none.

    The first Authorization field counts, as for the API server; a WebSocket bearer sub-protocol where there is none.
    """
    in_websocket = None
    for key, value in header_fields:
        lowered = key.lower()
        if lowered == "authorization":
            if value.strip():
                return _from_authorization(value.strip())
        elif lowered == "sec-websocket-protocol" and in_websocket is None:
            in_websocket = _from_websocket(value)
    return in_websocket


def _from_authorization(value: str) -> Credential:
    scheme, space, rest = value.partition(" ")
    if not _SCHEME.fullmatch(scheme) or (not space and len(scheme) > 12):
        return Credential(kind="other", ignored=True)  # a bare secret, perhaps: not even its beginning is safe
    match scheme.lower():
        case "bearer":
            if not rest.strip():
                return Credential(kind="other", scheme=scheme, ignored=True)
            token = rest.split(" ", 1)[0]
            # Two spaces: the server takes the nothing between them for the token, and warns.
            ignored = not token
            return _from_token(token or rest.strip(), scheme=scheme, ignored=ignored)
        case "basic":
            user, colon, _ = _base64(rest.strip()).decode("utf-8", "replace").partition(":")
            return Credential(kind="basic", scheme=scheme, subject=name(user) if colon else "", ignored=True)
    return Credential(kind="other", scheme=scheme if space else "", ignored=True)


def _from_websocket(value: str) -> Credential | None:
    for protocol in value.split(","):
        if protocol.strip().startswith(WEBSOCKET_BEARER):
            token = _base64(protocol.strip()[len(WEBSOCKET_BEARER) :]).decode("utf-8", "replace")
            return _from_token(token, scheme="Bearer", ignored=False)
    return None


def _from_token(token: str, *, scheme: str, ignored: bool) -> Credential:
    if len(token) > _LONGEST_TOKEN:
        return Credential(kind="opaque-token", scheme=scheme, ignored=ignored)
    if token.startswith(_EKS):
        return _from_eks(token[len(_EKS) :], scheme, ignored)
    if (claims := _claims(token)) is not None:
        return _from_claims(claims, scheme, ignored)
    if found := _BOOTSTRAP.fullmatch(token):
        subject = f"system:bootstrap:{found[1]}"  # the half of a bootstrap token that is public
        return Credential(kind="opaque-token", scheme=scheme, subject=subject, ignored=ignored)
    issuer = next((who for beginning, who in _BEGINNINGS.items() if token.startswith(beginning)), "")
    return Credential(kind="opaque-token", scheme=scheme, issuer=issuer, ignored=ignored)


def _claims(token: str) -> Mapping[str, Any] | None:
    """The claims of a JSON Web Token in compact form, unverified; None for anything else."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    header, payload = parse_json(_base64(parts[0])), parse_json(_base64(parts[1]))
    return payload if isinstance(header, dict) and "alg" in header and isinstance(payload, dict) else None


def _from_claims(claims: Mapping[str, Any], scheme: str, ignored: bool) -> Credential:
    subject = name(claims.get("sub"))
    bound = mapping(claims.get("kubernetes.io"))
    is_service_account = subject.startswith(_SERVICE_ACCOUNT)
    # Which claim is the user name is the server's setting; these are the ones a person recognises.
    usernames = (name(claims.get(key)) for key in ("email", "upn", "preferred_username", "unique_name"))
    return Credential(
        kind="service-account-token" if is_service_account else "jwt",
        scheme=scheme,
        subject=subject,
        username="" if is_service_account else next(filter(None, usernames), ""),
        issuer=name(claims.get("iss")),
        audiences=names(claims.get("aud")),
        groups=names(claims.get("groups")),
        not_before=integer(claims.get("nbf")),
        expires=integer(claims.get("exp")),
        namespace=name(bound.get("namespace")) or name(claims.get(f"{_LEGACY}namespace")) if is_service_account else "",
        pod=name(mapping(bound.get("pod")).get("name")),
        node=name(mapping(bound.get("node")).get("name")),
        ignored=ignored,
    )


def _from_eks(encoded: str, scheme: str, ignored: bool) -> Credential:
    """A pre-signed STS URL: whoever has it can use it, so only its host and its date are kept."""
    url = _base64(encoded).decode("utf-8", "replace")
    before, _, query = url.partition("?")
    host = before.removeprefix("https://").partition("/")[0]
    signed = None
    for key, value in parse_qsl(query):
        if key.lower() == "x-amz-date":
            signed = _amz_date(value)
    return Credential(
        kind="eks-token",
        scheme=scheme,
        issuer=host if re.fullmatch(r"sts\.[a-z0-9.-]{1,100}", host) else "",
        not_before=signed,
        expires=signed + _EKS_SECONDS if signed is not None else None,
        ignored=ignored,
    )


def _amz_date(value: str) -> int | None:
    try:
        return calendar.timegm(time.strptime(value, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return None


def _base64(value: str) -> bytes:
    """Standard or URL alphabet, padded or not; b"" for anything else."""
    try:
        plain = value.translate(str.maketrans("-_", "+/")).rstrip("=").encode("ascii")
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except (ValueError, binascii.Error):
        return b""
