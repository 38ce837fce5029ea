"""Where a command takes its credential from, without the credential: the first thing to look at when it is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analyzers.decode.untrusted import items, mapping, name
from analyzers.kubeconfig.model import User
from analyzers.kubeconfig.syntax import text_of

# Options of credential plugins that name things and grant nothing; every other value stays where it is.
_NAMING = frozenset({
    "--cluster", "--cluster-id", "--cluster-name", "--environment", "--kube-cluster", "--location", "--login", "-l",
    "--oidc-issuer-url", "--profile", "--project", "--proxy", "--region", "--server-id", "--teleport-cluster",
    "--tenant-id", "-t", "-i", "-r",
})  # fmt: skip
_NAMING_VARIABLES = frozenset({"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "CLOUDSDK_ACTIVE_CONFIG_NAME"})
_WORD = re.compile(r"[a-z][a-z0-9-]{0,40}")
_VALUE = re.compile(r"[A-Za-z0-9][\w.:/@+-]{0,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialSource:
    """What a kubeconfig's user holds; "" and () where it does not say, and nothing that grants access.

    ``kinds`` are those of ``User``; ("flag",) for a credential on the command line. ``file`` is the kubeconfig file of
    the user, ``paths`` the files of its token and certificate. ``plugin`` is a credential plugin's program and its
    subcommand words, ``options`` those of its options and variables that only name something. ``empty`` names fields
    that are there and have no value.
    """

    user: str = ""
    file: str = ""
    kinds: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    plugin: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    auth_provider: str = ""
    empty: tuple[str, ...] = ()

    @classmethod
    def of(cls, user: User) -> CredentialSource:
        """Read a user's stanza; no file is opened."""
        exec_ = mapping(user.raw.get("exec"))
        arguments = [argument for argument in items(exec_.get("args")) if isinstance(argument, str)]
        named = (("tokenFile", "token-file"), ("client-certificate", "client-certificate"))
        return cls(
            user=user.name,
            file=str(user.file),
            kinds=user.kinds,
            paths=tuple(path for key, kind in named if kind in user.kinds and (path := name(text_of(user.raw, key)))),
            plugin=(name(exec_.get("command")), *_words(arguments)) if exec_ else (),
            options=(*_options(arguments), *_variables(exec_)) if exec_ else (),
            auth_provider=name(mapping(user.raw.get("auth-provider")).get("name")),
            empty=tuple(key for key in ("token", "tokenFile", "username") if user.raw.get(key) == ""),
        )

    @property
    def kind(self) -> str:
        """The first kind, "" for none."""
        return self.kinds[0] if self.kinds else ""

    @property
    def program(self) -> str:
        """The credential plugin's program without its folder, "" without a plugin."""
        return self.plugin[0].replace("\\", "/").rpartition("/")[2].removesuffix(".exe") if self.plugin else ""

    def option(self, *names: str) -> str:
        """The value of the first of these options that was given, "" where none was."""
        given = dict(self.options)
        return next((given[one] for one in names if given.get(one)), "")

    @property
    def phrase(self) -> str:
        """``user jane of /home/jane/.kube/config: a token that stands in the file``."""
        if self.kinds == ("flag",):
            return "the command line"
        who = f"user {self.user}" + (f" of {self.file}" if self.file else "")
        return f"{who}: {self.holds}"

    @property
    def holds(self) -> str:
        """What the stanza holds: ``the credential plugin aws eks get-token --cluster-name prod``."""
        plugin = [*self.plugin, *(f"{key}{' ' if key.startswith('-') else '='}{value}" for key, value in self.options)]
        said = {
            "token": "a token that stands in the file, so nothing renews it",
            "token-file": "a token from a file",
            "client-certificate": "a client certificate",
            "basic": "a user name and a password",
            "auth-provider": f"the auth-provider {self.auth_provider or 'without a name'}",
            "exec": " ".join(["the credential plugin", *plugin]),
        }
        parts = [said[kind] for kind in self.kinds if kind in said]
        parts += [f"the file {path}" for path in self.paths]
        parts += [f"a {field} that is empty" for field in self.empty]
        return ", ".join(parts) or "no credential"


def _words(arguments: Sequence[str]) -> list[str]:
    """The subcommand: what stands before the first option, and is no value."""
    words: list[str] = []
    for argument in arguments:
        if not _WORD.fullmatch(argument) or len(words) == 3:
            break
        words.append(argument)
    return words


def _options(arguments: Sequence[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for place, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if not equals and place + 1 < len(arguments):
            value = arguments[place + 1]
        if option in _NAMING and _VALUE.fullmatch(value):
            found.append((option, value))
    return found


def _variables(exec_: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = [(name(mapping(entry).get("name")), name(mapping(entry).get("value"))) for entry in items(exec_.get("env"))]
    return [(key, value) for key, value in pairs if key in _NAMING_VARIABLES and _VALUE.fullmatch(value)]
