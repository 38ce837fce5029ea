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
from analyzers.redact.net import text
from analyzers.redact.placeholder import mask

type Redactor = Callable[[Any], Any]

_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}+[A-Za-z0-9+/\s]*+={0,2}+\s*+")
_GZIP_IN_BASE64 = "H4sI"
_MANIFEST = re.compile(r"^\s*(?:- )?(?:[\"']?kind[\"']?:\s*[\"']?(?:\w*Secret|Config)\b|stringData:)", re.MULTILINE)
_LIKE_SECRET = re.compile(r"stringData|\"kind\"\s*:\s*\"\w*Secret\"")
_LONGEST_YAML = 64 * 1024


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
    if "\n" in value and _MANIFEST.search(value):
        return _yaml(value, document)
    if len(value) >= 24 and _BASE64.fullmatch(value):
        return _encoded(value, document)
    return text(value)


def copy_of_object(value: str, document: Redactor) -> str:
    """An annotation that holds the object itself; hidden whole where it cannot be read."""
    found = parse_json(value)
    if not isinstance(found, dict | list):
        return mask(value, grants=False)
    return _dumped(document(found))


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
    # The last three: what PyYAML makes of "!!int ''", "!!bool a" and "!!timestamp a".
    except (ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError):
        return mask(value, grants=False)
    cleaned = [document(one) if isinstance(one, dict | list) else one for one in found]
    return text(value) if cleaned == found else yaml.safe_dump_all(cleaned, sort_keys=False, allow_unicode=True)


def _encoded(value: str, document: Redactor) -> str:
    """Base64 of something that a secret stands in is hidden whole."""
    if value.startswith(_GZIP_IN_BASE64):
        return mask(value, grants=False)
    try:
        said = base64.b64decode("".join(value.split()), validate=True).decode("utf-8")
    except (ValueError, binascii.Error):
        return text(value)
    return mask(value) if string(said, document) != said else text(value)


def _dumped(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
