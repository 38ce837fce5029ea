"""A Status that stands whole in a text: as JSON or YAML, as Python prints it, escaped once or more, or without its end.

Python's, Java's and JavaScript's clients print the body they were answered with, and loggers quote what they print.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from analyzers.decode import status as status_decoder
from analyzers.decode.status import Status
from analyzers.readers import server_words
from analyzers.readers.log_line import unescaped

_KEYS = "kind|apiVersion|metadata|status|code|message|details|reason"
_JSON = re.compile(rf'\{{\s*\\*"(?:{_KEYS})\\*"\s*:')
_NAMED = re.compile(r"""kind\\*["']\s*:\s*\\*["']Status|status\\*["']\s*:\s*\\*["']Failure""")
_PYTHON = re.compile(rf"\{{'(?:{_KEYS})':")
_YAML = re.compile(r"^(?:apiVersion|kind|status|message|code):", re.MULTILINE)
_FIELD = re.compile(r'"(?P<key>message|reason|code)"\s*:\s*(?:"(?P<text>(?:[^"\\]|\\.)*)"|(?P<number>\d{3}))')
_MOST_STARTS = 8
_LONGEST_LITERAL = 8 * 1024


def find(text: str) -> Status | None:
    """The first failure in ``text`` that is a Status; None where there is none."""
    if not _NAMED.search(text):
        return _in_yaml(text)
    for document in _documents(text):
        status = status_decoder.decode(json.dumps(document, default=str).encode("utf-8", "replace"))
        if status is not None and status.failure:
            return status
    first = _JSON.search(text)
    return _cut_off(text[first.start() :]) if first is not None else None


def _documents(text: str) -> Iterator[Any]:
    for _ in range(4):  # as often as loggers quote each other
        for place, found in enumerate(_JSON.finditer(text)):
            if place == _MOST_STARTS:
                break
            try:
                yield json.JSONDecoder().raw_decode(text, found.start())[0]
            except (ValueError, RecursionError):
                continue
        if (python := _PYTHON.search(text)) is not None:
            yield from _literal(text[python.start() :])
        if "\\" not in text:
            return
        text = text.replace('\\"', '"').replace("\\\\", "\\")


def _literal(text: str) -> Iterator[Any]:
    """The dictionary that Python printed at the beginning of ``text``."""
    depth = 0
    for place, character in enumerate(text[:_LONGEST_LITERAL]):
        depth += (character == "{") - (character == "}")
        if not depth:
            try:
                yield ast.literal_eval(text[: place + 1])
            except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
                continue
            return


def _cut_off(text: str) -> Status | None:
    """A Status of which the end is missing, as its fields tell it."""
    fields: dict[str, str] = {}
    for found in _FIELD.finditer(unescaped(text)):
        fields.setdefault(found["key"], found["number"] or (found["text"] or "").replace('\\"', '"'))
    if "message" not in fields:
        return None
    said = server_words.recognise(fields["message"])
    reason = fields.get("reason", "")
    code = (
        int(fields["code"]) if re.fullmatch(r"\d{3}", fields.get("code", "")) else server_words.REASONS.get(reason, 0)
    )
    if not code and said is None:
        return None
    known = said or Status()
    return replace(known, status="Failure", message=fields["message"], reason=reason, code=code or known.code)


def _in_yaml(text: str) -> Status | None:
    if "kind: Status" not in text:
        return None
    start = _YAML.search(text)
    status = start and status_decoder.decode(text[start.start() :].encode("utf-8", "replace"), "application/yaml")
    return status if status and status.failure else None
