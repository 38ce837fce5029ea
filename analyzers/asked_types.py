"""The resource types that a kubectl command line names."""

from __future__ import annotations

import re
from collections.abc import Sequence

_KUBECTL = re.compile(r"^(?:kubectl|oc)(?:[._-]?v?\d+(?:\.\d+)*)?(?:\.exe)?$", re.IGNORECASE)
# Subcommands whose first word is a type, or TYPE/NAME; of the second kind the word after them is.
_VERBS = frozenset({
    "annotate", "autoscale", "delete", "describe", "edit", "explain", "expose", "get", "label", "patch", "scale",
    "wait",
})  # fmt: skip
_GROUPS = frozenset({"rollout", "set"})
# These take a pod's name where no type stands before it.
_OF_PODS = frozenset({"attach", "debug", "exec", "logs", "port-forward"})
_FROM_FILES = ("-f", "--filename", "-k", "--kustomize", "--raw")
_VALUE_FLAGS = frozenset({
    "-n", "--namespace", "-o", "--output", "-l", "--selector", "-L", "--label-columns", "-c", "--container", "-p",
    "--patch", "--context", "--cluster", "--user", "--kubeconfig", "-s", "--server", "--token", "--as", "--as-group",
    "--as-uid", "--cache-dir", "--certificate-authority", "--client-certificate", "--client-key", "--field-selector",
    "--sort-by", "--template", "--type", "--subresource", "--field-manager", "--replicas", "--timeout", "--for",
    "--request-timeout", "--tls-server-name", "-v", "--v", "--grace-period", "--name", "--port", "--target-port",
    "--min", "--max", "--cpu-percent", "--resource-version", "--current-replicas", "--api-version", "--image",
})  # fmt: skip


def of(argv: Sequence[str]) -> tuple[str, ...]:
    """``("pods", "svc")`` for ``kubectl get pods,svc web``; nothing where no type is named, or not by kubectl."""
    if not argv or not _KUBECTL.match(argv[0].replace("\\", "/").rpartition("/")[2]):
        return ()
    if any(one == flag or one.startswith(f"{flag}=") for one in argv for flag in _FROM_FILES):
        return ()
    words = _words(argv[1:])
    verb, rest = (words[0], words[1:]) if words else ("", [])
    if verb in _GROUPS:
        rest = rest[1:]
    elif verb in _OF_PODS:
        rest = [one for one in rest[:1] if "/" in one]
    elif verb not in _VERBS:
        return ()
    if rest and "/" in rest[0]:
        return tuple(dict.fromkeys(one.partition("/")[0] for one in rest if one.count("/") == 1 and "=" not in one))
    named = rest[0].partition(".")[0] if verb == "explain" and rest else rest[0] if rest else ""
    return tuple(dict.fromkeys(one for one in named.split(",") if one))


def _words(arguments: Sequence[str]) -> list[str]:
    words: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            break
        if argument.startswith("-"):
            if argument in _VALUE_FLAGS:
                next(rest, None)
            continue
        words.append(argument)
    return words
