"""A command made ready for the proxy: its command line, the kubeconfig that counts for it, and the servers behind it.

kubectl's flags override the kubeconfig, so a CA given on the command line would make kubectl refuse the proxy's
certificate, and ``--kubeconfig`` would hide the overlay. Those are taken out of the command line and honoured on the
proxy's way to the server instead. Whatever kubectl would refuse is left in: it refuses in its own words. Programs
other than kubectl, and kubectl's plugins, get their command line untouched.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from analyzers.kubeconfig import (
    Cluster,
    KeyPairSource,
    Kubeconfig,
    KubeconfigError,
    Selection,
    certificates_in,
    config_paths,
    in_cluster,
    load,
)
from mitmkube.kubectl_argv import KubectlArgv

# With any of these set, what kubectl ends up with is no longer its default, and it does not look for a pod's account.
_NOT_DEFAULT = ("server", "as", "as-group", "as-uid", "as-user-extra", "context", "cluster", "user")
# Inside a pod kubectl reads --token and --certificate-authority, and ignores these.
_IGNORED_IN_POD = frozenset(
    ["client-certificate", "client-key", "username", "password", "tls-server-name", "insecure-skip-tls-verify"]
)

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """A command made ready for the proxy.

    ``argv`` is what to run. ``paths`` and ``kubeconfig`` are the files that count for it; ``explicit`` is set when they
    come from ``--kubeconfig``: KUBECONFIG is then the overlay and that file alone. ``upstreams`` are the clusters the
    overlay has to name and the proxy may reach, with this command's flags applied to the selected one: what counts is
    their server, ca, insecure, tls_server_name and proxy_url, as the proxy needs them. ``extra`` is a cluster no file
    defines, made for ``--server``, and ``pod`` the service account's configuration when that is what kubectl would use.
    ``key_pair_sources`` holds every client certificate a user of the files or this command line can present.
    ``direct`` is true when the command should run without the overlay: it needs no server, or there is none.
    """

    argv: tuple[str, ...] = field(repr=False)
    kubectl: KubectlArgv | None = None
    paths: tuple[Path, ...] = ()
    explicit: Path | None = None
    kubeconfig: Kubeconfig = field(default_factory=Kubeconfig)
    selection: Selection = field(default_factory=Selection)
    upstreams: Mapping[str, Cluster] = field(default_factory=dict)
    extra: Cluster | None = None
    pod: Kubeconfig | None = None
    key_pair_sources: tuple[KeyPairSource, ...] = ()
    direct: bool = False

    @property
    def namespace(self) -> str:
        """The namespace the command works in when it names none for an object."""
        return self.selection.namespace

    @property
    def overlay_clusters(self) -> tuple[Cluster, ...]:
        """The clusters as their stanzas stand, for the overlay: kubectl applies its own flags to them.

        Only ``scheme`` is what this command will use, for the overlay has to name the proxy's CA where TLS is spoken.
        """
        named = [*self.kubeconfig.clusters.values(), *((self.extra,) if self.extra else ())]
        return tuple(
            replace(cluster, scheme=self.upstreams[cluster.name].scheme)
            for cluster in named
            if cluster.name in self.upstreams
        )


def prepare(argv: Sequence[str], environ: Mapping[str, str], home: Path, root: Path = Path("/")) -> Invocation:
    """Make ``argv`` ready for the proxy. ``root`` is where a pod's service account files are looked for.

    Raises KubeconfigError, one line, when a file of KUBECONFIG (or ``~/.kube/config``) cannot be read or parsed and
    the command needs it. A file named by ``--kubeconfig`` never raises: kubectl is left to say what is wrong.
    """
    kubectl = KubectlArgv.parse(argv)
    if kubectl is not None and kubectl.offline:
        return Invocation(argv=tuple(argv), kubectl=kubectl, direct=True)
    if kubectl is None or kubectl.plugin:
        kubeconfig = load(config_paths(environ, home))
        pod = _pod(kubeconfig, kubeconfig.selected(), environ, root)
        return _invocation(Invocation(argv=tuple(argv), kubectl=kubectl, kubeconfig=kubeconfig, pod=pod))
    explicit = kubectl.get("kubeconfig")
    try:
        kubeconfig = _load_explicit(explicit) if explicit else load(config_paths(environ, home))
    except KubeconfigError:
        if not explicit:
            raise
        return Invocation(argv=tuple(argv), kubectl=kubectl, direct=True)
    return _rewrite(kubectl, kubeconfig, environ, root)


def _rewrite(kubectl: KubectlArgv, kubeconfig: Kubeconfig, environ: Mapping[str, str], root: Path) -> Invocation:
    explicit = Path(kubectl.get("kubeconfig")) if kubectl.get("kubeconfig") else None
    unchanged = Invocation(argv=kubectl.argv, kubectl=kubectl, kubeconfig=kubeconfig, explicit=explicit, direct=True)
    try:
        selection = kubeconfig.selected(
            context=kubectl.get("context"),
            cluster=kubectl.get("cluster"),
            user=kubectl.get("user"),
            namespace=kubectl.get("namespace"),
        )
    except KubeconfigError:
        return unchanged
    pod = None if _is_not_default(kubectl) else _pod(kubeconfig, selection, environ, root)
    taken_out = {"kubeconfig"}
    override = _Override.of(kubectl)
    if override is None:
        # kubectl refuses to start with such flags; the overlay would only change the words
        return unchanged
    taken_out |= override.taken_out
    extra = None
    server = kubectl.get("server")
    target = selection.cluster
    if pod is not None:
        taken_out |= _IGNORED_IN_POD
        if kubectl.get("token"):
            pod = _without_token(pod)
        target = pod.clusters[pod.current_context]
        override = replace(override, insecure=None, tls_server_name="")
        selection = replace(
            selection,
            cluster=target,
            cluster_name=target.name,
            namespace=selection.namespace if selection.namespace != "default" else _namespace(pod),
        )
    elif target is None or not target.host:
        server = server or ("" if target and target.server else environ.get("KUBERNETES_MASTER", ""))
        if server:
            raw = {key: value for key, value in (target.raw if target else {}).items() if key != "server"}
            file = target.file if target else Path()
            extra = Cluster.of(_unused_name(kubeconfig, "mitmkube"), file, {**raw, "server": server})
            selection, target = replace(selection, cluster=extra, cluster_name=extra.name), extra
    upstreams = dict(kubeconfig.clusters) | ({extra.name: extra} if extra else {}) | (dict(pod.clusters) if pod else {})
    if target is not None:
        effective = override.apply(target)
        if not effective.host or effective.refused:
            return unchanged
        upstreams[target.name] = effective
        selection = replace(selection, cluster=effective)
    argv = kubectl.without(taken_out)
    if override.proxy_url:
        argv = _emptied(argv, kubectl, taken_out)
    if extra is not None:
        argv = _with_cluster(argv, extra.name)
    return _invocation(
        replace(unchanged, argv=argv, direct=False, extra=extra, pod=pod, upstreams=upstreams, selection=selection)
    )


def _invocation(prepared: Invocation) -> Invocation:
    """Fill in what follows from the rest."""
    kubeconfig, pod = prepared.kubeconfig, prepared.pod
    upstreams = prepared.upstreams or {**kubeconfig.clusters, **(pod.clusters if pod else {})}
    upstreams = {name: cluster for name, cluster in upstreams.items() if cluster.host and not cluster.refused}
    selection = prepared.selection
    if selection == Selection():
        selection = kubeconfig.selected()
        if pod is not None:
            context = pod.contexts[pod.current_context]
            selection = replace(
                pod.selected(), namespace=selection.namespace if selection.namespace != "default" else context.namespace
            )
    direct = not upstreams
    return replace(
        prepared,
        argv=prepared.argv if not direct or prepared.kubectl is None else prepared.kubectl.argv,
        paths=kubeconfig.paths,
        upstreams=upstreams,
        selection=selection,
        key_pair_sources=(*kubeconfig.key_pair_sources, *_flag_key_pair(prepared.kubectl, selection)),
        direct=direct,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Override:
    """What the flags change of the selected cluster, by client-go's rules."""

    server: str = ""
    ca: bytes | None = None
    insecure: bool | None = None
    tls_server_name: str = ""
    proxy_url: str = ""
    taken_out: frozenset[str] = frozenset()

    @classmethod
    def of(cls, kubectl: KubectlArgv) -> _Override | None:
        """None when kubectl refuses these flags itself."""
        insecure = _boolean(kubectl, "insecure-skip-tls-verify")
        if insecure is None:
            return None
        ca: bytes | None = None
        ca_file = kubectl.get("certificate-authority")
        if ca_file:
            ca = _pem(Path(ca_file))
            if ca is None or insecure:
                return None
        taken_out = {"certificate-authority"} if ca else set()
        if insecure:
            taken_out.add("insecure-skip-tls-verify")
        return cls(
            server=kubectl.get("server"),
            ca=ca,
            insecure=True if insecure else None,
            tls_server_name=kubectl.get("tls-server-name"),
            proxy_url=kubectl.get("proxy-url"),
            taken_out=frozenset(taken_out),
        )

    def apply(self, cluster: Cluster) -> Cluster:
        changed = cluster
        if self.server:
            changed = replace(changed.at(self.server), tls_server_name="")
        if self.tls_server_name:
            changed = replace(changed, tls_server_name=self.tls_server_name)
        if self.ca is not None or self.insecure:
            changed = replace(changed, ca=self.ca, ca_error="", insecure=bool(self.insecure))
        if self.proxy_url:
            changed = replace(changed, proxy_url=self.proxy_url)
        return changed


