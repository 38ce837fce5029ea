"""What a command changed in the overlay goes back into the user's own kubeconfig files.

``kubectl config`` and its like write a changed stanza into the file that defines it and everything new into the first
file that exists; with the overlay in front, both can be the overlay. Here the same change is made where it would have
landed without the overlay. The proxy's URL and CA, and the shim of a credential plugin, never leave the overlay.
"""

from __future__ import annotations

import contextlib
import copy
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analyzers.kubeconfig import Cluster, Kubeconfig, KubeconfigError
from analyzers.kubeconfig.load import read_file
from analyzers.kubeconfig.syntax import Stanza, dump, put, stanzas, text_of
from mitmkube.wrapped_plugin import is_wrapped, unwrapped

PROXY_USER = "mitmkube-"
"""How the user name in a proxy-url of any mitmkube begins."""

_CA, _CA_DATA, _INSECURE = "certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify"
_TRUST = (_CA, _CA_DATA, _INSECURE)
_CLUSTER_FIELDS = ("server", "tls-server-name", "proxy-url", "disable-compression", "extensions", *_TRUST)
_USER_PATHS = ("client-certificate", "client-key", "tokenFile")
_CARRIED = frozenset(("apiVersion", "kind", "clusters", "users", "contexts", "current-context", "preferences"))
_SECTIONS = ("clusters", "contexts", "users")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An overlay as it was written: where, what, and the user's kubeconfig at that time."""

    path: Path
    document: Stanza = field(repr=False)
    kubeconfig: Kubeconfig = field(repr=False)


def carry_back(overlay: Written, patience: float) -> tuple[str, ...]:
    """See ``Overlay.carry_back``."""
    notices: list[str] = []
    try:
        after = read_file(overlay.path)
    except KubeconfigError:
        after, notices = {}, ["The command left the overlay kubeconfig unreadable; nothing was carried back from it."]
    if after is None:
        notices = ["The command removed the overlay kubeconfig; nothing was carried back from it."]
    elif _is_of_another(after, overlay.document):
        # its proxy-url must not end up in the user's own files
        after, notices = {}, ["Another mitmkube wrote over the overlay kubeconfig; nothing was carried back from it."]
    if not after:
        # an overlay that was emptied or lost says nothing about what was meant
        after = overlay.document
    try:
        plan = _Plan(overlay, after)
        if not plan.changed:
            return (*notices, *plan.notices)
        with _locked(plan.changed, patience):
            plan = _Plan(overlay, after)
            for file in plan.changed:
                _replace(file, dump(plan.files[file] or {}))
    except (KubeconfigError, OSError) as error:
        notices.append(f"A change to the kubeconfig was not carried back to your own file: {_words(error)}.")
        return tuple(notices)
    return (*notices, *plan.notices)


def _is_of_another(document: Stanza, ours: Stanza) -> bool:
    own = {text_of(stanza, "proxy-url") for stanza in stanzas(ours, "clusters").values()}
    urls = {text_of(stanza, "proxy-url") for stanza in stanzas(document, "clusters").values()}
    return any(url.startswith(f"http://{PROXY_USER}") for url in urls - own)


