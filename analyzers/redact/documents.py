"""Parsed documents: what their structure says is secret is replaced by placeholders, and nothing else is changed."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
from typing import Any

from analyzers.decode.untrusted import parse_json
from analyzers.redact import embedded, fields
from analyzers.redact.arguments import arguments
from analyzers.redact.canary import SEEN
from analyzers.redact.header import is_secret_header
from analyzers.redact.net import text
from analyzers.redact.placeholder import ANY_MASK, is_mask, mask
from analyzers.redact.shapes import VARIABLE

_SECRET_VARIABLE = re.compile(VARIABLE, re.IGNORECASE)
_QUOTED_VALUE = re.compile(
    r"((?:Invalid|Unsupported|Duplicate) value: )(?!" + ANY_MASK + r")(\"(?:[^\"\\]|\\.)*\"?|\[[^\]]*\]?|[^:,\]]+)"
)
_NUMBER_IS_SECRET = re.compile(r"pass|pwd|pin$|otp$|secret$")
_QUANTITY = re.compile(r"\d{1,6}[kMGi]{0,2}")
_TYPES = frozenset({"object", "string", "array", "integer", "number", "boolean"})
_SAID_OF_TYPES = frozenset({"description", "properties", "items", "format", "additionalProperties"})
_NAMES_A_KEY = {"name", "secretName", "path"}
"""Beside one of these ``key`` is the name of a key, and by itself one."""
_PAIR_NAMES = ("name", "key", "variable", "parameterkey", "parametername")
_PAIR_VALUES = ("value", "values", "default", "parametervalue")
_SPELLINGS = frozenset({*_PAIR_VALUES, "Value", "Values", "Default", "ParameterValue", "parameterValue"})
_VARIABLES = frozenset({"env", "envs", "envvars", "extraenv", "extraenvs", "extraenvvars", "environment"})
_SECRET_KINDS = frozenset({"", "secret", "secrets", "opaque"})
"""Spellings of a kind that at the address of a Secret, or by themselves, mean one."""
_OF_SECRET = frozenset({"kind", "apiversion", "metadata", "type", "immutable", "data", "stringdata"})
_HELD_BY = frozenset({"items", "rows", "object", "oldobject"})


def document(value: Any, kind: str = "") -> Any:
    """A whole body without secrets; ``kind`` is what it holds where it does not say so itself, as a patch does not.

    Raises RecursionError where it is nested too deep.
    """
    return _value(value, kind)


def without_quoted_values(message: str) -> str:
    """A refusal of a Secret may quote what was in it."""
    return text(_QUOTED_VALUE.sub(lambda found: found[1] + mask(_unquoted(found[2])), message))


def _unquoted(quoted: str) -> str:
    return quoted[1:-1] if quoted[:1] == '"' == quoted[-1:] and len(quoted) > 1 else quoted


def _value(value: Any, kind: str = "") -> Any:
    if isinstance(value, str):
        return embedded.string(value, document)
    if isinstance(value, list):
        if any(isinstance(one, str) and one.startswith("-") for one in value):
            return arguments(value, _value)
        return [_value(one, kind) for one in value]
    if isinstance(value, dict):
        return _object(value, kind)
    return mask(value) if isinstance(value, bytes) else value  # YAML's !!binary


def _object(value: dict[Any, Any], kind: str) -> dict[str, Any]:
    named = value.get("kind")
    if isinstance(named, dict) and isinstance(named.get("kind"), str):
        kind = named["kind"]  # an AdmissionReview says of what it holds the objects
    own = named if isinstance(named, str) and named else kind
    if own.strip().lower() in _SECRET_KINDS and (kind == "Secret" or own.strip().lower() in ("secret", "secrets")):
        own = "Secret"
    if "path" in value and ("op" in value or (kind and "value" in value)):
        return _patch_operation(value, kind)
    if own == "Secret":
        value = _secret(value, strict="metadata" in value and isinstance(named, str))
    if own == "Status" and kind == "Secret":
        return {str(key): _refusal(content) for key, content in value.items()}
    if own == "Table":
        value = _without_secret_columns(value)
    inner = own.removesuffix("List") if own.endswith("List") and own != "List" else kind
    found: dict[str, Any] = {}
    for key, content in value.items():
        name = fields.name(str(key))
        found[name.shown] = _field(name, content, own, inner)
    _hide_pair(value, found)
    _hide_quoted(value, found)
    _know_names(value.get("metadata"))
    return found


def _secret(value: dict[Any, Any], *, strict: bool) -> dict[Any, Any]:
    """A Secret with what its annotations hold as parts of a Secret; ``strict``: and without fields that none has."""
    if strict:
        value = {
            key: content if str(key).lower() in _OF_SECRET or str(key).startswith("$") else _hidden(content)
            for key, content in value.items()
        }
    metadata = value.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(annotations, dict):
        return value
    cleaned = {
        key: embedded.copy_of_object(content, lambda one: document(one, "Secret"))
        if embedded.looks_like_copy(content)
        else content
        for key, content in annotations.items()
    }
    return {**value, "metadata": {**metadata, "annotations": cleaned}}


def _know_names(metadata: Any) -> None:
    """What an object is called is said in many places, and so are its labels and who manages it: no secrets."""
    if not isinstance(metadata, dict):
        return
    labels, managers = metadata.get("labels"), metadata.get("managedFields")
    said = [metadata.get(key) for key in ("name", "namespace")]
    said += labels.values() if isinstance(labels, dict) else ()
    said += [one.get("manager") for one in managers if isinstance(one, dict)] if isinstance(managers, list) else ()
    for one in said:
        if isinstance(one, str):
            SEEN.add_name(one)


def _field(name: fields.Name, content: Any, own: str, inner: str) -> Any:
    """A field of an object of kind ``own``; ``inner`` is the kind of what it holds, should it hold objects."""
    plain = name.plain
    if plain == "stringdata":
        return _hidden(content)
    if plain in ("data", "binarydata") and own.endswith("Secret") and (own == "Secret" or isinstance(content, dict)):
        return _hidden(content, encoded=True)
    if plain in ("spec", "target", "template") and own.endswith("Secret") and isinstance(content, dict):
        return _object(content, own)  # a SealedSecret, an ExternalSecret: the Secret that is made of it
    if plain in ("data", "binarydata") and own == "ConfigMap":
        return _hidden(content, grants=False)
    if name.applied:
        return embedded.copy_of_object(content, document) if isinstance(content, str) else _hidden(content)
    if plain == "properties" and isinstance(content, dict) and all(isinstance(one, dict) for one in content.values()):
        fields.learn(content)  # these are a schema's: what is called password there is a type
        return {
            text(str(key)): _schema(schema) if fields.is_secret(str(key)) else _value(schema)
            for key, schema in content.items()
        }
    if name.secret and not _is_count(plain, content):
        return _schema(content) if _is_schema(content) else _under_secret_name(name, content)
    if plain in _VARIABLES:
        if isinstance(content, list):
            return [_variable(one) for one in content]
        if isinstance(content, dict):
            return {
                text(str(key)): _variable({"name": str(key), "value": one})["value"] for key, one in content.items()
            }
    if isinstance(content, list) and plain in ("args", "command"):
        return arguments(content, _value)
    return _value(content, inner if plain in _HELD_BY else "")


def _is_schema(content: Any) -> bool:
    """A field's description in OpenAPI, and not the field."""
    if not isinstance(content, dict):
        return False
    named = isinstance(content.get("type"), str) and content["type"] in _TYPES
    if "value" in content:
        return False
    return (named and bool(_SAID_OF_TYPES & content.keys())) or "$ref" in content or "allOf" in content


