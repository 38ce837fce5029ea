"""Client certificates and their keys, from data or from files, read when they are wanted because files rotate."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from analyzers.kubeconfig.syntax import KubeconfigError

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----([^-]*+)-----END CERTIFICATE-----")


def certificates_in(pem: bytes) -> tuple[bytes, ...]:
    """The certificates of a PEM text as DER, in its order; what is no certificate, or broken, is skipped."""
    found = []
    for body in _CERTIFICATE.findall(pem):
        try:
            found.append(base64.b64decode(b"".join(body.split()), validate=True))
        except (binascii.Error, ValueError):
            continue
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """PEM texts: the certificate with its chain, leaf first, and the private key. ``origin`` is safe to show."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)
    origin: str

    @property
    def chain(self) -> tuple[bytes, ...]:
        """DER, leaf first. Never empty."""
        return certificates_in(self.certificate)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the leaf's DER, hexadecimal."""
        return hashlib.sha256(self.chain[0]).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPairSource:
    """Where a key pair comes from: bytes are PEM, a Path is a file with PEM. ``origin`` is safe to show."""

    certificate: bytes | Path = field(repr=False)
    key: bytes | Path = field(repr=False)
    origin: str

    @property
    def files(self) -> tuple[Path, ...]:
        """The files to look at again when they may have rotated."""
        return tuple(part for part in (self.certificate, self.key) if isinstance(part, Path))

    def read(self) -> KeyPair:
        """Read both parts now. Raises KubeconfigError when a file cannot be read or holds no certificate."""
        pair = KeyPair(certificate=self._part(self.certificate), key=self._part(self.key), origin=self.origin)
        if not pair.chain:
            raise KubeconfigError(f"no certificate in PEM form in the client certificate of {self.origin}")
        if b"-----BEGIN" not in pair.key:
            raise KubeconfigError(f"no key in PEM form in the client key of {self.origin}")
        return pair

    def _part(self, part: bytes | Path) -> bytes:
        if isinstance(part, bytes):
            return part
        try:
            return part.read_bytes()
        except (OSError, ValueError) as error:
            raise KubeconfigError(f"unable to read {part} of {self.origin}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
