"""The text of one kubeconfig file to plain data and back, with the types that client-go would see.

client-go turns YAML into JSON first, so there are no dates and no base-60 numbers, ``y`` is true, and a number or a
boolean where text is meant is an error. A file that begins with a brace is JSON.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

Stanza = dict[str, Any]

_DEEPEST = 64

_SECTIONS = {"clusters": "cluster", "users": "user", "contexts": "context"}
_STRUCTS = {"clusters": "Cluster", "users": "AuthInfo", "contexts": "Context"}
_BYTES_FIELDS = ("certificate-authority-data", "client-certificate-data", "client-key-data")
_TEXT_FIELDS = {
    "clusters": ("server", "tls-server-name", "certificate-authority", "certificate-authority-data", "proxy-url"),
    "users": (
        *("client-certificate", "client-certificate-data", "client-key", "client-key-data", "token", "tokenFile"),
        *("username", "password", "as", "as-uid"),
    ),
    "contexts": ("cluster", "user", "namespace"),
}
_BOOLEAN_FIELDS = ("insecure-skip-tls-verify", "disable-compression")
_NOT_LIKE_A_WORD = re.compile(r"^(?:[\d.+~=<-]|[yYnN]$)")


class KubeconfigError(ValueError):
    """A kubeconfig, or a choice made in it, that cannot be used. The message is one line and names the file."""


def parse(text: bytes, file: Path) -> Stanza:
    """The content of one kubeconfig file: a mapping whose sections are lists of ``{"name": str, "cluster": {...}}``.

    An empty file is an empty mapping. Raises KubeconfigError in client-go's words.
    """
    try:
        decoded = text.decode("utf-8-sig")
        data = json.loads(decoded) if decoded.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        data = None  # a flow mapping of YAML may begin with a brace too
    if data is None:
        try:
            data = yaml.load(text.decode("utf-8-sig"), Loader=_Loader)  # noqa: S506 - derived from SafeLoader
        # The last three: what PyYAML makes of "!!int ''", "!!bool a" and "!!timestamp a".
        except (yaml.YAMLError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
            raise _broken(file, _one_line(error)) from None
    if data is None:
        return {}
    if _too_deep(data):
        raise _broken(file, "it is nested too deep")
    if not isinstance(data, dict):
        raise _broken(file, f"a kubeconfig is an object, this is of type {_kind(data)}")
    for field in ("kind", "apiVersion", "current-context"):
        _require(data.get(field), str, f"Config.{field}", file)
    if data.get("kind") not in (None, "", "Config") or data.get("apiVersion") not in (None, "", "v1"):
        kind, version = text_of(data, "kind") or "Config", text_of(data, "apiVersion") or "v1"
        raise _broken(file, f'no kind "{kind}" is registered for version "{version}"')
    return _checked(data, file)


def dump(data: Mapping[str, Any]) -> str:
    """``data`` as YAML in the order of its keys, quoted so that client-go reads every text back as text."""
    return yaml.dump(
        dict(data), Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=2**31
    )


def stanzas(data: Mapping[str, Any], section: str) -> dict[str, Stanza]:
    """The stanzas of ``section`` ("clusters", "users", "contexts") by name."""
    return {entry["name"]: entry[_SECTIONS[section]] for entry in data.get(section) or ()}


def put(data: Stanza, section: str, name: str, stanza: Mapping[str, Any] | None) -> None:
    """Set the stanza called ``name``, or take it out when ``stanza`` is None. ``data`` is changed in place."""
    entries = list(data.get(section) or ())
    kept = [entry for entry in entries if entry["name"] != name]
    if stanza is not None:
        fresh = {_SECTIONS[section]: dict(stanza), "name": name}
        places = [index for index, entry in enumerate(entries) if entry["name"] == name]
        kept.insert(places[0] if places else len(kept), fresh)
    data[section] = kept


def text_of(stanza: Mapping[str, Any], field: str) -> str:
    """A field that holds text, "" when it is missing."""
    value = stanza.get(field)
    return value if isinstance(value, str) else ""


def truth_of(stanza: Mapping[str, Any], field: str) -> bool:
    """A field that holds true or false, false when it is missing."""
    return stanza.get(field) is True


def bytes_of(stanza: Mapping[str, Any], field: str) -> bytes:
    """A field that holds base64, b"" when it is missing or broken (``parse`` has refused the latter)."""
    try:
        return _base64(text_of(stanza, field))
    except ValueError:
        return b""


def _too_deep(data: object) -> bool:
    """Whether it could be read, and not be written again."""
    level = {id(data): data}  # what aliases repeat is looked at once
    for _ in range(_DEEPEST):
        inner = (
            one.values() if isinstance(one, dict) else one for one in level.values() if isinstance(one, dict | list)
        )
        level = {id(value): value for values in inner for value in values}
    return bool(level)


def _checked(data: Stanza, file: Path) -> Stanza:
    for section, key in _SECTIONS.items():
        entries = data.get(section)
        if entries is None:
            continue
        if not isinstance(entries, list):
            raise _broken(file, f"{section} is an array, this is of type {_kind(entries)}")
        data[section] = [_entry(entry, section, key, file) for entry in entries]
        names = [entry["name"] for entry in data[section]]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise _broken(file, f'duplicate name "{twice}" in {section}')
    return data


def _entry(entry: object, section: str, key: str, file: Path) -> Stanza:
    if not isinstance(entry, dict):
        raise _broken(file, f"an entry of {section} is an object, this is of type {_kind(entry)}")
    struct = _STRUCTS[section]
    _require(entry.get("name"), str, f"Named{struct}.{section}.name", file)
    name = text_of(entry, "name")
    stanza = entry.get(key)
    if stanza is None:
        stanza = {}
    if not isinstance(stanza, dict):
        raise _broken(file, f'{key} "{name}" is an object, this is of type {_kind(stanza)}')
    for field in _TEXT_FIELDS[section]:
        _require(stanza.get(field), str, f"{struct}.{section}.{key}.{field}", file)
    for field in _BOOLEAN_FIELDS if section == "clusters" else ():
        _require(stanza.get(field), bool, f"{struct}.{section}.{key}.{field}", file)
    for field in _BYTES_FIELDS:
        try:
            _base64(text_of(stanza, field))
        except ValueError:
            raise _broken(file, f'illegal base64 data in {field} of {key} "{name}"') from None
    return {**entry, "name": name, key: stanza}


def _require(value: object, wanted: type, field: str, file: Path) -> None:
    if value is not None and not isinstance(value, wanted):
        go_type = "string" if wanted is str else "bool"
        raise _broken(file, f"json: cannot unmarshal {_kind(value)} into Go struct field {field} of type {go_type}")


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError(str(error)) from None


def _kind(value: object) -> str:
    return {dict: "object", list: "array", bool: "bool", int: "number", float: "number"}.get(type(value), "string")


def _broken(file: Path, why: str) -> KubeconfigError:
    return KubeconfigError(f'error loading config file "{file}": {why}')


def _one_line(error: Exception) -> str:
    """What is wrong and where; never the line itself, which may hold a secret."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"not valid YAML at line {error.problem_mark.line + 1}: {_without_quotes(error.problem or '')}"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8 text"
    return "not valid YAML"


def _without_quotes(problem: str) -> str:
    # a scalar of the file may be quoted in the problem; one character of syntax may stay
    return re.sub(r"'[^']{2,}'", "'…'", " ".join(problem.split()))


class _Loader(yaml.SafeLoader):
    bool_values: ClassVar[dict[str, bool]] = {**yaml.SafeLoader.bool_values, "y": True, "n": False}

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        node.value = node.value.replace("0o", "0", 1)
        return super().construct_yaml_int(node)


def _equals_sign(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(node.value)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "'" if _NOT_LIKE_A_WORD.match(value) and "\n" not in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_SEXAGESIMAL_OR_DATE = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _SEXAGESIMAL_OR_DATE]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]*|[1-9][0-9_]*)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d[\d_]*\.[\d_]*(?:[eE][-+]?\d+)?|\.\d[\d_]*(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.inf|\.nan)$"),
    list("-+.0123456789"),
)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:value", _equals_sign)
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^[yYnN]$"), list("yYnN"))
_Dumper.add_representer(str, _represent_text)
