"""Warnings that the API server sends beside an answer: ``Warning: 299 - "text"``, as kubectl prints them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from email.errors import HeaderParseError
from email.header import decode_header

from analyzers.decode.untrusted import text

# warn-code SP warn-agent SP quoted warn-text [SP quoted warn-date], several in one field between commas (RFC 2616).
_WARNING = re.compile(r'(?P<code>\d{3}) (?P<agent>[^ "]+) "(?P<text>(?:[^"\\]|\\.)*)"(?: "[^"]*")?')


def decode(header_fields: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The texts of all warnings with code 299, in wire order."""
    return tuple(
        _readable(found["text"])
        for key, value in header_fields
        if key.lower() == "warning"
        for found in _WARNING.finditer(value)
        if found["code"] == "299"
    )


def _readable(quoted: str) -> str:
    plain = re.sub(r"\\(.)", r"\1", quoted)
    with suppress(UnicodeError):
        plain = plain.encode("latin-1").decode("utf-8")  # header fields are bytes; they arrive read as Latin-1
    if "=?" in plain:
        with suppress(HeaderParseError, LookupError, ValueError):
            parts = decode_header(plain)
            plain = "".join(
                part.decode(charset or "utf-8", "replace") if isinstance(part, bytes) else part
                for part, charset in parts
            )
    return text(plain)
