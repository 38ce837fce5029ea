"""Command lines: what stands behind an option that takes a secret, alone, after =, or in what a shell is given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

from analyzers.redact import fields
from analyzers.redact.net import text
from analyzers.redact.placeholder import ANY_MASK, is_mask, mask
from analyzers.redact.shapes import NAMES

_SECRET_OPTION = re.compile(rf"-{{1,2}}(?:{NAMES}|pass|u|user)", re.IGNORECASE)
_PASSWORD_BEHIND_P = re.compile(r"-p(?=[^\s=].{2})(?!" + ANY_MASK + ")")
_TAKE_P = ("mysql", "mysqldump", "mysqladmin", "mariadb", "sshpass", "mongo", "mongosh", "mongodump", "7z")
_PASSWORD_OPTION = {
    "redis-cli": "-a",
    "sshpass": "-p",
    "ldapsearch": "-w",
    "mongo": "-p",
    "mongosh": "-p",
    "mongodump": "-p",
}


def arguments(words: list[Any], redacted: Callable[[Any], Any]) -> list[Any]:
    """``words`` without secrets; ``redacted`` does it for what is no option's value."""
    cleaned: list[Any] = []
    option = program = before = ""
    for argument in words:
        if not isinstance(argument, str):
            cleaned.append(redacted(argument))
            continue
        named, equals, content = argument.partition("=")
        if option:
            name, colon, password = argument.partition(":")
            is_user = option.lower() in ("-u", "-user", "--user")
            cleaned.append((f"{name}:{mask(password)}" if colon else redacted(argument)) if is_user else mask(argument))
        elif equals and named.startswith("--") and fields.is_secret(named) and not is_mask(content):
            cleaned.append(f"{text(named)}={mask(content)}")
        elif before == "-c":
            cleaned.append(_script(argument, redacted))
        elif program in _TAKE_P and (found := _PASSWORD_BEHIND_P.match(argument)):
            cleaned.append(f"-p{mask(argument[found.end() :])}")
        else:
            cleaned.append(redacted(argument))
        program = program or argument.rpartition("/")[2]
        before = argument
        option = argument if not option and _takes_secret(argument, program) else ""
    return cleaned


def _takes_secret(option: str, program: str) -> bool:
    """Whether the next argument is one, or a user and a password."""
    if _SECRET_OPTION.fullmatch(option) or option == _PASSWORD_OPTION.get(program):
        return True
    return option.startswith("--") and "=" not in option and fields.is_secret(option)


def _script(line: str, redacted: Callable[[Any], Any]) -> str:
    """What a shell is given to run. It is written anew where something was hidden in it."""
    try:
        words = shlex.split(line)
    except ValueError:
        return str(redacted(line))
    cleaned = arguments(words, redacted)
    return " ".join(cleaned) if cleaned != [redacted(word) for word in words] else str(redacted(line))