def _boolean(kubectl: KubectlArgv, name: str) -> bool | None:
    """False when it is not given, None when it is neither true nor false."""
    if not kubectl.has(name):
        return False
    value = kubectl.get(name)
    return True if value in _TRUE else False if value in _FALSE else None


def _is_not_default(kubectl: KubectlArgv) -> bool:
    timeout = kubectl.get("request-timeout")
    return (
        any(kubectl.get(name) for name in _NOT_DEFAULT)
        or _boolean(kubectl, "disable-compression") is True
        or timeout.strip("0smhunµ.") != ""
    )


def _pod(kubeconfig: Kubeconfig, selection: Selection, environ: Mapping[str, str], root: Path) -> Kubeconfig | None:
    """The service account's configuration if client-go would fall back to it: no server, and no broken context."""
    if kubeconfig.current_context and not selection.context:
        return None
    if selection.cluster is not None and selection.cluster.server:
        return None
    return in_cluster(environ, root, _unused_name(kubeconfig, "in-cluster"))


def _without_token(pod: Kubeconfig) -> Kubeconfig:
    """kubectl gives --token to the pod's configuration instead of the file; a token file would win over the flag."""
    bare = replace(pod.users[pod.contexts[pod.current_context].user], kinds=(), raw={})
    return replace(pod, users={bare.name: bare}, all_users=(bare,))


