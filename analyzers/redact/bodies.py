"""Bodies: parsed, hidden where their structure says that it is secret, and written again; in doubt left out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from analyzers.decode import cbor, protobuf, status, yaml_shape
from analyzers.decode.request_info import RequestInfo
from analyzers.decode.untrusted import parse_json
from analyzers.redact.net import MASK, NAMES, text

_LEFT_OUT = frozenset({"log", "exec", "attach", "portforward", "proxy"})
_STREAMS = _LEFT_OUT - {"proxy"}  # behind that one stands an application, and its words are its own
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
_QUOTED_VALUE = re.compile(
    r"((?:Invalid|Unsupported|Duplicate) value: )(?!\[redacted\])(?:\"(?:[^\"\\]|\\.)*\"?|\[[^\]]*\]?|[^:,\]]+)"
)
# What API servers of every version answer in plain words, on any path; k8s.io/apiserver, pkg/server/filters,
# pkg/endpoints/handlers/responsewriters/errors.go, pkg/server/healthz; kube-aggregator, pkg/apiserver/handler_proxy.go;
# apimachinery, pkg/util/proxy/transport.go; kubectl proxy.
_OWN_WORDS = re.compile(
    r"404 page not found|Too many requests, please try again later\.?|The apiserver is shutting down[^\n]*"
    r"|[Ss]ervice [Uu]navailable|(?:<h3>)?(?:Unauthorized|Forbidden)(?:</h3>)?|Internal Server Error: \"[^\n]*"
    r"|internal server error: [^\n]*|This request caused apiserver to panic\.[^\n]*"
    r"|error trying to reach service: [^\n]*|Error: '[^'\n]*'\s+Trying to reach: '[^'\n]*'"
    r"|Client sent an HTTP request to an HTTPS server\.|no endpoints available for [^\n]*"
    r"|(?:\[[+-]\][^\n]*\n|warn: [^\n]*\n)+[^\n]* check (?:passed|failed)"
)
_LONGEST_REFUSAL = 16 * 1024
_LONGEST_YAML = 128 * 1024


def body(
    content: bytes | None,
    content_type: str = "",
    info: RequestInfo | None = None,
    *,
    complete: bool = True,
    refusal: bool = False,
) -> bytes | None:
    """A body, Content-Encoding undone, without secrets; None when it was not kept or has to be left out.

    JSON is written anew, YAML as YAML; a watch keeps its whole events. ``info`` is of the request that the body belongs
    to, ``complete`` says whether ``content`` is all of it, ``refusal`` whether it came with a status of 400 or more.
    """
    if not content:
        return content
    try:
        if refusal and len(content) <= _LONGEST_REFUSAL and (words := _own_words(content, info)) is not None:
            return words
        return _body(content, content_type.lower(), info, complete)
    # The last three: what PyYAML makes of "!!int ''", "!!bool a" and "!!timestamp a".
    except (RecursionError, MemoryError, ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError):
        return None


def _body(content: bytes, content_type: str, info: RequestInfo | None, complete: bool) -> bytes | None:
    kind = _KINDS.get(info.resource, "Secret" if info.resource.endswith("secrets") else "") if info is not None else ""
    if info is not None and (info.subresource in _LEFT_OUT or info.verb == "proxy"):
        return _only_status(content, content_type, kind)
    if content.startswith((protobuf.MAGIC, cbor.MAGIC)):
        return _only_status(content, content_type, kind)
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


def _own_words(content: bytes, info: RequestInfo | None) -> bytes | None:
    """A refusal in plain words by the API server, or by the kubelet instead of a stream; None for anything else."""
    if b"\0" in content or content.startswith(cbor.MAGIC):
        return None
    said = content.decode("utf-8", "replace")
    of_stream = info is not None and info.subresource in _STREAMS and not said.lstrip().startswith(("{", "["))
    return text(said).encode() if of_stream or _OWN_WORDS.fullmatch(said.strip()) else None


def _only_status(content: bytes, content_type: str, kind: str) -> bytes | None:
    """What a pod or a person sent is nobody's business here, but the API server's own refusal is."""
    found = status.decode(content, content_type)
    return _dumped(_document(status.document(found), kind)) if found is not None and found.failure else None


def _events(content: bytes, kind: str) -> bytes | None:
    """A watch: one JSON event a line, of which the last may be cut off. None when the content is something else."""
    lines = content.split(b"\n")
    events = [event for line in lines if (event := parse_json(line)) is not None]
    if not events or not all(isinstance(event, dict) and "type" in event and "object" in event for event in events):
        return None
    return b"".join(_dumped(_document(event, kind)) + b"\n" for event in events)


def _yaml(content: bytes, kind: str) -> bytes | None:
    if not yaml_shape.may_be_loaded(content.decode("utf-8")):
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
    if own == "Status" and kind == "Secret":
        return {str(key): _refusal(content) for key, content in value.items()}
    inner = own.removesuffix("List") if own.endswith("List") and own != "List" else kind
    found: dict[str, Any] = {}
    for key, content in value.items():
        name = _name(str(key))
        found[name.shown] = _field(name, content, own, inner)
    return found


@dataclass(frozen=True, slots=True)
class _Name:
    """What the name of a field says of it."""

    shown: str
    plain: str
    applied: bool
    secret: bool


# A map's keys are whatever somebody wrote, perhaps a token; only what can be a field of the API is remembered.
_API_FIELD = re.compile(r"(?:f:)?[a-z]{1,20}(?:[A-Z][a-z]{0,20}){0,4}")


def _name(key: str) -> _Name:
    return _known_name(key) if len(key) <= 40 and _API_FIELD.fullmatch(key) else _looked_at(key)


@lru_cache(maxsize=1024)
def _known_name(key: str) -> _Name:
    return _looked_at(key)


def _looked_at(key: str) -> _Name:
    plain = key.lower().replace("-", "").replace("_", "").replace(".", "")
    return _Name(text(key), plain, _APPLIED.search(key) is not None, _SECRET_KEY.search(plain) is not None)


def _field(name: _Name, content: Any, own: str, inner: str) -> Any:
    """A field of an object of kind ``own``; ``inner`` is the kind of what it holds, should it hold objects."""
    plain = name.plain
    if plain == "stringdata" or (plain in ("data", "binarydata") and (own.endswith("Secret") or own == "ConfigMap")):
        return _hidden(content)
    if name.applied or (name.secret and _is_text(content)):
        return _hidden(content)
    if isinstance(content, list):
        if plain == "env":
            return [_variable(one) for one in content]
        if plain in ("args", "command"):
            return _arguments(content)
    return _value(content, inner if plain in ("items", "rows", "object", "oldobject") else "")


def without_quoted_values(message: str) -> str:
    """A refusal of a Secret may quote what was in it."""
    return text(_QUOTED_VALUE.sub(rf"\1{MASK}", message))


def _refusal(value: Any) -> Any:
    if isinstance(value, str):
        return without_quoted_values(value)
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
        value = _field(_name(step), value, own, "")
        own = ""
    cleaned["value"] = value
    return cleaned
