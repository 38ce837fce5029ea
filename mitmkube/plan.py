"""What has to be prepared before a command can go through the proxy, and undone after it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from analyzers.kubeconfig import (
    Cluster,
    Kubeconfig,
    KubeconfigError,
    Selection,
    forward_proxy,
    passes_by,
)
from analyzers.kubeconfig.credential_source import CredentialSource
from analyzers.kubeconfig.load import read_file
from analyzers.kubeconfig.syntax import Stanza, stanzas, text_of
from mitmkube.carry_back import PROXY_USER
from mitmkube.invocation import Invocation, prepare
from mitmkube.overlay import Overlay
from mitmkube.wrapped_plugin import PluginWrapper
from proxy_addons.kubeconfig_upstreams import foreign, key_pairs, unsupported_proxy, upstream
from proxy_addons.upstream import Upstream, Upstreams

OVERLAY = "kubeconfig"
"""The overlay's file name."""
AUTHORITY = "ca.crt"
"""The file name of the proxy's CA, where it is written for programs that do not read the overlay."""
AUTHORITY_VARIABLE = "MITMKUBE_CA"

type Address = tuple[str, int]

_CREDENTIAL_FLAGS = ("token", "client-certificate", "username")


@dataclass(slots=True, kw_only=True)
class Plan:
    """One command, or one standing proxy, made ready. ``environ`` is complete once the overlay is written."""

    argv: tuple[str, ...]
    environ: dict[str, str]
    invocation: Invocation
    upstreams: Upstreams
    notices: tuple[str, ...]
    _home: Path
    _password: str = field(repr=False)
    _overlay: Overlay | None = None

    @property
    def selection(self) -> Selection:
        """What the command would use of the kubeconfig."""
        return self.invocation.selection

    @property
    def kubeconfig(self) -> Kubeconfig:
        """The user's own files, merged."""
        return self.invocation.kubeconfig

    @property
    def credential(self) -> CredentialSource:
        """Where the command takes its credential from: its command line, else the user of its context, else nowhere."""
        kubectl, chosen = self.invocation.kubectl, self.selection
        if kubectl is not None and not kubectl.plugin and any(map(kubectl.get, _CREDENTIAL_FLAGS)):
            return CredentialSource(user=chosen.user_name, kinds=("flag",))
        return CredentialSource.of(chosen.user) if chosen.user else CredentialSource(user=chosen.user_name)

    def write_overlay(self, path: Path, port: int, ca: bytes, plugin_socket: Path | None = None) -> None:
        """Write the overlay for a proxy at ``port`` to ``path`` and put it into the environment. Raises OSError.

        With ``plugin_socket`` credential plugins run inside the shim, which is put beside that socket.
        """
        if self.invocation.direct:
            return

        def proxy_url(cluster: Cluster) -> str:
            return f"http://{proxy_user(self.invocation, cluster.name)}:{self._password}@127.0.0.1:{port}"

        self._overlay = Overlay.write(
            path,
            self.kubeconfig,
            proxy_url,
            ca,
            clusters=self.invocation.overlay_clusters,
            pod=self.invocation.pod,
            users=self._wrapped_users(plugin_socket) if plugin_socket else None,
        )
        self.environ = self._overlay.environment(self.environ, self._home, self.invocation.explicit)

    def set_environment_proxy(self, port: int, ca_file: Path) -> None:
        """Lead programs through the proxy that know only the environment's: they find its CA by a variable of ours.

        None of theirs is set for it, because that would take away every other root from whatever runs inside.
        """
        if self.invocation.direct:
            return
        chosen = self.selection.cluster or next(iter(self.invocation.upstreams.values()))
        url = f"http://{proxy_user(self.invocation, chosen.name)}:{self._password}@127.0.0.1:{port}"
        name = f"{chosen.scheme}_proxy"
        self.environ = {**self.environ, name: url, name.upper(): url, AUTHORITY_VARIABLE: str(ca_file)}
        bypass = self.environ.get("NO_PROXY") or self.environ.get("no_proxy") or ""
        if passes_by(chosen.host, chosen.port, bypass):
            self.notices += (f"NO_PROXY names {chosen.host}: what goes by the environment's proxy was not seen.",)

    def _wrapped_users(self, socket: Path) -> dict[str, Stanza]:
        search_path = self.environ.get("PATH", os.defpath)
        return PluginWrapper(folder=socket.parent, socket=socket, search_path=search_path).users(self.kubeconfig)

    def carry_back(self) -> tuple[str, ...]:
        """Bring what was changed in the overlay back into the user's own files; says what could not be."""
        return self._overlay.carry_back() if self._overlay else ()


def plan(argv: tuple[str, ...], environ: Mapping[str, str], password: str, allowed: Iterable[Address] = ()) -> Plan:
    """Make ``argv`` ready. Raises KubeconfigError, also where the only way to a server leads through a proxy that
    cannot be passed: nothing has been run then. ``allowed`` are hosts that may be reached besides.
    """
    home = _home(environ)
    own, notices = _without_overlays(environ, home)
    invocation = prepare(argv, own, home)
    _refuse_unsupported_proxy(invocation, own)
    return _plan(invocation, own, home, password, notices, allowed)


