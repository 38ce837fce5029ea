"""Whom a request wants to act as: the Impersonate-* headers of ``kubectl --as``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from analyzers.decode.untrusted import name

_EXTRA = "impersonate-extra-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Impersonation:
    """The identity asked for; "" and empty for what is not. ``extra`` holds (key, value) pairs in wire order."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()


def decode(header_fields: Iterable[tuple[str, str]]) -> Impersonation | None:
    """The impersonation in a request's header fields, None when there is none."""
    user = uid = ""
    groups: list[str] = []
    extra: list[tuple[str, str]] = []
    for key, value in header_fields:
        lowered = key.lower()
        if lowered == "impersonate-user":
            user = user or name(value)
        elif lowered == "impersonate-uid":
            uid = uid or name(value)
        elif lowered == "impersonate-group":
            groups.append(name(value))
        elif lowered.startswith(_EXTRA):
            extra.append((name(unquote(lowered[len(_EXTRA) :])), name(value)))
    if not (user or uid or groups or extra):
        return None
    return Impersonation(user=user, uid=uid, groups=tuple(groups), extra=tuple(extra))
