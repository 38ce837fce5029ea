"""Which servers the proxy may reach, how to know them, and as whom: the kubeconfig as the proxy needs it.

Each cluster of the kubeconfig gets a user name of its own in its proxy-url, so that a CONNECT says which cluster it is
meant for: two clusters may share an address and differ in CA or server name.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

type Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
# A plugin's certificate may live for minutes, and a proxy for weeks.
_MOST_HANDED = 256
_KEYS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardProxy:
    """A proxy that stands between this one and the server. ``authorization`` is a header value, "" for none."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    authorization: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One server that may be reached.

    ``user`` is the name in proxy-url's user info, "" when the proxy-url was written by hand. ``server_name`` is what
    the certificate must be for, and the SNI. ``ca`` is PEM, None for the system's roots. ``problem`` says in words why
    the settings cannot be used (an unreadable CA file), "" when they can. ``foreign`` is a host of no cluster that the
    user let through by name: of what is said there only method, host, path and status are anybody's business.
    """

    cluster: str
    scheme: str
    host: str
    port: int
    server_name: str
    path_prefix: str = ""
    user: str = ""
    ca: bytes | None = field(default=None, repr=False)
    insecure: bool = False
    via: ForwardProxy | None = None
    problem: str = ""
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A client certificate with its chain, leaf first, and the key to it."""

    chain: tuple[x509.Certificate, ...]
    key: Key = field(repr=False)

    @classmethod
    def from_pem(cls, certificate: bytes, key: bytes) -> KeyPair | None:
        """None when either cannot be read; kubectl then fails by itself and never presents it."""
        try:
            chain = tuple(x509.load_pem_x509_certificates(certificate))
            loaded = serialization.load_pem_private_key(key, None)
            # A login tool writes one file after the other: what does not belong together is no pair yet.
            fits = loaded.public_key() == chain[0].public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm):
            return None
        return cls(chain, loaded) if fits and isinstance(loaded, _KEYS) else None

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the leaf's DER."""
        return self.chain[0].fingerprint(hashes.SHA256())


KeyPairSource = Callable[[], Iterable[tuple[bytes, bytes]]]
"""Reads every (certificate PEM, key PEM) that the kubeconfig's users have now; files may have been renewed."""


class KeyPairs:
    """Every key pair of every user, found by the SHA-256 of the certificate that the client proved to hold.

    A common name would not do: two identities can share one. An unknown certificate makes the sources be read again,
    because login tools renew their files.
    """

    def __init__(self, source: KeyPairSource) -> None:
        self._source = source
        self._found: dict[bytes, KeyPair] = {}
        self._handed: dict[bytes, KeyPair] = {}

    def add(self, certificate: bytes, key: bytes) -> None:
        """Take a pair that stands in no file, both PEM; what is no pair is passed over. The oldest are let go of."""
        pair = KeyPair.from_pem(certificate, key)
        if pair is None:
            return
        self._handed.pop(pair.fingerprint, None)
        self._handed[pair.fingerprint] = pair
        while len(self._handed) > _MOST_HANDED:
            del self._handed[next(iter(self._handed))]

    def take_over(self, former: KeyPairs) -> None:
        """Take the pairs that were handed to ``former``: a plugin is not asked for them again while they last."""
        self._handed |= former._handed

    def find(self, fingerprint: bytes) -> KeyPair | None:
        """The key pair of exactly this certificate, or None."""
        if fingerprint in self._handed:
            return self._handed[fingerprint]
        if fingerprint not in self._found:
            pairs = (KeyPair.from_pem(*pem) for pem in self._source())
            self._found = {pair.fingerprint: pair for pair in pairs if pair}
        return self._found.get(fingerprint)

    def __repr__(self) -> str:
        return f"KeyPairs({len(self._found)} read, {len(self._handed)} handed over)"


class Upstreams:
    """The servers of the kubeconfig and the proxy's password ("" asks for none).

    ``read`` is called again when an unknown server is asked for, because clusters are added while a proxy stays up, and
    when one of ``files`` was replaced, because authorities are renewed. The password lives in memory and in the overlay
    kubeconfig only.
    """

    def __init__(
        self,
        read: Callable[[], Iterable[Upstream]],
        key_pairs: KeyPairs,
        password: str = "",
        files: Iterable[Path] = (),
    ) -> None:
        self._read = read
        self._files = tuple(files)
        self._seen = self._look()
        self._all = tuple(read())
        self._password = password
        self.key_pairs = key_pairs

    def authenticated(self, password: str) -> bool:
        """Whether this is the proxy's password, compared in constant time."""
        return not self._password or hmac.compare_digest(password.encode(), self._password.encode())

    def find(self, host: str, port: int, user: str = "") -> Upstream | None:
        """The server at this address, the one of this proxy user where several share it; None when it is not ours."""
        found = self._at(host, port)
        if not found or (self._files and self._look() != self._seen):
            self._seen = self._look()
            self._all = tuple(self._read())
            found = self._at(host, port)
        return next((u for u in found if u.user == user), found[0] if found else None)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every name and address that a client may ask the proxy's certificate to be for."""
        served = (u for u in self._all if u.scheme == "https")
        return tuple(dict.fromkeys(host for u in served for host in (u.server_name, u.host)))

    def hosts_at(self, host: str, port: int) -> tuple[str, ...]:
        """As ``hosts``, of the servers at this address: clusters that share one can differ in their server names."""
        return tuple(dict.fromkeys(name for u in self._at(host, port) for name in (u.server_name, u.host)))

    def is_forward_proxy(self, host: str, port: int) -> bool:
        """Whether some cluster is reached through a proxy at this address."""
        return any(u.via is not None and (u.via.host, u.via.port) == (host, port) for u in self._all)

    def _look(self) -> list[tuple[int, int, int] | None]:
        """What tells a file from the one that takes its place."""
        looks: list[tuple[int, int, int] | None] = []
        for file in self._files:
            try:
                status = file.stat()
            except OSError:
                looks.append(None)
            else:
                looks.append((status.st_ino, status.st_mtime_ns, status.st_size))
        return looks

    def _at(self, host: str, port: int) -> list[Upstream]:
        return [u for u in self._all if (u.host.lower(), u.port) == (host.lower(), port)]

    def __repr__(self) -> str:
        return f"Upstreams({', '.join(f'{u.cluster}={u.scheme}://{u.host}:{u.port}' for u in self._all)})"
