"""A user stanza whose credential plugin runs inside the shim, and the same stanza without it.

kubectl names the command in its errors, so the command keeps its name: a link of that name leads to Python, and what is
to be run stands at the head of the arguments. client-go looks plugins up by itself, and a plugin that it would not find
stays as it is: it then says so with the user's own hint.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyzers.kubeconfig import Kubeconfig, User
from analyzers.kubeconfig.syntax import Stanza, text_of
from mitmkube import plugin_shim

FOLDER = "plugins"
_PYTHON = "-IS"  # without the user's PYTHON* variables, and without what is installed
_SHIM = str(Path(plugin_shim.__file__).resolve())
_OURS = 5  # -IS, the shim, the socket, the program, its name
_PATHS = ("client-certificate", "client-key", "tokenFile")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginWrapper:
    """Makes the stanzas. ``folder`` is the session's, ``search_path`` the PATH that the client will have."""

    folder: Path
    socket: Path
    search_path: str

    def users(self, kubeconfig: Kubeconfig) -> dict[str, Stanza]:
        """The stanzas of every user whose plugin client-go would find, by name. Makes the links; raises OSError."""
        made = {user.name: self._stanza(user) for user in kubeconfig.users.values()}
        return {name: stanza for name, stanza in made.items() if stanza is not None}

    def _stanza(self, user: User) -> Stanza | None:
        exec_ = user.raw.get("exec")
        arguments = (exec_.get("args") or []) if isinstance(exec_, dict) else None
        if not isinstance(arguments, list) or not isinstance(exec_, dict) or not text_of(exec_, "command"):
            return None
        command = text_of(exec_, "command")
        if os.sep in command:  # then it is meant from the folder of the file that defines it
            command = _absolute(command, user.file)
        found = shutil.which(command, path=self.search_path)
        if found is None:
            return None
        # client-go looks for the program before the stanza's own variables count.
        program = found if _sets_path(exec_) else command
        ours = [_PYTHON, _SHIM, str(self.socket), program, command]
        wrapped = {**exec_, "command": str(self._link(Path(command).name)), "args": [*ours, *arguments]}
        paths = {key: _absolute(text_of(user.raw, key), user.file) for key in _PATHS if text_of(user.raw, key)}
        return {**user.raw, **paths, "exec": wrapped}

    def _link(self, name: str) -> Path:
        link = self.folder / FOLDER / name
        link.parent.mkdir(mode=0o700, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(sys.executable)
        return link


def is_wrapped(stanza: Mapping[str, Any]) -> bool:
    """Whether the plugin of this user stanza runs inside the shim."""
    exec_ = stanza.get("exec")
    arguments = exec_.get("args") if isinstance(exec_, dict) else None
    return isinstance(arguments, list) and len(arguments) >= _OURS and arguments[:2] == [_PYTHON, _SHIM]


def unwrapped(stanza: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Stanza:
    """``stanza`` without the shim, as far as it is in there: a command or arguments that took its place stay.

    ``before`` is what this user's stanza was in the overlay.
    """
    wrapped = next((one for one in (stanza, before or {}) if is_wrapped(one)), None)
    exec_ = stanza.get("exec")
    if wrapped is None or not isinstance(exec_, dict):
        return dict(stanza)
    exec_ = dict(exec_)
    if Path(text_of(exec_, "command")).parent.name == FOLDER:
        exec_["command"] = wrapped["exec"]["args"][_OURS - 1]
    if wrapped is stanza:
        exec_["args"] = exec_["args"][_OURS:]
    if not exec_.get("args"):
        exec_.pop("args", None)
    return {**stanza, "exec": exec_}


def _sets_path(exec_: Mapping[str, Any]) -> bool:
    variables = exec_.get("env") or ()
    return any(isinstance(one, dict) and one.get("name") == "PATH" for one in variables)


def _absolute(path: str, file: Path) -> str:
    return os.path.abspath(file.parent / path)  # noqa: PTH100 - Path.resolve would follow links
