"""Values out of parsed documents whose shape nobody vouches for: JSON from the network, claims out of a token."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

# C0 and C1 controls but tab and newline, and the marks that reverse the writing direction.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LONGEST_NAME = 1024
_LATEST = 1 << 53


def parse_json(data: bytes | str | None) -> Any:
    """The document, or None where there is none: not JSON, not text, or nested deeper than Python can read.

    It can be written as JSON again: a number that no float holds is 0, and what is no number in JSON (NaN) is null.
    """
    if not data:
        return None
    try:
        if isinstance(data, bytes):
            data = data.decode(json.detect_encoding(data), "surrogatepass")
        return _DECODER.decode(data)
    except (ValueError, RecursionError, MemoryError):
        return None


def _finite(digits: str) -> float:
    found = float(digits)
    return found if math.isfinite(found) else 0.0


def _nothing(_: str) -> None:
    return None


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_nothing)


def mapping(value: object) -> Mapping[str, Any]:
    """``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> tuple[Any, ...]:
    """The items of a JSON array, else nothing."""
    return tuple(value) if isinstance(value, list) else ()


def text(value: object) -> str:
    """A string that can be encoded and shown on a terminal, "" for any other type. Lines and length are kept."""
    if not isinstance(value, str):
        return ""
    if not value.isascii():
        # JSON may carry half a surrogate pair, which no output can encode.
        value = value.encode("utf-8", "replace").decode("utf-8")
    return _CONTROLS.sub("\ufffd", value.replace("\r\n", "\n"))


def name(value: object) -> str:
    """A string that stands on one line and is at most 1024 characters long, "" for any other type."""
    return " ".join(text(value)[:_LONGEST_NAME].split("\n")).replace("\t", " ")


def names(value: object) -> tuple[str, ...]:
    """The strings of a JSON array, or the one string that stands in its place."""
    if isinstance(value, str):
        return (name(value),)
    return tuple(name(item) for item in items(value) if isinstance(item, str))


def integer(value: object) -> int | None:
    """A whole number that a JSON reader in any language keeps exact; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not -_LATEST <= value <= _LATEST:  # also false for NaN
        return None
    return int(value)
