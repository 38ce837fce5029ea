"""The last look before anything is written: no secret that was seen may stand in it, in no spelling.

Hiding goes by structure and by shape, and there is always a place that nobody thought of. What was hidden in one place
is known from there, and must not stand in another.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

SHORTEST = 8
"""Bytes. What is shorter stands in many places by chance."""
MOST = 20_000
"""Secrets that are looked for; the oldest is given up first."""

_FEW = 200
"""Up to which looking for each spelling takes less time than looking at each place."""
_LONGEST_WHOLE = 256
_PART = 48
_ESCAPED_TIMES = 3
_MOST_NAMES = 50_000
_PART_OF_NAME = re.compile(rb"[\w.-]+")
_NAME_BEFORE, _NAME_BEHIND = re.compile(rb"[\w.-]*\Z"), re.compile(rb"[\w.-]*")
_PUBLIC = (b"-----BEGIN CERTIFICATE", b"-----BEGIN PUBLIC KEY", b"-----BEGIN TRUSTED CERTIFICATE")
# Words that every report is made of, and what every client and server says; they stay where a secret is one of them.
_WORDS = frozenset(
    {
        "127.0.0.1",
        "Conflict",
        "Forbidden",
        "Kubernetes",
        "Namespace",
        "NotFound",
        "Response",
        "Unauthorized",
        "application",
        "application/json",
        "application/yaml",
        "cluster.local",
        "default-scheduler",
        "disabled",
        "forbidden",
        "identity",
        "kube-node-lease",
        "kube-public",
        "kube-system",
        "kubectl-client-side-apply",
        "kubectl-create",
        "kubectl-edit",
        "kubectl-patch",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "localhost",
        "metadata",
        "mitmkube",
        "namespace",
        "namespaces",
        "no-cache",
        "password",
        "redacted",
        "requests",
        "required",
        "response",
        "svc.cluster.local",
        "text/plain",
        "undefined",
        "username",
    }
)
_WORD = re.compile(rb"[A-Za-z0-9.:/_-]{8,64}")


class Seen:
    """The secrets of a session. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[bytes, tuple[bytes, ...]] = {}  # digest of a secret: its spellings
        self._spellings: dict[bytes, bytes] = {}  # a spelling: digest of its secret
        self._windows: dict[bytes, list[bytes]] = {}  # the first bytes of spellings
        self._names: set[bytes] = set()
        self.version = 0
        """Grows with each secret, so that what was looked through is looked through again only where it is worth it."""

    def __repr__(self) -> str:
        return f"Seen({len(self._known)})"

    def add(self, secret: bytes) -> None:
        """From now on ``secret`` may stand nowhere. Certificates, public keys and what is too short are none."""
        secret = secret.strip()
        if len(secret) < SHORTEST or secret.startswith(_PUBLIC):
            return
        digest = _digest(secret)
        with self._lock:
            if digest in self._known:
                return
            spellings = tuple(dict.fromkeys(_spellings(secret)))
            self._known[digest] = spellings
            for spelling in spellings:
                self._spellings[spelling] = digest
                self._windows.setdefault(spelling[:SHORTEST], []).append(spelling)
            if len(self._known) > MOST:
                self._forget(next(iter(self._known)))
            self.version += 1

    def add_name(self, public: str) -> None:
        """``public`` is the name of an object, a host or a user: a secret that is spelt the same, or that is a part of
        it, does not make it one."""
        content = public.encode("utf-8", "replace")
        if SHORTEST <= len(content) <= 253 and len(self._names) < _MOST_NAMES:
            self._names.update(part for part in (content, *_PART_OF_NAME.findall(content)) if len(part) >= SHORTEST)

    def stands_in(self, text: str) -> bool:
        """Whether a secret stands in ``text``."""
        return next(self._hits(text), None) is not None

    def place_in(self, document: Any) -> str:
        """Where in a parsed document a secret stands, ``response.content.text``; "" where none does."""
        if isinstance(document, dict):
            parts = ((str(key), value) for key, value in document.items())
        elif isinstance(document, list):
            parts = ((str(at), value) for at, value in enumerate(document))
        else:
            return "here" if self.stands_in(json.dumps(document, ensure_ascii=False)) else ""
        for key, value in parts:
            if self.stands_in(key):
                return "the name of a field"
            if place := self.place_in(value):
                return key if place == "here" else f"{key}.{place}"
        return ""

    def _hits(self, text: str) -> Iterator[bytes]:
        if not self._spellings:
            return
        content = text.encode("utf-8", "replace")
        # Without the lock: the event loop adds what it sees, and must not wait until a long text is looked through.
        if len(self._spellings) <= _FEW:
            found = [spelling for spelling in tuple(self._spellings) if spelling in content]
        else:
            windows = self._windows
            found = [
                spelling
                for at in range(len(content) - SHORTEST + 1)
                if (begun := windows.get(content[at : at + SHORTEST])) is not None
                for spelling in tuple(begun)
                if content.startswith(spelling, at)
            ]
        yield from (one for one in found if not _is_word(one) and not self._is_in_names_only(one, content))

    def _is_in_names_only(self, spelling: bytes, content: bytes) -> bool:
        """Whether it stands nowhere but in names, whole ones."""
        at = content.find(spelling)
        while at >= 0:
            end = at + len(spelling)
            begin = at - len(_NAME_BEFORE.search(content[max(0, at - 253) : at])[0])  # type: ignore[index]
            end += len(_NAME_BEHIND.match(content, end)[0])  # type: ignore[index]
            if content[begin:end].strip(b".") not in self._names:
                return False
            at = content.find(spelling, end)
        return True

    def _forget(self, digest: bytes) -> None:
        for spelling in self._known.pop(digest):
            if self._spellings.get(spelling) == digest:
                del self._spellings[spelling]
            begun = self._windows.get(spelling[:SHORTEST], [])
            if spelling in begun:
                begun.remove(spelling)
            if not begun:
                self._windows.pop(spelling[:SHORTEST], None)


