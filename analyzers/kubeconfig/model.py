"""Clusters, users and contexts after the merge, and what a call selects among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from analyzers.kubeconfig.key_pair import KeyPairSource, certificates_in
from analyzers.kubeconfig.syntax import KubeconfigError, bytes_of, text_of, truth_of

_DEFAULT_PORTS = {"https": 443, "http": 80}
_PROXY = re.compile(r"^(?:https?|socks5)://", re.IGNORECASE)
_HAS_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One cluster stanza, its server taken apart as client-go does it.

    ``server`` is the text of the stanza; ``scheme`` is "https" or "http", or "" with ``host`` "" and ``port`` 0 when
    the text is missing or no URL. ``host`` is lower case, without brackets. ``path_prefix`` is "" or begins with a
    slash and does not end with one. ``ca`` is PEM, None when the system's roots are meant or when the file could not
    be read, or both data and a file are given: then ``ca_error`` says so. ``raw`` is the stanza as written.
    """

    name: str
    file: Path
    server: str = ""
    scheme: str = ""
    host: str = ""
    port: int = 0
    path_prefix: str = ""
    ca: bytes | None = field(default=None, repr=False)
    ca_error: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = field(default="", repr=False)
    disable_compression: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    @classmethod
    def of(cls, name: str, file: Path, raw: Mapping[str, Any]) -> Cluster:
        """Read a stanza. Files are looked up beside ``file``; a CA file that cannot be read becomes ``ca_error``."""
        return (
            cls(
                name=name,
                file=file,
                insecure=truth_of(raw, "insecure-skip-tls-verify"),
                tls_server_name=text_of(raw, "tls-server-name"),
                proxy_url=text_of(raw, "proxy-url"),
                disable_compression=truth_of(raw, "disable-compression"),
                raw=MappingProxyType(dict(raw)),
            )
            .with_ca_read()
            .at(text_of(raw, "server"))
        )

    @property
    def ca_file(self) -> Path | None:
        """The file of the stanza's certificate-authority, which may be replaced; None where it names none."""
        path = text_of(self.raw, "certificate-authority")
        return self.file.parent / path if path else None

    def with_ca_read(self) -> Cluster:
        """The same cluster with the CA that its stanza has now."""
        ca: bytes | None = bytes_of(self.raw, "certificate-authority-data") or None
        ca_error = ""
        if self.ca_file is not None and ca is not None:
            ca_error = f"certificate-authority-data and certificate-authority are both specified for {self.name}"
        elif self.ca_file is not None:
            ca, ca_error = _read_ca(self.ca_file, self.name)
        return replace(self, ca=ca, ca_error=ca_error)

    def at(self, server: str) -> Cluster:
        """The same cluster at another server."""
        scheme, host, port, prefix = _server(server)
        return replace(self, server=server, scheme=scheme, host=host, port=port, path_prefix=prefix)

    @property
    def refused(self) -> str:
        """Why client-go would not even try this cluster, "" when it would. Such a cluster is client-go's to refuse."""
        if self.ca_error:
            return self.ca_error
        if self.proxy_url and not _PROXY.match(self.proxy_url):
            return f"invalid proxy-url for cluster {self.name}"
        if self.scheme == "https" and self.ca is not None:
            if self.insecure:
                return "specifying a root certificates file with the insecure flag is not allowed"
            if not certificates_in(self.ca):
                return f"unable to parse the certificate-authority of {self.name} as PEM"
        return ""

    @property
    def server_name(self) -> str:
        """The name a server certificate must be valid for: tls-server-name, else the host."""
        return self.tls_server_name or self.host


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One user stanza. ``kinds`` says which credentials it holds, in the order in which client-go looks at them.

    A kind is one of "token", "token-file", "client-certificate", "basic", "auth-provider", "exec"; none is ().
    """

    name: str
    file: Path
    kinds: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    @classmethod
    def of(cls, name: str, file: Path, raw: Mapping[str, Any]) -> User:
        """Read a stanza; no file is opened."""
        present = {
            "token": text_of(raw, "token"),
            "token-file": text_of(raw, "tokenFile"),
            "client-certificate": text_of(raw, "client-certificate-data") or text_of(raw, "client-certificate"),
            "basic": text_of(raw, "username") or text_of(raw, "password"),
            "auth-provider": isinstance(raw.get("auth-provider"), dict),
            "exec": isinstance(raw.get("exec"), dict),
        }
        return cls(
            name=name,
            file=file,
            kinds=tuple(kind for kind, there in present.items() if there),
            raw=MappingProxyType(dict(raw)),
        )

    @property
    def kind(self) -> str:
        """The first kind, or "none"."""
        return self.kinds[0] if self.kinds else "none"

    @property
    def certificate(self) -> bytes | Path | None:
        """PEM or the file that holds it; data wins over a file."""
        return self._part("client-certificate")

    @property
    def key(self) -> bytes | Path | None:
        """PEM or the file that holds it; data wins over a file."""
        return self._part("client-key")

    @property
    def key_pair_source(self) -> KeyPairSource | None:
        """None when the stanza has no client certificate, or one without a key."""
        certificate, key = self.certificate, self.key
        if certificate is None or key is None:
            return None
        return KeyPairSource(certificate=certificate, key=key, origin=f'user "{self.name}" in {self.file}')

    def _part(self, field_name: str) -> bytes | Path | None:
        data = bytes_of(self.raw, f"{field_name}-data")
        if data:
            return data
        path = text_of(self.raw, field_name)
        return self.file.parent / path if path else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Names of a cluster and a user, and the namespace used when a call names none ("" means default)."""

    name: str
    file: Path
    cluster: str = ""
    user: str = ""
    namespace: str = ""

    @classmethod
    def of(cls, name: str, file: Path, raw: Mapping[str, Any]) -> Context:
        """Read a stanza."""
        return cls(
            name=name,
            file=file,
            cluster=text_of(raw, "cluster"),
            user=text_of(raw, "user"),
            namespace=text_of(raw, "namespace"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What one call uses. ``cluster`` and ``user`` are None when the names lead nowhere."""

    context: str = ""
    cluster_name: str = ""
    user_name: str = ""
    namespace: str = "default"
    cluster: Cluster | None = None
    user: User | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubeconfig:
    """The merged files. ``paths`` are those asked for, ``files`` those that exist, both in order of precedence.

    ``all_users`` also holds the stanzas that an earlier file of the same name hides: another program, or a later call
    with another list of files, may use them.
    """

    paths: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    current_context: str = ""
    clusters: Mapping[str, Cluster] = field(default_factory=dict, hash=False)
    users: Mapping[str, User] = field(default_factory=dict, hash=False)
    contexts: Mapping[str, Context] = field(default_factory=dict, hash=False)
    all_users: tuple[User, ...] = ()

    @property
    def key_pair_sources(self) -> tuple[KeyPairSource, ...]:
        """Every client certificate with a key, of every user of every file."""
        sources = (user.key_pair_source for user in self.all_users)
        return tuple(source for source in sources if source is not None)

    def selected(
        self, *, context: str = "", cluster: str = "", user: str = "", namespace: str = "", lenient: bool = False
    ) -> Selection:
        """What kubectl would use with these flags ("" for one not given).

        A flag that names what is not there raises KubeconfigError in client-go's words, unless ``lenient``. A
        current-context that does not exist selects nothing, whatever its name.
        """
        chosen = self.contexts.get(context or self.current_context)
        if context and chosen is None and not lenient:
            raise KubeconfigError(f'context "{context}" does not exist')
        if cluster and cluster not in self.clusters and not lenient:
            raise KubeconfigError(f'cluster "{cluster}" does not exist')
        if user and user not in self.users and not lenient:
            raise KubeconfigError(f'auth info "{user}" does not exist')
        cluster_name = cluster or (chosen.cluster if chosen else "")
        user_name = user or (chosen.user if chosen else "")
        return Selection(
            context=chosen.name if chosen else "",
            cluster_name=cluster_name,
            user_name=user_name,
            namespace=namespace or (chosen.namespace if chosen else "") or "default",
            cluster=self.clusters.get(cluster_name),
            user=self.users.get(user_name),
        )


def _server(server: str) -> tuple[str, str, int, str]:
    nothing = ("", "", 0, "")
    has_scheme = _HAS_SCHEME.match(server) is not None
    try:
        parts = urlsplit(server if has_scheme else f"http://{server}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return nothing
    scheme, prefix = parts.scheme.lower(), parts.path.rstrip("/")
    if scheme not in _DEFAULT_PORTS or not host or (prefix and not has_scheme):
        return nothing
    return scheme, host, _DEFAULT_PORTS[scheme] if port is None else port, prefix


def _read_ca(path: Path, name: str) -> tuple[bytes | None, str]:
    try:
        return path.read_bytes(), ""
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        return None, f"unable to read certificate-authority {path} for {name} due to {reason}"
