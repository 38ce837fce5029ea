"""Parsed documents: what their structure says is secret is replaced by placeholders, and nothing else is changed."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from typing import Any

from analyzers.redact import embedded, fields
from analyzers.redact.canary import SEEN
from analyzers.redact.net import NAMES, text
from analyzers.redact.placeholder import ANY_MASK, is_mask, mask

_SECRET_VARIABLE = re.compile(
    r"pass|pwd|token|key|secret|dsn|conn|cred|auth|private|salt|jwt|cookie|session|webhook|_ur[il]$", re.IGNORECASE
)
_SECRET_OPTION = re.compile(rf"-{{1,2}}(?:{NAMES}|pass|u|user)", re.IGNORECASE)
_HARMLESS_AFTER_USER = re.compile(r"[\w.@-]*")
_PASSWORD_BEHIND_P = re.compile(r"-p(?=[^\s=].{2})(?!" + ANY_MASK + ")")
_TAKE_P = ("mysql", "mysqldump", "mysqladmin", "mariadb", "sshpass", "mongo", "mongosh", "mongodump", "7z")
_QUOTED_VALUE = re.compile(
    r"((?:Invalid|Unsupported|Duplicate) value: )(?!" + ANY_MASK + r")(\"(?:[^\"\\]|\\.)*\"?|\[[^\]]*\]?|[^:,\]]+)"
)
_NUMBER_IS_SECRET = re.compile(r"pass|pwd|pin$|otp$|secret$")
_QUANTITY = re.compile(r"\d{1,6}[kMGi]{0,2}")
_TYPES = frozenset({"object", "string", "array", "integer", "number", "boolean"})
_SAID_OF_TYPES = frozenset({"description", "properties", "items", "format", "additionalProperties"})
_NAMES_A_KEY = {"name", "secretName", "path"}
"""Beside one of these ``key`` is the name of a key, and by itself one."""
_HELD_BY = frozenset({"items", "rows", "object", "oldobject"})


def document(value: Any, kind: str = "") -> Any:
    """A whole body without secrets; ``kind`` is what it holds where it does not say so itself, as a patch does not.

    Raises RecursionError where it is nested too deep.
    """
    if isinstance(value, list):
        return [
            _patch_operation(one, kind) if isinstance(one, dict) and "op" in one else _value(one, kind) for one in value
        ]
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
        return [_value(one, kind) for one in value]
    if isinstance(value, dict):
        return _object(value, kind)
    return mask(value) if isinstance(value, bytes) else value  # YAML's !!binary


def _object(value: dict[Any, Any], kind: str) -> dict[str, Any]:
    named = value.get("kind")
    own = named if isinstance(named, str) else kind
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


def _know_names(metadata: Any) -> None:
    """What an object is called is said in many places, and is no secret."""
    if isinstance(metadata, dict):
        for key in ("name", "namespace"):
            if isinstance(said := metadata.get(key), str):
                SEEN.add_name(said)


def _field(name: fields.Name, content: Any, own: str, inner: str) -> Any:
    """A field of an object of kind ``own``; ``inner`` is the kind of what it holds, should it hold objects."""
    plain = name.plain
    if plain == "stringdata":
        return _hidden(content)
    if plain in ("data", "binarydata") and own.endswith("Secret"):
        return _hidden(content, encoded=True)
    if plain in ("data", "binarydata") and own == "ConfigMap":
        return _hidden(content, grants=False)
    if name.applied:
        return embedded.copy_of_object(content, document) if isinstance(content, str) else _hidden(content)
    if plain == "properties" and isinstance(content, dict):
        fields.learn(content)  # these are a schema's: what is called password there is a type
        return {text(str(key)): _value(schema) for key, schema in content.items()}
    if name.secret and not _is_count(plain, content) and not _is_schema(content):
        return _under_secret_name(name, content)
    if isinstance(content, list):
        if plain == "env":
            return [_variable(one) for one in content]
        if plain in ("args", "command"):
            return _arguments(content)
    return _value(content, inner if plain in _HELD_BY else "")


def _is_schema(content: Any) -> bool:
    """A field's description in OpenAPI, and not the field."""
    if not isinstance(content, dict):
        return False
    named = isinstance(content.get("type"), str) and content["type"] in _TYPES
    return (named and bool(_SAID_OF_TYPES & content.keys())) or "$ref" in content or "allOf" in content


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
            found[own.shown] = _value(inner) if kept else _under_secret_name(own, inner)
        return found
    if isinstance(content, list):
        return [_under_secret_name(name, one) for one in content]
    return _hidden(content)


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
    content = value.get("value")
    if content is None:
        return
    said = value.get("name", value.get("key"))
    if isinstance(said, str) and isinstance(content, str) and fields.is_secret(said):
        found["value"] = _hidden(content)