def _namespace(pod: Kubeconfig) -> str:
    return pod.contexts[pod.current_context].namespace


def _load_explicit(path: str) -> Kubeconfig:
    if os.pathsep in path:
        raise KubeconfigError(f"{path} cannot stand in a list of files")
    if not Path(path).exists():
        raise KubeconfigError(f"stat {path}: no such file or directory")
    return load((Path(path),))


def _pem(path: Path) -> bytes | None:
    try:
        text = path.read_bytes()
    except (OSError, ValueError):
        return None
    return text if certificates_in(text) else None


def _flag_key_pair(kubectl: KubectlArgv | None, selection: Selection) -> tuple[KeyPairSource, ...]:
    """A flag for one half joins the other half of the selected user, as in client-go."""
    if kubectl is None or kubectl.plugin:
        return ()
    user = selection.user
    certificate_flag, key_flag = kubectl.get("client-certificate"), kubectl.get("client-key")
    certificate = Path(certificate_flag) if certificate_flag else user.certificate if user else None
    key = Path(key_flag) if key_flag else user.key if user else None
    if not (certificate_flag or key_flag) or certificate is None or key is None:
        return ()
    return (KeyPairSource(certificate=certificate, key=key, origin="the command line"),)


def _unused_name(kubeconfig: Kubeconfig, name: str) -> str:
    while name in kubeconfig.clusters or name in kubeconfig.users or name in kubeconfig.contexts:
        name += "-mitmkube"
    return name


def _with_cluster(argv: tuple[str, ...], name: str) -> tuple[str, ...]:
    """``--cluster`` just before the subcommand, where kubectl takes it for every builtin command."""
    kubectl = KubectlArgv.parse(argv)
    kept = kubectl.without({"cluster"}) if kubectl else argv
    return (kept[0], f"--cluster={name}", *kept[1:])


def _emptied(argv: tuple[str, ...], kubectl: KubectlArgv, taken_out: set[str]) -> tuple[str, ...]:
    """An empty --proxy-url lets the overlay's count; a kubectl too old for the flag still says so."""
    return (argv[0], "--proxy-url=", *kubectl.without(taken_out | {"proxy-url"})[1:])