class _Plan:
    """The user's files as they are now, with the overlay's changes made to them in memory, in kubectl's order."""

    def __init__(self, overlay: Written, after: Stanza) -> None:
        self.notices: list[str] = []
        self._overlay, self._before, self._after = overlay, overlay.document, after
        self._paths = overlay.kubeconfig.paths
        self._served = stanzas(self._before, "clusters")
        self.files: dict[Path, Stanza | None] = {path: read_file(path) for path in self._paths}
        original = copy.deepcopy(self.files)
        self._current_context()
        self._preferences()
        self._clusters()
        for section in ("contexts", "users"):
            self._others(section)
        self._deleted()
        self._leaks()
        unknown = sorted(str(key) for key, value in after.items() if value and key not in _CARRIED)
        if unknown:
            self.notices.append(f"Not carried back from the overlay kubeconfig: {', '.join(unknown)}.")
        self.changed = tuple(path for path in self._paths if self.files[path] != original[path])

    def _current_context(self) -> None:
        before, now = text_of(self._before, "current-context"), text_of(self._after, "current-context")
        if before == now:
            return
        if now:
            self._document(self._default_file())["current-context"] = now
            return
        for data in self.files.values():
            if data and text_of(data, "current-context"):
                data["current-context"] = ""
                return

    def _preferences(self) -> None:
        wanted = self._after.get("preferences") or {}
        if not wanted:
            return
        for path, data in self.files.items():
            if ((data or {}).get("preferences") or {}) != wanted:
                self._document(path)["preferences"] = wanted
                return

    def _clusters(self) -> None:
        for name, now in stanzas(self._after, "clusters").items():
            before = self._served.get(name)
            if before is not None and _same(before, now):
                continue
            file = self._file_of("clusters", name)
            if before is None:
                fresh = self._without_ours(now)
                if not self._is_defined("clusters", name, fresh):
                    self._put("clusters", name, _moved(fresh, (_CA,), self._overlay.path, file), file)
            elif name in self._overlay.kubeconfig.clusters:
                own = stanzas(self._document(file), "clusters").get(name)
                if own is None:
                    own = dict(self._overlay.kubeconfig.clusters[name].raw)
                changed = self._without_ours(_with_changes(own, before, now))
                self._put("clusters", name, _moved(changed, (_CA,), self._overlay.path, file), file)
            else:
                self.notices.append(f'A change to cluster "{name}" was not carried back: no file of yours defines it.')

    def _others(self, section: str) -> None:
        before = stanzas(self._before, section)
        paths = _USER_PATHS if section == "users" else ()
        for name, now in stanzas(self._after, section).items():
            now = unwrapped(now, before.get(name)) if section == "users" else now
            if before.get(name) == now or self._is_defined(section, name, now):
                continue
            file = self._file_of(section, name)
            self._put(section, name, _moved(now, paths, self._overlay.path, file), file)

    def _deleted(self) -> None:
        left = stanzas(self._after, "clusters")
        gone = [name for name in self._served if name not in left and name in self._overlay.kubeconfig.clusters]
        if len(gone) > 1 and len(gone) == len(self._served):
            # a tool that writes a file of its own over the first one in the list has not asked for any deletion
            self.notices.append("The command replaced the overlay kubeconfig; your clusters were not deleted.")
            return
        for name in gone:
            file = self._defining("clusters", name)
            if file is not None:
                put(self._document(file), "clusters", name, None)
        kept = stanzas(self._after, "users")
        for name, stanza in stanzas(self._before, "users").items():
            file = self._defining("users", name)
            if name not in kept and is_wrapped(stanza) and file is not None and (left or not self._served):
                put(self._document(file), "users", name, None)

    def _leaks(self) -> None:
        """A program that merged all files into one of the user's own has written the proxy and the shim into it."""
        for path, data in self.files.items():
            for name, stanza in stanzas(data or {}, "clusters").items():
                healed = self._without_ours(stanza)
                if healed != stanza:
                    self._put("clusters", name, _moved(healed, (_CA,), path, path), path)
            for name, stanza in stanzas(data or {}, "users").items():
                if is_wrapped(stanza):
                    self._put("users", name, _moved(unwrapped(stanza), _USER_PATHS, path, path), path)

    def _without_ours(self, stanza: Mapping[str, Any]) -> Stanza:
        """``stanza`` with the proxy's URL and CA replaced by what the user's own cluster says."""
        source = next(
            (
                name
                for name, ours in self._served.items()
                if text_of(stanza, "proxy-url") == ours["proxy-url"]
                or (
                    _CA_DATA in ours
                    and text_of(stanza, _CA_DATA) == ours[_CA_DATA]
                    and text_of(stanza, "server") == text_of(ours, "server")
                )
            ),
            None,
        )
        result = dict(stanza)
        every_ca = {ours.get(_CA_DATA) for ours in self._served.values()} - {None}
        if source is None:
            if result.get(_CA_DATA) in every_ca:
                del result[_CA_DATA]
            return result
        cluster: Cluster | None = self._overlay.kubeconfig.clusters.get(source)
        raw = cluster.raw if cluster else {}
        file = cluster.file if cluster else self._overlay.path
        if text_of(result, "proxy-url") == self._served[source]["proxy-url"]:
            _set(result, "proxy-url", raw.get("proxy-url"))
        if result.get(_CA_DATA) in every_ca:
            del result[_CA_DATA]
            for key in _TRUST:
                if raw.get(key):
                    result[key] = str(_absolute(text_of(raw, key), file)) if key == _CA else raw[key]
        return result

    def _is_defined(self, section: str, name: str, stanza: Mapping[str, Any]) -> bool:
        """Whether the user's own files already say the same."""
        file = self._defining(section, name)
        if file is None:
            return False
        paths = {"users": _USER_PATHS, "clusters": (_CA,)}.get(section, ())
        own = stanzas(self._document(file), section)[name]
        return _same(_resolved(own, paths, file), _resolved(stanza, paths, self._overlay.path))

    def _defining(self, section: str, name: str) -> Path | None:
        return next((path for path, data in self.files.items() if name in stanzas(data or {}, section)), None)

    def _file_of(self, section: str, name: str) -> Path:
        return self._defining(section, name) or self._default_file()

    def _default_file(self) -> Path:
        """Where kubectl puts what no file defines yet."""
        if not self._paths:
            raise KubeconfigError("KUBECONFIG names no file")
        existing = next((path for path, data in self.files.items() if data is not None), None)
        return existing or self._paths[-1]

    def _document(self, file: Path) -> Stanza:
        data = self.files[file]
        if data is None:
            data = self.files[file] = {}
        if not data:
            data |= {"apiVersion": "v1", "clusters": [], "contexts": [], "current-context": ""}
            data |= {"kind": "Config", "users": []}
        return data

    def _put(self, section: str, name: str, stanza: Mapping[str, Any], file: Path) -> None:
        put(self._document(file), section, name, stanza)


