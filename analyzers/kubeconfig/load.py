"""Which files make up the kubeconfig, and the merge: the first file that defines a name supplies the whole stanza."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from analyzers.kubeconfig.model import Cluster, Context, Kubeconfig, User
from analyzers.kubeconfig.syntax import KubeconfigError, Stanza, parse, stanzas, text_of


def config_paths(environ: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """The files of ``KUBECONFIG`` in its order, empty entries and repetitions dropped, else ``~/.kube/config``.

    Files that do not exist are listed too. The result is empty when KUBECONFIG is set and names nothing (":").
    """
    listed = environ.get("KUBECONFIG", "")
    if not listed:
        return (home / ".kube" / "config",)
    return tuple(Path(entry) for entry in dict.fromkeys(listed.split(os.pathsep)) if entry)


def read_file(path: Path) -> Stanza | None:
    """The content of one file, None when it does not exist. Raises KubeconfigError."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise KubeconfigError(f'error loading config file "{path}": {reason.lower()}') from None
    return parse(text, path)


def load(paths: Iterable[Path]) -> Kubeconfig:
    """Read and merge. Missing files are skipped; one that cannot be read or parsed raises KubeconfigError."""
    paths = tuple(paths)
    clusters: dict[str, Cluster] = {}
    users: dict[str, User] = {}
    contexts: dict[str, Context] = {}
    all_users: list[User] = []
    files: list[Path] = []
    current_context = ""
    for path in paths:
        data = read_file(path)
        if data is None:
            continue
        files.append(path)
        current_context = current_context or text_of(data, "current-context")
        for name, raw in stanzas(data, "clusters").items():
            if name not in clusters:
                clusters[name] = Cluster.of(name, path, raw)
        for name, raw in stanzas(data, "contexts").items():
            contexts.setdefault(name, Context.of(name, path, raw))
        for name, raw in stanzas(data, "users").items():
            user = User.of(name, path, raw)
            all_users.append(user)
            users.setdefault(name, user)
    return Kubeconfig(
        paths=paths,
        files=tuple(files),
        current_context=current_context,
        clusters=clusters,
        users=users,
        contexts=contexts,
        all_users=tuple(all_users),
    )
