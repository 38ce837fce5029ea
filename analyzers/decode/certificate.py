"""A certificate, in the words that authentication uses: whom it names, who signed it, how long it is valid."""

from __future__ import annotations

import hashlib
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID

from analyzers.decode.untrusted import name

# k8s.io/apimachinery, pkg/apis/asn1/oid.go: the user's UID as an attribute of the subject.
_UID = x509.ObjectIdentifier("1.3.6.1.4.1.57683.2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a certificate says. To the API server the common name is the user and the organizations are the groups.

    ``not_before`` and ``not_after`` are Unix seconds, ``fingerprint`` the SHA-256 of the DER form in hex.
    """

    subject_cn: str = ""
    organizations: tuple[str, ...] = ()
    uid: str = ""
    issuer_cn: str = ""
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    not_before: int = 0
    not_after: int = 0
    fingerprint: str = ""
    is_ca: bool = False


@lru_cache(maxsize=64)
def decode(der: bytes) -> Certificate | None:
    """The certificate, None for bytes that are none. Cached: a connection shows the same one with every request."""
    # Which oddities are refused, and with what, differs between releases of the library; a decoder survives them all.
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsed = x509.load_der_x509_certificate(der)
        dns_names, ip_addresses = _alternative_names(parsed)
        return Certificate(
            subject_cn=_last(_attributes(parsed.subject, NameOID.COMMON_NAME)),
            organizations=_attributes(parsed.subject, NameOID.ORGANIZATION_NAME),
            uid=_last(_attributes(parsed.subject, _UID)),
            issuer_cn=_last(_attributes(parsed.issuer, NameOID.COMMON_NAME)),
            dns_names=dns_names,
            ip_addresses=ip_addresses,
            not_before=int(parsed.not_valid_before_utc.timestamp()),
            not_after=int(parsed.not_valid_after_utc.timestamp()),
            fingerprint=hashlib.sha256(der).hexdigest(),
            is_ca=_is_ca(parsed),
        )
    return None


def _attributes(subject: x509.Name, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(name(attribute.value) for attribute in subject.get_attributes_for_oid(oid))


def _last(values: tuple[str, ...]) -> str:
    """Of several common names Go keeps the last."""
    return values[-1] if values else ""


def _alternative_names(parsed: x509.Certificate) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        found = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return (), ()
    return (
        tuple(name(value) for value in found.get_values_for_type(x509.DNSName)),
        tuple(str(value) for value in found.get_values_for_type(x509.IPAddress)),
    )


def _is_ca(parsed: x509.Certificate) -> bool:
    try:
        return parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return False
