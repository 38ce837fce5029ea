"""A kubeconfig of cluster stanzas alone, put before the user's own files, that leads through the proxy.

The first file that defines a cluster supplies its whole stanza, so the overlay needs no users and no contexts:
credentials, relative paths and refreshed tokens stay where they are. Inside a pod there are no files to put it before,
and it becomes a complete kubeconfig that names the service account's token file. A user is in it only where the
credential plugin was asked to run inside the shim.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analyzers.kubeconfig import Cluster, Kubeconfig
from analyzers.kubeconfig.syntax import Stanza, dump
from mitmkube.carry_back import Written, carry_back
from mitmkube.private_files import write_private

# What the overlay settles itself; everything else of a stanza is kept, also what is yet unknown.
_SETTLED = ("certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify", "proxy-url")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """An overlay that was written to ``path``. ``names`` are the clusters that lead through the proxy.

    ``document`` is its content; it holds the proxy's passwords in the proxy URLs, and no other secret but what stands
    in the stanza of a user who is in it.
    """

    path: Path
    names: tuple[str, ...]
    kubeconfig: Kubeconfig = field(repr=False)
    document: Stanza = field(repr=False, hash=False)

    @classmethod
    def write(
        cls,
        path: Path,
        kubeconfig: Kubeconfig,
        proxy_url_for: Callable[[Cluster], str],
        ca_pem: bytes,
        *,
        clusters: Iterable[Cluster] | None = None,
        pod: Kubeconfig | None = None,
        users: Mapping[str, Stanza] | None = None,
    ) -> Overlay:
        """Write the file, 0600 and at once, so that no client reads half of it.

        It is for ``clusters`` (default: all of ``kubeconfig`` that client-go would try).
        ``proxy_url_for`` gives each cluster a proxy URL with a user name of its own; ``ca_pem`` is the proxy's CA.
        ``pod`` adds a service account's cluster, user, context and current-context, ``users`` are stanzas that take the
        place of the user's own. Raises OSError.
        """
        named = kubeconfig.clusters.values() if clusters is None else clusters
        usable = [cluster for cluster in named if cluster.host and (clusters is not None or not cluster.refused)]
        document: Stanza = {"apiVersion": "v1", "kind": "Config"}
        served = [*usable, *(pod.clusters.values() if pod else ())]
        document["clusters"] = [
            {"cluster": _stanza(cluster, proxy_url_for(cluster), ca_pem), "name": cluster.name} for cluster in served
        ]
        if pod is not None:
            document |= _account(pod)
        if users:
            wrapped = [{"name": name, "user": dict(stanza)} for name, stanza in users.items()]
            document["users"] = [*document.get("users", ()), *wrapped]
        write_private(path, dump(document).encode())
        return cls(path=path, names=tuple(c.name for c in served), kubeconfig=kubeconfig, document=document)

    def environment(self, environ: Mapping[str, str], home: Path, explicit: Path | None = None) -> dict[str, str]:
        """``environ`` with the overlay before the user's own list of files (or before ``explicit``).

        The list is kept letter by letter, files that do not exist included: kubectl creates them there. An overlay that
        names no cluster changes nothing.
        """
        if not self.names:
            return dict(environ)
        own = str(explicit) if explicit else environ.get("KUBECONFIG", "") or str(home / ".kube" / "config")
        return {**environ, "KUBECONFIG": f"{self.path}{os.pathsep}{own}"}

    def carry_back(self, patience: float = 2.0) -> tuple[str, ...]:
        """Write what a command changed in the overlay into the user's own files, where kubectl would have put it.

        Returns a sentence for each change that could not be carried back; none of them holds a value. Waits up to
        ``patience`` seconds for another program's lock. Never raises, and changes nothing when nothing was changed.
        """
        return carry_back(Written(path=self.path, document=self.document, kubeconfig=self.kubeconfig), patience)


def _stanza(cluster: Cluster, proxy_url: str, ca_pem: bytes) -> Stanza:
    stanza: dict[str, Any] = {key: value for key, value in cluster.raw.items() if key not in _SETTLED}
    stanza["proxy-url"] = proxy_url
    if cluster.scheme == "https":
        stanza["certificate-authority-data"] = base64.b64encode(ca_pem).decode()
    return stanza


def _account(pod: Kubeconfig) -> Stanza:
    context = pod.contexts[pod.current_context]
    return {
        "users": [{"name": user.name, "user": dict(user.raw)} for user in pod.users.values()],
        "contexts": [
            {
                "context": {"cluster": context.cluster, "user": context.user, "namespace": context.namespace},
                "name": context.name,
            }
        ],
        "current-context": context.name,
    }
