"""Bodies: parsed, hidden where their structure says that it is secret, and written again; in doubt left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from analyzers.decode import cbor, protobuf, protobuf_object, status, yaml_shape
from analyzers.decode.request_info import RequestInfo
from analyzers.decode.untrusted import parse_json
from analyzers.redact import documents, embedded, urls
from analyzers.redact.net import text

_LEFT_OUT = frozenset({"log", "exec", "attach", "portforward", "proxy"})
_STREAMS = _LEFT_OUT - {"proxy"}  # behind that one stands an application, and its words are its own
_SENSITIVE = re.compile(r"secrets?$|^configmaps$|^tokenreviews$|^tokenrequests$|tokens?$")
_KINDS = {"secrets": "Secret", "configmaps": "ConfigMap"}
_LOGS = re.compile(r"/logs(?:/|$)|.*/proxy(?:/|$)")
# JSON may stand behind a byte order mark, a record's separator, or what keeps a page from running it.
_BINARY_OR_JSON = re.compile(rb"(?:\xef\xbb\xbf|\x1e|\)\]\}',?)?\s*[{\[]|k8s\0|\xd9\xd9\xf7")
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
_LIKE_FORM = re.compile(r"[\w.%+\[\]-]{1,80}=[^\s&=][^\s&]*(?:&[\w.%+\[\]-]{1,80}=[^\s&]*)*")
_HOLDS_SECRET = re.compile(r"[\"']?\bkind[\"']?\s*:\s*[\"']?\w*Secret\b|\bstringData\b")
_IS_MANIFEST = re.compile(r"\s*(?:---|apiVersion:|kind:|items:|[\[{])")
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

    JSON and CBOR are written anew as JSON, YAML as YAML; a watch keeps its whole events, an object in protobuf its
    metadata. ``info`` is of the request that the body belongs to, ``complete`` says whether ``content`` is all of it,
    ``refusal`` whether it came with a status of 400 or more.
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
    kind = _kind(info) if info is not None else ""
    if info is not None and (info.subresource in _LEFT_OUT or info.verb == "proxy" or _LOGS.match(info.path)):
        return _only_status(content, content_type, kind)
    if (parsed := _parsed(content, content_type)) is not None:
        return _dumped(documents.document(parsed, kind))
    if (events := _events(content, kind)) is not None:
        return events
    sensitive = info is not None and _SENSITIVE.search(f"{info.resource}{info.subresource}")
    if sensitive and "yaml" not in content_type:
        return None
    if "x-www-form-urlencoded" in content_type:
        return urls.form(content.decode("utf-8")).encode() if complete else None
    if "yaml" in content_type:
        return _yaml(content, kind) if complete and len(content) <= _LONGEST_YAML else None
    if any(form in content_type for form in ("json", "protobuf", "cbor")) or _BINARY_OR_JSON.match(content):
        return None  # cut off, or broken: what of it is secret cannot be told
    if content_type.startswith("multipart/") or b"\0" in content:
        return None  # each part is a document, a file or a field of its own
    said = content.decode("utf-8")
    if _LIKE_FORM.fullmatch(said.strip()):
        return urls.form(said).encode()
    if _HOLDS_SECRET.search(said) and not _IS_MANIFEST.match(said):
        return None  # something stands around it, so that it cannot be parsed
    return embedded.string(said, documents.document).encode()


def _kind(info: RequestInfo) -> str:
    """What the body holds where it does not say so itself, by the path it belongs to."""
    if info.resource in _KINDS or info.resource.endswith("secrets"):
        return _KINDS.get(info.resource, "Secret")
    # Behind an address that only the server itself understands: another cluster's, or one with empty steps.
    steps = [step.lower() for step in info.path.split("/")]
    return "Secret" if steps.count("secrets") > (info.namespace == "secrets") else ""


def _parsed(content: bytes, content_type: str) -> dict[str, Any] | list[Any] | None:
    """A document in JSON or CBOR, what can be told of one in protobuf, or None."""
    found: Any
    if content.startswith(protobuf.MAGIC):
        refused = status.decode(content, content_type)
        found = status.document(refused) if refused is not None else protobuf_object.decode(content)
    elif content.startswith(cbor.MAGIC):
        found = cbor.decode(content)
    else:
        found = parse_json(content)
    return found if isinstance(found, dict | list) else None


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
    return _dumped(documents.document(status.document(found), kind)) if found is not None and found.failure else None


def _events(content: bytes, kind: str) -> bytes | None:
    """A watch: one JSON event a line, of which the last may be cut off. None when the content is something else."""
    lines = content.split(b"\n")
    events = [event for line in lines if (event := parse_json(line)) is not None]
    if not events or not all(isinstance(event, dict) and "type" in event and "object" in event for event in events):
        return None
    return b"".join(_dumped(documents.document(event, kind)) + b"\n" for event in _with_columns(events))


def _with_columns(events: list[Any]) -> Iterator[dict[str, Any]]:
    """A server says once what the columns of its tables are; what is secret in a later row is told from that."""
    columns: Any = None
    for event in events:
        table = event["object"]
        if isinstance(table, dict) and table.get("kind") == "Table":
            columns = table.get("columnDefinitions") or columns
            event = {**event, "object": {**table, "columnDefinitions": columns}}
        yield event


def _yaml(content: bytes, kind: str) -> bytes | None:
    if not yaml_shape.may_be_loaded(content.decode("utf-8")):
        return None
    found = list(yaml.safe_load_all(content))
    if not all(isinstance(one, dict | list | None) for one in found):
        return None
    cleaned = [documents.document(one, kind) for one in found]
    return yaml.safe_dump_all(cleaned, sort_keys=False, allow_unicode=True).encode()


def _dumped(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