def _schema(content: dict[Any, Any]) -> Any:
    """Of a field that holds a secret; what it holds where nothing is said is one too."""
    said = {key: one for key, one in content.items() if key in ("default", "example", "const", "enum")}
    return {**_object({key: one for key, one in content.items() if key not in said}, ""), **_hidden(said, grants=False)}


def _is_count(plain: str, content: Any) -> bool:
    """``secrets: "10"`` of a quota, ``maxTokens: 100``."""
    if isinstance(content, str):
        return plain.endswith(("secrets", "tokens", "credentials")) and _QUANTITY.fullmatch(content) is not None
    return isinstance(content, int | float) and (isinstance(content, bool) or not _NUMBER_IS_SECRET.search(plain))


def _under_secret_name(name: fields.Name, content: Any) -> Any:
    """Everything that is said there, but for what says where a secret is kept."""
    if isinstance(content, dict):
        found: dict[str, Any] = {}
        for key, inner in content.items():
            own = fields.name(str(key))
            kept = (
                own.reference
                and not isinstance(inner, dict | list)
                and (own.plain != "key" or _NAMES_A_KEY & {*content})
            )
            found[_of_managed_field(name, str(key)) or own.shown] = (
                _value(inner) if kept else _under_secret_name(own, inner)
            )
        return found
    if isinstance(content, list):
        return [_under_secret_name(name, one) for one in content]
    return _hidden(content)