def _hide_quoted(value: dict[Any, Any], found: dict[str, Any]) -> None:
    """One cause of a refusal: the field, and what is wrong with its value, which is quoted."""
    field, message = value.get("field"), value.get("message")
    if isinstance(field, str) and isinstance(message, str):
        last = re.sub(r"\[[^\]]*\]", "", field).rpartition(".")[2]
        if fields.is_secret(last):
            found["message"] = without_quoted_values(message)


def _variable(variable: Any) -> Any:
    if isinstance(variable, dict) and isinstance(variable.get("value"), str):
        name = variable.get("name")
        if not isinstance(name, str) or _SECRET_VARIABLE.search(name):
            # Its name says too little of it to look for the value elsewhere: KEY, CONNECTIONS, AUTH_MODE.
            grants = not isinstance(name, str) or fields.is_secret(name)
            return {**_object(variable, ""), "value": _hidden(variable["value"], grants=grants)}
    return _value(variable)


def _arguments(arguments: list[Any]) -> list[Any]:
    cleaned: list[Any] = []
    option = program = ""
    for argument in arguments:
        if not isinstance(argument, str):
            cleaned.append(_value(argument))
            continue
        if option:
            name, colon, password = argument.partition(":")
            is_user = option.lower() in ("-u", "-user", "--user")
            cleaned.append((f"{name}:{mask(password)}" if colon else _value(argument)) if is_user else mask(argument))
        elif program in _TAKE_P and (found := _PASSWORD_BEHIND_P.match(argument)):
            cleaned.append(f"-p{mask(argument[found.end() :])}")
        else:
            cleaned.append(_value(argument))
        program = program or argument.rpartition("/")[2]
        option = argument if not option and _SECRET_OPTION.fullmatch(argument) else ""
    return cleaned


def _without_secret_columns(table: dict[Any, Any]) -> dict[Any, Any]:
    """A type's own printer columns may show any of its fields."""
    columns = table.get("columnDefinitions")
    rows = table.get("rows")
    if not isinstance(columns, list) or not isinstance(rows, list):
        return table
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
    cleaned = _object({key: content for key, content in operation.items() if key != "value"}, "")
    if "value" not in operation:
        return cleaned
    target = str(operation.get("path", ""))
    steps = [step.replace("~1", "/").replace("~0", "~") for step in target.split("/")[1:]]
    cleaned["value"] = _patched(steps, operation["value"], kind)
    return cleaned


def _patched(steps: list[str], value: Any, kind: str) -> Any:
    if not steps or steps == [""]:
        return _value(value, kind)
    if "env" in steps:
        after = steps[steps.index("env") + 1 :]
        if after[1:] == ["value"]:
            return _hidden(value)  # the variable's name stands elsewhere
        return [_variable(one) for one in value] if isinstance(value, list) else _variable(value)
    if {"args", "command"} & set(steps):
        return _hidden(value) if isinstance(value, str) else _arguments(value) if isinstance(value, list) else value
    if steps[0] in ("data", "binaryData") and kind in ("Secret", "ConfigMap"):
        return _hidden(value, encoded=kind == "Secret", grants=kind == "Secret")
    if steps[0] == "stringData":
        return _hidden(value)
    names = [fields.name(step) for step in steps]
    if any(name.applied for name in names):
        return embedded.copy_of_object(value, document) if isinstance(value, str) else _hidden(value)
    if any(name.secret for name in names) and not _is_count(names[-1].plain, value):
        last = names[-1]
        return _value(value) if last.reference and isinstance(value, str) else _under_secret_name(last, value)
    return _field(names[-1], value, "", "")
