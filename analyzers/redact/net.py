"""The last net: the shapes that secrets have in text which has no structure."""

from __future__ import annotations

import re
from typing import Protocol

from analyzers.redact.placeholder import mask, url_mask
from analyzers.redact.shapes import REPEATED, SHAPES, WORDS

_BOOTSTRAP = re.compile(r"[a-z0-9]\.[a-z0-9]{16}")
_NET = tuple(
    (re.compile(shape, re.ASCII), words)
    for shape, words in ((one, ()) if isinstance(one, str) else one for one in SHAPES)
)
_REPEATED = tuple(re.compile(shape, re.ASCII) for shape in REPEATED)
# A password may hold an @ or a slash, which should have been escaped; a port ends where the path begins.
_USER_INFO_ANYWHERE = re.compile(
    r"(\b[a-z][a-z0-9+.-]{0,20}://)([^\s/\"'<>\\]+|[^\s/\"'<>@\\:]*:(?!\d{1,5}[/?#])[^\s\"'<>@\\]{1,200})@",
    re.IGNORECASE,
)


class Masker(Protocol):
    """Makes a placeholder; ``grants``: what it stands for is looked for in whatever is written."""

    def __call__(self, secret: str, *, grants: bool = True) -> str: ...


def text(value: str) -> str:
    """Free text with the shapes of secrets masked: the last net, after structure."""
    return net(value, mask)


def net(value: str, masked: Masker) -> str:
    """``text`` with other placeholders: ``masked`` makes one of a secret."""
    if len(value) < 5 or value in _harmless:
        return value
    if not _is_suspect(value.lower()):
        _remember(value)
        return value
    return through(value, masked)


def through(value: str, masked: Masker) -> str:
    """Every shape tried, without the first look."""

    def replaced(found: re.Match[str]) -> str:
        keep = found.groupdict().get("keep", "")
        return keep + masked(found[0][len(keep) :])

    lowered = value.lower()
    for shape, words in _NET:
        if not words or any(word in lowered for word in words):
            value = shape.sub(replaced, value)
    for shape in _REPEATED:
        value = shape.sub(lambda found: found["keep"] + masked(found[0][len(found["keep"]) :], grants=False), value)
    return _USER_INFO_ANYWHERE.sub(lambda found: f"{found[1]}{user_info_mask(found[2])}@", value)


def user_info_mask(user_info: str) -> str:
    """For ``user:password`` in a URL; the password alone is the secret."""
    _, colon, password = user_info.partition(":")
    return url_mask(password if colon else user_info)


# A session says the same few hundred things in every message: header values, kinds, names of fields and managers.
# Only what has been found to hold nothing is remembered.
_harmless: set[str] = set()
_MOST, _LONGEST = 4096, 128


def _remember(value: str) -> None:
    if len(value) <= _LONGEST:
        if len(_harmless) >= _MOST:
            _harmless.clear()
        _harmless.add(value)


def _is_suspect(lowered: str) -> bool:
    for word in WORDS:
        if word in lowered:
            return True
    return "." in lowered and _BOOTSTRAP.search(lowered) is not None
