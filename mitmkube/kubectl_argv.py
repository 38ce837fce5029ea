"""What a kubectl command line says about the connection: its global flags, read as kubectl's flag parser reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

_KUBECTL = re.compile(r"^kubectl(?:[._-]?v?\d+(?:\.\d+)*)?(?:\.exe)?$", re.IGNORECASE)

# Flags of the root command, known to every version from 1.24 to 1.37; a flag of a subcommand may hide one of them.
# fmt: off
_VALUE_FLAGS = frozenset(
    [
        "as", "as-group", "as-uid", "as-user-extra", "cache-dir", "certificate-authority", "client-certificate",
        "client-key", "cluster", "context", "kubeconfig", "kuberc", "log-flush-frequency", "namespace", "password",
        "profile", "profile-output", "proxy-url", "request-timeout", "server", "tls-server-name", "token", "user",
        "username", "v", "vmodule",
    ]
)
# fmt: on
_BOOLEAN_FLAGS = frozenset(
    ["disable-compression", "insecure-skip-tls-verify", "match-server-version", "warnings-as-errors"]
)
_SHORT_FLAGS = {"n": "namespace", "s": "server", "v": "v"}

# Every other one-letter flag takes a value, which may be glued to it: -ojson holds no -s and no -n.
_SHORT_BOOLEANS = frozenset("ARhiqt")
_SHORT_BOOLEANS_OF = {
    "logs": frozenset("fp"),
    "get": frozenset("w"),
    "events": frozenset("w"),
    "rollout": frozenset("w"),
}

# These have a --user of their own: a subject.
_HIDES_USER = (("create", "rolebinding"), ("create", "clusterrolebinding"), ("set", "subject"))

# fmt: off
_COMMANDS = frozenset(
    [
        "alpha", "annotate", "api-resources", "api-versions", "apply", "attach", "auth", "autoscale", "certificate",
        "cluster-info", "clusterinfo", "cordon", "cp", "create", "debug", "delete", "describe", "diff", "drain",
        "edit", "events", "exec", "explain", "expose", "get", "label", "logs", "patch", "port-forward", "proxy",
        "replace", "rollout", "run", "scale", "set", "taint", "top", "uncordon", "version", "wait",
    ]
)
# fmt: on
_OFFLINE = frozenset(["completion", "config", "help", "kuberc", "kustomize", "options", "plugin"])


@dataclass(frozen=True, slots=True)
class Flag:
    """One use of a global flag: ``argv[start:end]`` spells it. ``value`` of a flag that is true or false is "true"."""

    name: str
    value: str = field(repr=False)
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KubectlArgv:
    """A kubectl command line. ``words`` are the arguments that are no flags, up to a ``--``."""

    argv: tuple[str, ...] = field(repr=False)
    words: tuple[str, ...] = field(repr=False)
    flags: tuple[Flag, ...]

    @classmethod
    def parse(cls, argv: Sequence[str]) -> KubectlArgv | None:
        """None when the program is not kubectl. Never raises: what is not understood is kubectl's to refuse."""
        if not argv or not _KUBECTL.match(PurePath(argv[0]).name):
            return None
        words: list[str] = []
        flags = list(_scan(argv, words))
        if any(words[:1] == [command] and subject in words for command, subject in _HIDES_USER):
            flags = [flag for flag in flags if flag.name != "user"]
        return cls(argv=tuple(argv), words=tuple(words), flags=tuple(flags))

    @property
    def subcommand(self) -> str:
        """The first word, "" when there is none."""
        return self.words[0] if self.words else ""

    @property
    def offline(self) -> bool:
        """True when the command does not talk to a server: run it as it is, with the environment as it is."""
        return not self.words or self.subcommand in _OFFLINE

    @property
    def plugin(self) -> bool:
        """True when the command is a plugin, whose flags are its own."""
        return bool(self.words) and self.subcommand not in _COMMANDS | _OFFLINE

    def get(self, name: str) -> str:
        """The value of a global flag, the last one where it is repeated, "" when it is not given."""
        return next((flag.value for flag in reversed(self.flags) if flag.name == name), "")

    def has(self, name: str) -> bool:
        """Whether a global flag is given at all."""
        return any(flag.name == name for flag in self.flags)

    def without(self, names: frozenset[str] | set[str]) -> tuple[str, ...]:
        """The command line with every use of these flags taken out."""
        dropped = {i for flag in self.flags if flag.name in names for i in range(flag.start, flag.end)}
        return tuple(argument for i, argument in enumerate(self.argv) if i not in dropped)


def _scan(argv: Sequence[str], words: list[str]) -> Iterator[Flag]:
    """Walk the arguments as kubectl's flag parser does; global flags are yielded, words collected."""
    index = 1
    while index < len(argv):
        argument, start = argv[index], index
        index += 1
        if argument == "--":
            return
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            name = name.replace("_", "-")
            if name in _BOOLEAN_FLAGS:
                yield Flag(name, value if equals else "true", start, index)
            elif name in _VALUE_FLAGS:
                if not equals:
                    if index >= len(argv):
                        return
                    value = argv[index]
                    index += 1
                yield Flag(name, value, start, index)
        elif argument.startswith("-") and len(argument) > 1:
            letters = _SHORT_BOOLEANS | _SHORT_BOOLEANS_OF.get(words[0] if words else "", frozenset())
            rest = argument[1:].lstrip("".join(letters))
            name = _SHORT_FLAGS.get(rest[:1], "")
            if not name:
                continue
            value = rest[1:].removeprefix("=")
            if not rest[1:]:
                if index >= len(argv):
                    return
                value = argv[index]
                index += 1
            # a flag glued to others (-itn prod) cannot be taken out by itself; none that is ever taken out has a letter
            yield Flag(name, value, start, index)
        else:
            words.append(argument)