def standing_plan(environ: Mapping[str, str], password: str, allowed: Iterable[Address] = ()) -> Plan:
    """For a proxy that stays up and does not know the commands. Raises KubeconfigError."""
    home = _home(environ)
    own, _ = _without_overlays(environ, home)
    invocation = prepare((), own, home)
    if not invocation.upstreams:
        raise KubeconfigError("the kubeconfig names no cluster to watch; set KUBECONFIG to one that does")
    _refuse_unsupported_proxy(invocation, own)
    notices = [f"{reason}; it is refused." for reason in _unsupported(invocation, own).values() if reason]
    return _plan(invocation, own, home, password, tuple(notices), allowed)


def proxy_user(invocation: Invocation, cluster: str) -> str:
    """The user name that stands for ``cluster`` in a proxy-url; the same whatever other clusters come and go."""
    digest = hashlib.sha256(cluster.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{PROXY_USER}{digest}" if cluster in invocation.upstreams else ""


def is_overlay(path: Path) -> bool:
    """Whether the file is an overlay that a mitmkube wrote."""
    try:
        clusters = stanzas(read_file(path) or {}, "clusters")
    except KubeconfigError:
        return False
    urls = [text_of(stanza, "proxy-url") for stanza in clusters.values()]
    return bool(urls) and all(url.startswith(f"http://{PROXY_USER}") for url in urls)


def _plan(
    invocation: Invocation,
    environ: dict[str, str],
    home: Path,
    password: str,
    notices: tuple[str, ...],
    allowed: Iterable[Address],
) -> Plan:
    known = {(cluster.host, cluster.port) for cluster in invocation.upstreams.values()}
    let_through = [foreign(*address, environ) for address in allowed if address not in known]

    def read() -> tuple[Upstream, ...]:
        return (*_upstreams(invocation, environ), *let_through)

    return Plan(
        argv=invocation.argv,
        environ=environ,
        invocation=invocation,
        upstreams=Upstreams(
            read,
            key_pairs(invocation.key_pair_sources, invocation.paths),
            password,
            [cluster.ca_file for cluster in invocation.upstreams.values() if cluster.ca_file is not None],
        ),
        notices=(*notices, *_insecure(invocation)),
        _home=home,
        _password=password,
    )


def _unsupported(invocation: Invocation, environ: Mapping[str, str]) -> dict[str, str]:
    """Why the proxy on the way to each cluster cannot be passed, "" where it can."""
    return {
        name: unsupported_proxy(cluster, forward_proxy(cluster, environ))
        for name, cluster in invocation.upstreams.items()
    }


def _refuse_unsupported_proxy(invocation: Invocation, environ: Mapping[str, str]) -> None:
    """kubectl will use one cluster, which is known; another program may use any."""
    unsupported = _unsupported(invocation, environ)
    kubectl = invocation.kubectl
    if kubectl is not None and not kubectl.plugin:
        unsupported = {name: why for name, why in unsupported.items() if name == invocation.selection.cluster_name}
    if unsupported and all(unsupported.values()):
        why = next(iter(unsupported.values()))
        raise KubeconfigError(f"{why}; run the command without mitmkube, or have an http proxy in its place")


def _upstreams(invocation: Invocation, environ: Mapping[str, str]) -> list[Upstream]:
    return [
        upstream(_as_now(cluster, invocation), proxy_user(invocation, name), forward_proxy(cluster, environ))
        for name, cluster in invocation.upstreams.items()
    ]


def _as_now(cluster: Cluster, invocation: Invocation) -> Cluster:
    """With the CA that its file holds now; one from the command line was read once, as kubectl does."""
    pod = invocation.pod.clusters if invocation.pod else {}
    own = {**invocation.kubeconfig.clusters, **pod}.get(cluster.name)
    if own is None or (own.ca, own.insecure) != (cluster.ca, cluster.insecure):
        return cluster
    return cluster.with_ca_read()


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or "/")


def _without_overlays(environ: Mapping[str, str], home: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """``environ`` as it would be without another mitmkube around this one."""
    own = dict(environ)
    listed = environ.get("KUBECONFIG", "").split(os.pathsep)
    kept = [entry for entry in listed if not entry or not is_overlay(Path(entry))]
    if kept == listed:
        return own, ()
    default = str(home / ".kube" / "config")
    if kept in ([], [default]):
        own.pop("KUBECONFIG")
    else:
        own["KUBECONFIG"] = os.pathsep.join(kept)
    return own, ("This ran inside another mitmkube; the outer one saw nothing of this command.",)


def _insecure(invocation: Invocation) -> tuple[str, ...]:
    cluster = invocation.selection.cluster
    if cluster is None or not cluster.insecure or cluster.scheme != "https":
        return ()
    return (f"Cluster {cluster.name} has insecure-skip-tls-verify: nobody checked whose server this is.",)
