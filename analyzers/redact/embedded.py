"""Documents inside a string: manifests in annotations, values of a chart, a kubeconfig in base64."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any

import yaml

from analyzers.decode import yaml_shape
from analyzers.decode.untrusted import parse_json
from analyzers.redact import urls
from analyzers.redact.net import text
from analyzers.redact.placeholder import mask
from analyzers.redact.shapes import NAMES

type Redactor = Callable[[Any], Any]

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}+[A-Za-z0-9+/_\s-]*+={0,2}+\s*+")
_DATA_URL = re.compile(r";base64,([A-Za-z0-9+/_-]{16,}={0,2})")
_URL = re.compile(r"[a-z][a-z0-9+.-]{0,20}://\S+", re.IGNORECASE)
# A secret's name in YAML, or in what is read like it.
_SECRET_IN_YAML = re.compile(rf"(?<![\w.-])[\"']?{NAMES}[\"']?[ \t]{{0,20}}:", re.IGNORECASE)
_STANDARD = str.maketrans("-_", "+/")
_GZIP_IN_BASE64 = "H4sI"
_MANIFEST = re.compile(r"^\s*(?:- )*(?:[\"']?kind[\"']?:\s*[\"']?(?:\w*Secret|Config)\b|stringData:)", re.MULTILINE)
# Any other object, or a part of one: its variables, its options.
_PART = re.compile(
    r"^\s*(?:- )*(?:[\"']?kind[\"']?:|[\"']?name[\"']?:[^\n]*\n\s*[\"']?value[\"']?:|args:|command:)", re.MULTILINE
)
_QUOTED_DOCUMENT = re.compile(r"[{\[]\s*[{\"]")
_DECODER = json.JSONDecoder()
_LIKE_SECRET = re.compile(r"stringData|\"kind\"\s*:\s*\"\w*Secret\"")
_LONGEST_YAML = 64 * 1024
_WRITTEN_IN_YAML = ("{", "|", ">", "&", "*")
# The last three: what PyYAML makes of "!!int ''", "!!bool a" and "!!timestamp a".
_NO_YAML = (ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError)


def string(value: str, document: Redactor) -> str:
    """``value`` without secrets, written anew where it is a document and something was hidden in it.

    ``document`` redacts what it is made of. What looks like a document that holds secrets, and cannot be read, is
    hidden whole.
    """
    if len(value) < 16:
        return text(value)
    if value[0] in "{[ \n\t\r" and value.lstrip()[:1] in ("{", "["):
        found = _json(value, document)
        if found is not None:
            return found
    if "\n" in value:
        if _MANIFEST.search(value):
            return _yaml(value, document)
        if _PART.search(value):
            return text(_like_yaml(value, document))
    if len(value) >= 24 and _BASE64.fullmatch(value):
        return _encoded(value, document)
    if ";base64," in value:
        value = _DATA_URL.sub(lambda found: ";base64," + _encoded(found[1], document), value)
    if _URL.fullmatch(value):
        return text(urls.url(value))
    if ":" in value and (
        value[0] == "{" or (any(sign in value for sign in _WRITTEN_IN_YAML) and _SECRET_IN_YAML.search(value))
    ):
        value = _like_yaml(value, document)
    return text(_sentence(value, document))


def _sentence(value: str, document: Redactor) -> str:
    """A refusal may quote a whole object: ``spec: Invalid value: {"env":[…]}: bad``."""
    found = _QUOTED_DOCUMENT.search(value)
    if found is None:
        return value
    try:
        quoted, end = _DECODER.raw_decode(value, found.start())
    except (ValueError, RecursionError):
        return value
    if not isinstance(quoted, dict | list) or (cleaned := document(quoted)) == quoted:
        return value
    return value[: found.start()] + _dumped(cleaned) + _sentence(value[end:], document)


def _like_yaml(value: str, document: Redactor) -> str:
    """What may be YAML in one of the ways in which a value does not stand behind its name; else it stays."""
    try:
        if len(value) > _LONGEST_YAML:
            return value
        if not yaml_shape.may_be_loaded(value):
            return mask(value, grants=False)
        found = list(yaml.safe_load_all(value))
    except _NO_YAML:
        return value
    if not all(isinstance(one, dict | list) for one in found):
        return value
    cleaned = [document(one) for one in found]
    return value if cleaned == found else yaml.safe_dump_all(cleaned, sort_keys=False, allow_unicode=True)


def copy_of_object(value: str, document: Redactor) -> str:
    """An annotation that holds the object itself; hidden whole where it cannot be read."""
    found = parse_json(value)
    if not isinstance(found, dict | list):
        return mask(value, grants=False)
    return _dumped(document(found))


def looks_like_copy(value: object) -> bool:
    """Whether an annotation may hold an object, or a part of one."""
    return isinstance(value, str) and value.lstrip()[:1] in ("{", "[")


def _json(value: str, document: Redactor) -> str | None:
    found = parse_json(value)
    if isinstance(found, dict | list):
        cleaned = document(found)
        return text(value) if cleaned == found else _dumped(cleaned)
    return mask(value, grants=False) if _LIKE_SECRET.search(value) else None


def _yaml(value: str, document: Redactor) -> str:
    try:
        if len(value) > _LONGEST_YAML or not yaml_shape.may_be_loaded(value):
            return mask(value, grants=False)
        found = list(yaml.safe_load_all(value))
    except _NO_YAML:
        return mask(value, grants=False)
    cleaned = [document(one) if isinstance(one, dict | list) else one for one in found]
    return text(value) if cleaned == found else yaml.safe_dump_all(cleaned, sort_keys=False, allow_unicode=True)


def _encoded(value: str, document: Redactor) -> str:
    """Base64 of something that a secret stands in is hidden whole."""
    if value.startswith(_GZIP_IN_BASE64):
        return mask(value, grants=False)
    try:
        plain = "".join(value.split()).translate(_STANDARD).rstrip("=")
        said = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode("utf-8")
    except (ValueError, binascii.Error):
        return text(value)
    return mask(value) if string(said, document) != said else text(value)


def _dumped(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