def _of_managed_field(name: fields.Name, key: str) -> str:
    """A key of managedFields that says which item of a list it is, by its value (v:) or by some of its fields (k:)."""
    if key.startswith("v:"):
        return f"v:{mask(key[2:])}"
    item = parse_json(key[2:]) if key.startswith("k:{") else None
    return f"k:{json.dumps(_under_secret_name(name, item), ensure_ascii=False)}" if isinstance(item, dict) else ""


def _hidden(content: Any, *, encoded: bool = False, grants: bool = True) -> Any:
    """The names of an object's fields stay, and what is empty. ``encoded``: in base64, and the same as without."""
    if isinstance(content, dict):
        return {text(str(key)): _hidden(one, encoded=encoded, grants=grants) for key, one in content.items()}
    if isinstance(content, list):
        return [_hidden(one, encoded=encoded, grants=grants) for one in content]
    if content is None or isinstance(content, bool):
        return content
    said = content if isinstance(content, bytes) else str(content)
    if encoded and isinstance(said, str) and not is_mask(said):
        with contextlib.suppress(ValueError, binascii.Error):
            said = base64.b64decode(said, validate=True) or said
    return mask(said, grants=grants)


def _refusal(value: Any) -> Any:
    if isinstance(value, str):
        return without_quoted_values(value)
    if isinstance(value, list):
        return [_refusal(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _refusal(content) for key, content in value.items()}
    return value


def _hide_pair(value: dict[Any, Any], found: dict[str, Any]) -> None:
    """``{name: db.password, value: …}``, as parameters are written in many types."""
    if _SPELLINGS.isdisjoint(value):
        return
    lowered = {str(key).lower(): key for key in value}
    said = next((value[lowered[key]] for key in _PAIR_NAMES if key in lowered), None)
    if not isinstance(said, str) or not (fields.is_secret(said) or is_secret_header(said)):
        return
    for key in _PAIR_VALUES:
        if key in lowered and isinstance(content := value[lowered[key]], str | list | dict):
            found[str(lowered[key])] = _under_secret_name(fields.name(said), content)


def _hide_quoted(value: dict[Any, Any], found: dict[str, Any]) -> None:
    """One cause of a refusal: the field, and what is wrong with its value, which is quoted."""
    field, message = value.get("field"), value.get("message")
    if isinstance(field, str) and isinstance(message, str):
        steps = [fields.name(step) for step in re.sub(r"\[[^\]]*\]", "", field).split(".")]
        within = any(step.secret for step in steps) and not steps[-1].reference
        if within or [step.plain for step in steps[-2:]] in (["env", "value"], ["httpheaders", "value"]):
            found["message"] = without_quoted_values(message)


def _variable(variable: Any) -> Any:
    if isinstance(variable, str):  # NAME=VALUE, as containers are given them
        known, equals, content = variable.partition("=")
        return f"{known}={_variable({'name': known, 'value': content})['value']}" if equals else _value(variable)
    if isinstance(variable, dict) and isinstance(variable.get("value"), str):
        name = variable.get("name")
        if not isinstance(name, str) or _SECRET_VARIABLE.search(name):
            # Its name says too little of it to look for the value elsewhere: KEY, CONNECTIONS, AUTH_MODE.
            grants = not isinstance(name, str) or fields.is_secret(name)
            return {**_object(variable, ""), "value": _hidden(variable["value"], grants=grants)}
    return _value(variable)


def _without_secret_columns(table: dict[Any, Any]) -> dict[Any, Any]:
    """A type's own printer columns may show any of its fields."""
    columns = table.get("columnDefinitions")
    rows = table.get("rows")
    if not isinstance(rows, list):
        return table
    if not isinstance(columns, list) or not columns:  # of a watch whose beginning was not seen: the first is the name
        most = max(
            (len(row["cells"]) for row in rows if isinstance(row, dict) and isinstance(row.get("cells"), list)),
            default=0,
        )
        return {**table, "rows": [_without_cells(row, {*range(1, most)}) for row in rows]}
    secret = {
        at
        for at, column in enumerate(columns)
        if isinstance(column, dict)
        and (column.get("format") == "password" or fields.is_secret(str(column.get("name", "")).replace(" ", "")))
    }
    if not secret:
        return table
    return {**table, "rows": [_without_cells(row, secret) for row in rows]}


def _without_cells(row: Any, secret: set[int]) -> Any:
    if not isinstance(row, dict) or not isinstance(row.get("cells"), list):
        return row
    return {**row, "cells": [_hidden(cell) if at in secret else cell for at, cell in enumerate(row["cells"])]}


def _patch_operation(operation: dict[str, Any], kind: str) -> dict[str, Any]:
    """One operation of a JSON Patch: what its value is depends on where it goes."""
    cleaned = {str(key): _value(content) for key, content in operation.items() if key != "value"}
    if "value" not in operation:
        return cleaned
    target = str(operation["path"])
    parts = target.split("/" if "/" in target else ".")
    steps = [part.replace("~1", "/").replace("~0", "~") for part in parts if part not in ("", "#")]
    cleaned["value"] = _patched(steps, operation["value"], kind)
    return cleaned


def _patched(steps: list[str], value: Any, kind: str) -> Any:
    if not steps:
        return _value(value, kind)
    if "env" in steps:
        after = steps[steps.index("env") + 1 :]
        if after[1:] == ["value"]:
            return _hidden(value)  # the variable's name stands elsewhere
        return [_variable(one) for one in value] if isinstance(value, list) else _variable(value)
    if {"args", "command"} & set(steps):
        return (
            _hidden(value) if isinstance(value, str) else arguments(value, _value) if isinstance(value, list) else value
        )
    if steps[0] in ("data", "binaryData") and kind in ("Secret", "ConfigMap"):
        return _hidden(value, encoded=kind == "Secret", grants=kind == "Secret")
    if steps[0] == "stringData" or (steps[-1:] == ["value"] and "httpHeaders" in steps):
        return _hidden(value)
    if kind == "Secret" and "template" in steps and "data" in steps:
        return _hidden(value)  # what a SealedSecret or an ExternalSecret makes
    names = [fields.name(step) for step in steps]
    if any(name.applied for name in names):
        return embedded.copy_of_object(value, document) if isinstance(value, str) else _hidden(value)
    if any(name.secret for name in names) and not _is_count(names[-1].plain, value):
        last = names[-1]
        return _value(value) if last.reference and isinstance(value, str) else _under_secret_name(last, value)
    return _field(names[-1], value, "", "")