def _is_word(spelling: bytes) -> bool:
    return _WORD.fullmatch(spelling) is not None and spelling.decode() in _WORDS


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _spellings(secret: bytes) -> Iterator[bytes]:
    """Every form in which it could stand in JSON or in text; of a long one the beginning, the middle and the end."""
    if len(secret) <= _LONGEST_WHOLE:
        parts = [secret]
    else:
        middle = len(secret) // 2
        parts = [secret[:_PART], secret[middle : middle + _PART], secret[-_PART:]]
    for part in parts:
        for spelling in _of_part(part):
            if len(spelling) >= SHORTEST:
                yield spelling


def _of_part(part: bytes) -> Iterator[bytes]:
    yield from _escaped(part)
    yield part.hex().encode()
    yield part.hex().upper().encode()
    for safe in ("", "/"):
        quoted = quote(part, safe=safe)
        yield from (quoted.encode(), re.sub("%..", lambda found: found[0].lower(), quoted).encode())
    yield quote_plus(part).encode()
    for shift in range(3):
        # What stands around it decides how its ends are written, so they are left out.
        whole = base64.b64encode(b"\0" * shift + part)
        used = (len(part) + shift) * 8 // 6  # characters that nothing behind it has a part in
        inner = whole[(4 if shift else 0) : used]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")
        yield inner.replace(b"/", b"\\/")


def _escaped(part: bytes) -> Iterator[bytes]:
    """As it is, and as a string in JSON, in a string in JSON, and so on."""
    try:
        said = part.decode("utf-8")
    except UnicodeDecodeError:
        yield part
        return
    for ascii_only in (False, True):
        spelt = said
        for _ in range(_ESCAPED_TIMES + 1):
            yield spelt.encode()
            spelt = json.dumps(spelt, ensure_ascii=ascii_only)[1:-1]
    # Go escapes what HTML would read; others escape slashes.
    spelt = json.dumps(said, ensure_ascii=False)[1:-1]
    yield spelt.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").encode()
    yield spelt.replace("/", "\\/").encode()


SEEN = Seen()
"""Those of this process."""
