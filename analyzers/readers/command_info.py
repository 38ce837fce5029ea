"""What a mitmkube recording says of its command: ``_mitmkube.command`` of a HAR's log, ``command`` of the JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from analyzers.command import CommandInfo, display_argv
from analyzers.decode.untrusted import integer, mapping, name, names, text
from analyzers.kubeconfig.credential_source import CredentialSource


def decode(document: object) -> CommandInfo:
    """The command as ``output.json.command_object`` wrote it; whatever else stands there is not known. Total."""
    found = mapping(document)
    return CommandInfo(
        argv=display_argv(_texts(found.get("argv"))),
        context=name(found.get("context")),
        cluster=name(found.get("cluster")),
        server=name(found.get("server")),
        user=name(found.get("user")),
        credential=_credential(found.get("credential")),
        namespace=name(found.get("namespace")),
        kubeconfig=names(found.get("kubeconfig")),
        exit_status=integer(found.get("exit_status")),
        signal=name(found.get("signal")),
        started=_seconds(found.get("started")),
        ended=_seconds(found.get("ended")),
        notices=_texts(found.get("notices")),
    )


def _credential(document: object) -> CredentialSource | None:
    if not isinstance(document, dict):
        return None
    found: Mapping[str, Any] = document
    return CredentialSource(
        user=name(found.get("user")),
        file=name(found.get("file")),
        kinds=names(found.get("kinds")),
        paths=names(found.get("paths")),
        plugin=names(found.get("plugin")),
        options=tuple((name(key), name(value)) for key, value in mapping(found.get("options")).items()),
        auth_provider=name(found.get("auth_provider")),
        empty=names(found.get("empty")),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text(one) for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _seconds(value: object) -> float:
    try:
        return dt.datetime.fromisoformat(name(value)).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