def _with_changes(own: Mapping[str, Any], before: Mapping[str, Any], now: Mapping[str, Any]) -> Stanza:
    """``own`` with what differs between ``before`` and ``now``; fields that kubectl does not know stay as they are."""
    result = dict(own)
    for key in _CLUSTER_FIELDS:
        if (before.get(key) or None) != (now.get(key) or None):
            _set(result, key, now.get(key))
    # The overlay's CA stands for whatever the user's stanza trusts. Where something else took its place, the file, the
    # data and the flag of the user's stanza are all replaced; where it was only taken away, only the data is.
    trusts = any(now.get(key) for key in _TRUST)
    if (before.get(_CA_DATA) or None) != (now.get(_CA_DATA) or None) and trusts:
        for key in _TRUST:
            _set(result, key, now.get(key))
    return result


def _set(stanza: Stanza, key: str, value: object) -> None:
    if value:
        stanza[key] = value
    else:
        stanza.pop(key, None)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Equal, when a missing field and an empty one are the same."""
    return _filled(one) == _filled(other)


def _filled(stanza: Mapping[str, Any]) -> Stanza:
    """Without what is empty, or what kubectl fills in of a credential plugin whenever it writes."""
    filled = {k: _filled(v) if k == "exec" and isinstance(v, dict) else v for k, v in stanza.items() if v}
    if filled.get("interactiveMode") == "IfAvailable":
        del filled["interactiveMode"]
    return filled


def _absolute(path: str, file: Path) -> Path:
    return Path(os.path.abspath(file.parent / path))  # noqa: PTH100 - Path.resolve would follow links


def _resolved(stanza: Mapping[str, Any], paths: Iterable[str], file: Path) -> Stanza:
    found = {k: str(_absolute(v, file)) if k in paths and isinstance(v, str) and v else v for k, v in stanza.items()}
    exec_ = found.get("exec")
    if isinstance(exec_, dict) and os.sep in text_of(exec_, "command"):
        found["exec"] = {**exec_, "command": str(_absolute(exec_["command"], file))}
    return found


def _moved(stanza: Mapping[str, Any], paths: Iterable[str], source: Path, target: Path) -> Stanza:
    """Paths as kubectl writes them: relative below the folder of the file, else absolute.

    A relative path that leads nowhere beside ``source`` was given as it stands, and stays so.
    """
    result = dict(stanza)
    for key in paths:
        if path := text_of(stanza, key):
            result[key] = _moved_path(path, source, target)
    exec_ = stanza.get("exec")
    if isinstance(exec_, dict) and os.sep in text_of(exec_, "command"):
        result["exec"] = {**exec_, "command": _moved_path(exec_["command"], source, target)}
    return result


def _moved_path(path: str, source: Path, target: Path) -> str:
    if not Path(path).is_absolute() and not (source.parent / path).exists():
        return path
    folder, absolute = Path(os.path.abspath(target.parent)), _absolute(path, source)  # noqa: PTH100
    return str(absolute.relative_to(folder)) if absolute.is_relative_to(folder) else str(absolute)


@contextlib.contextmanager
def _locked(files: Iterable[Path], patience: float) -> Iterator[None]:
    """kubectl's lock: a file beside each kubeconfig, taken in the order of their names."""
    with contextlib.ExitStack() as held:
        for file in sorted(files, key=str):
            file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            lock = file.with_name(file.name + ".lock")
            deadline = time.monotonic() + patience
            while True:
                try:
                    os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0))
                    break
                except FileExistsError:
                    if time.monotonic() >= deadline:
                        raise KubeconfigError(f"{lock} is held by another program") from None
                    time.sleep(0.05)
            held.callback(lock.unlink, missing_ok=True)
        yield


def _replace(file: Path, text: str) -> None:
    """Replace the file's content at once. A link stays a link, and mode and owner stay as they are."""
    target = Path(os.path.realpath(file))
    try:
        status = target.stat()
        mode, owner = status.st_mode & 0o777, (status.st_uid, status.st_gid)
    except FileNotFoundError:
        mode, owner = 0o600, None
    fresh = target.with_name(f".{target.name}.mitmkube-{os.getpid()}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(descriptor)
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                with contextlib.suppress(PermissionError):
                    os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {(error.strerror or 'failed').lower()}"
    return str(error)
