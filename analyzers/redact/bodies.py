"""Bodies: parsed, hidden where their structure says that it is secret, and written again; in doubt left out."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from analyzers.decode import protobuf, status
from analyzers.decode.request_info import RequestInfo
from analyzers.decode.untrusted import parse_json
from analyzers.redact.net import MASK, NAMES, text

_LEFT_OUT = frozenset({"log", "exec", "attach", "portforward", "proxy"})
_SENSITIVE = re.compile(r"secrets?$|^configmaps$|^tokenreviews$|^tokenrequests$|tokens?$")
_KINDS = {"secrets": "Secret", "configmaps": "ConfigMap"}
_SECRET_KEY = re.compile(
    r"(?:password|passwd|passphrase|token|secret|privatekey|apikey|accesskey|accesskeyid|secretkey|accountkey|signingkey"
    r"|encryptionkey|clientkeydata|connectionstring|credentials?|authorization|dockerconfigjson|dockercfg|cookie)s?$"
)
_APPLIED = re.compile(r"last-(?:applied|handled)|applied-config|rio\.cattle\.io/applied$", re.IGNORECASE)
_SECRET_VARIABLE = re.compile(
    r"pass|pwd|token|key|secret|dsn|conn|cred|auth|private|salt|jwt|cookie|session|webhook|_ur[il]$", re.IGNORECASE
)
_SECRET_OPTION = re.compile(rf"-{{1,2}}{NAMES}", re.IGNORECASE)
_QUOTED_VALUE = re.compile(r"((?:Invalid|Unsupported|Duplicate) value: )(?:\"(?:[^\"\\]|\\.)*\"|[^:,\]]+)")
_LONGEST_YAML = 128 * 1024
_CBOR_MAGIC = b"\xd9\xd9\xf7"


def body(
    content: bytes | None, content_type: str = "", info: RequestInfo | None = None, *, complete: bool = True
) -> bytes | None:
    """A body, Content-Encoding undone, without secrets; None when it was not kept or has to be left out.

    JSON is written anew, YAML as YAML; a watch keeps its whole events. ``info`` is of the request that the body belongs
    to, and ``complete`` says whether ``content`` is all of it.
    """
    if not content:
        return content
    try:
        return _body(content, content_type.lower(), info, complete)
    except (RecursionError, MemoryError, ValueError, yaml.YAMLError):
        return None


def _body(content: bytes, content_type: str, info: RequestInfo | None, complete: bool) -> bytes | None:
    if info is not None and (info.subresource in _LEFT_OUT or info.verb == "proxy"):
        return _only_status(content, content_type)
    if content.startswith(protobuf.MAGIC):
        return _only_status(content, content_type)
    if content.startswith(_CBOR_MAGIC):
        return None
    kind = _KINDS.get(info.resource, "Secret" if info.resource.endswith("secrets") else "") if info is not None else ""
    document = parse_json(content)
    if isinstance(document, dict | list):
        return _dumped(_document(document, kind))
    if (events := _events(content, kind)) is not None:
        return events
    if "yaml" in content_type:
        return _yaml(content, kind) if complete and len(content) <= _LONGEST_YAML else None
    if any(form in content_type for form in ("json", "protobuf", "cbor")) or content.lstrip()[:1] in (b"{", b"["):
        return None  # cut off, or broken: what of it is secret cannot be told
    if info is not None and info.is_resource_request and _SENSITIVE.search(f"{info.resource}{info.subresource}"):
        return None
    return text(content.decode("utf-8")).encode()


def _only_status(content: bytes, content_type: str) -> bytes | None:
    """What a pod or a person sent is nobody's business here, but the API server's own refusal is."""
    found = status.decode(content, content_type)
    return _dumped(_value(status.document(found))) if found is not None and found.failure else None


def _events(content: bytes, kind: str) -> bytes | None:
    """A watch: one JSON event a line, of which the last may be cut off. None when the content is something else."""
    lines = content.split(b"\n")
    events = [event for line in lines if (event := parse_json(line)) is not None]
    if not events or not all(isinstance(event, dict) and "type" in event and "object" in event for event in events):
        return None
    return b"".join(_dumped(_document(event, kind)) + b"\n" for event in events)


def _yaml(content: bytes, kind: str) -> bytes | None:
    # Aliases of aliases can stand for more than any memory holds.
    if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(content.decode("utf-8"))):
        return None
    documents = list(yaml.safe_load_all(content))
    if not all(isinstance(document, dict | list | None) for document in documents):
        return None
    cleaned = [_document(document, kind) for document in documents]
    return yaml.safe_dump_all(cleaned, sort_keys=False, allow_unicode=True).encode()


def _dumped(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _document(document: Any, kind: str) -> Any:
    """A whole body; ``kind`` is what it holds where it does not say so itself, as a patch does not."""
    if isinstance(document, list):
        return [
            _patch_operation(one, kind) if isinstance(one, dict) and "op" in one else _value(one, kind)
            for one in document
        ]
    return _value(document, kind)


def _value(value: Any, kind: str = "") -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return [_value(one, kind) for one in value]
    if isinstance(value, dict):
        return _object(value, kind)
    return MASK if isinstance(value, bytes) else value  # YAML's !!binary


def _object(value: dict[Any, Any], kind: str) -> dict[str, Any]:
    named = value.get("kind")
    own = named if isinstance(named, str) else kind
    if own == "Status" and kind:
        return {str(key): _refusal(content) for key, content in value.items()}
    inner = own.removesuffix("List") if own.endswith("List") and own != "List" else kind
    return {text(str(key)): _field(str(key), content, own, inner) for key, content in value.items()}


def _field(key: str, content: Any, own: str, inner: str) -> Any:
    """A field of an object of kind ``own``; ``inner`` is the kind of what it holds, should it hold objects."""
    plain = key.lower().replace("-", "").replace("_", "").replace(".", "")
    if plain == "stringdata" or (plain in ("data", "binarydata") and (own.endswith("Secret") or own == "ConfigMap")):
        return _hidden(content)
    if _APPLIED.search(key) or (_SECRET_KEY.search(plain) and _is_text(content)):
        return _hidden(content)
    if isinstance(content, list):
        if plain == "env":
            return [_variable(one) for one in content]
        if plain in ("args", "command"):
            return _arguments(content)
    return _value(content, inner if plain in ("items", "rows", "object", "oldobject") else "")


def _refusal(value: Any) -> Any:
    """A refusal of a Secret may quote what was in it."""
    if isinstance(value, str):
        return text(_QUOTED_VALUE.sub(rf"\1{MASK}", value))
    if isinstance(value, list):
        return [_refusal(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _refusal(content) for key, content in value.items()}
    return value


def _is_text(content: Any) -> bool:
    return isinstance(content, str) or (isinstance(content, list) and any(isinstance(one, str) for one in content))


def _hidden(content: Any) -> Any:
    """The names of an object's fields stay, and what is empty."""
    if isinstance(content, dict):
        return {
            text(str(key)): _hidden(value) if not isinstance(value, dict) else MASK for key, value in content.items()
        }
    return MASK if content not in (None, "") else content


