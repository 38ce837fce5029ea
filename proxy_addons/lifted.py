"""What of one request must not be seen, held outside the flow while it passes through addons, pages and files."""

from __future__ import annotations

from dataclasses import dataclass, field

from mitmproxy import http

from analyzers import redact
from analyzers.decode import credential

type Field = tuple[bytes, bytes]

# Of what is said to a foreign host, and by it: a login puts codes and tokens into any other header.
_HARMLESS = frozenset((
    b"host", b"user-agent", b"accept", b"accept-encoding", b"connection", b"content-type", b"content-length",
    b"content-encoding", b"transfer-encoding", b"date", b"server", b"cache-control", b"expect",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lifted:
    """Header fields that grant access, each with its place, and what may be said of them.

    ``path`` is the target as it was sent, where it holds something to hide (the command of an exec), else "".
    """

    fields: tuple[tuple[int, Field], ...] = field(default=(), repr=False)
    path: str = field(default="", repr=False)
    proxy_authorization: str = field(default="", repr=False)
    credential: credential.Credential | None = None

    @classmethod
    def take_from(cls, request: http.Request, *, foreign: bool = False) -> Lifted:
        """Take them off ``request``. Proxy-Authorization is meant for us and never goes back.

        For a ``foreign`` host that is nearly everything: who logs in there does it in ways that nobody here knows.
        """
        secret: list[tuple[int, Field]] = []
        kept: list[Field] = []
        for_us = ""
        for place, (name, value) in enumerate(request.headers.fields):
            if name.lower() == b"proxy-authorization":
                for_us = value.decode("latin-1")
            elif redact.is_secret_header(name.decode("latin-1"), value.decode("latin-1")):
                redact.note_header(name.decode("latin-1"), value.decode("latin-1"))
                secret.append((place, (name, value)))
            elif foreign and name.lower() not in _HARMLESS:
                secret.append((place, (name, value)))
            else:
                kept.append((name, value))
        sent = request.path
        shown = redact.path(sent.partition("?")[0] if foreign else sent)
        if shown != sent:
            request.path = shown
        path = sent if shown != sent else ""
        if not secret and not for_us:
            return cls(path=path)
        request.headers.fields = tuple(kept)
        decoded = credential.decode((n.decode("latin-1"), v.decode("latin-1")) for _, (n, v) in secret)
        return cls(tuple(secret), path, for_us, decoded)

    def put_back(self, request: http.Request) -> http.Request:
        """A copy of ``request`` with them on it, in their places, for the server only."""
        if not self.fields and not self.path:
            return request
        fields = list(request.headers.fields)
        for place, pair in self.fields:
            fields.insert(place, pair)
        sent = _same(request)
        sent.data = _same(request.data)
        sent.data.headers, sent.data.content, sent.data.trailers = http.Headers(fields), None, None
        if self.path:
            sent.data.path = self.path.encode("utf-8", "surrogateescape")
        return sent


@dataclass(frozen=True, slots=True)
class LiftedAnswer:
    """Header fields of a foreign host's answer (a redirect with a token in it), each with its place."""

    fields: tuple[tuple[int, Field], ...] = field(repr=False)

    @classmethod
    def take_from(cls, response: http.Response) -> LiftedAnswer:
        """Take them off ``response``."""
        fields = tuple(enumerate(response.headers.fields))
        response.headers.fields = tuple(pair for _, pair in fields if pair[0].lower() in _HARMLESS)
        return cls(tuple((place, pair) for place, pair in fields if pair[0].lower() not in _HARMLESS))

    def put_back(self, response: http.Response) -> http.Response:
        """A copy of ``response`` with them on it, for the client only."""
        fields = list(response.headers.fields)
        for place, pair in self.fields:
            fields.insert(place, pair)
        sent = _same(response)
        sent.data = _same(response.data)
        sent.data.headers, sent.data.content, sent.data.trailers = http.Headers(fields), None, None
        return sent


def _same[T](value: T) -> T:
    """As ``copy.copy`` makes it, which takes as long as the rest of what is done with a request's head."""
    made = object.__new__(type(value))
    vars(made).update(vars(value))
    return made