def _variable(variable: Any) -> Any:
    if isinstance(variable, dict) and isinstance(variable.get("value"), str):
        name = variable.get("name")
        if not isinstance(name, str) or _SECRET_VARIABLE.search(name):
            return {**_object(variable, ""), "value": _hidden(variable["value"])}
    return _value(variable)


def _arguments(arguments: list[Any]) -> list[Any]:
    cleaned: list[Any] = []
    follows = False
    for argument in arguments:
        cleaned.append(MASK if follows and isinstance(argument, str) else _value(argument))
        follows = isinstance(argument, str) and _SECRET_OPTION.fullmatch(argument) is not None
    return cleaned


def _patch_operation(operation: dict[str, Any], kind: str) -> dict[str, Any]:
    """One operation of a JSON Patch: what its value is depends on where it goes."""
    cleaned = _object(operation, "")
    if "value" not in operation:
        return cleaned
    target = str(operation.get("path", ""))
    steps = [step.replace("~1", "/").replace("~0", "~") for step in target.split("/")[1:]]
    value = operation["value"]
    if not steps or steps == [""]:
        cleaned["value"] = _value(value, kind)
        return cleaned
    if "env" in steps:
        after = steps[steps.index("env") + 1 :]
        if after[1:] == ["value"]:
            cleaned["value"] = MASK  # the variable's name stands elsewhere
            return cleaned
        cleaned["value"] = [_variable(one) for one in value] if isinstance(value, list) else _variable(value)
        return cleaned
    own = kind
    for step in steps:
        value = _field(step, value, own, "")
        own = ""
    cleaned["value"] = value
    return cleaned
