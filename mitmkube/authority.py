"""The proxy's own certificate authority: trusted through the overlay kubeconfig only, and good for its servers only.

Whoever steals its key can pretend to be the kubeconfig's servers, to those who use the overlay, for as long as it
lasts; it vouches for no other host. Both kinds of name are constrained: a verifier lets a kind through that nothing is
said of.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mitmkube.private_files import write_private
from proxy_addons.leaf_names import leaf_names

KEY_AND_CERTIFICATE = "mitmproxy-ca.pem"  # the name under which mitmproxy looks for it in its confdir

_NOWHERE = "invalid"
"""A name that no server has (RFC 2606). Permitted where only addresses are: not every verifier knows what it means to
exclude the empty name, and every one knows that what is not permitted is refused."""
_EVERY_ADDRESS = (ipaddress.IPv4Network("0.0.0.0/0"), ipaddress.IPv6Network("::/0"))


def create(folder: Path, now: dt.datetime, lifetime: dt.timedelta, hosts: Iterable[str]) -> bytes:
    """Make a CA in ``folder`` that vouches for ``hosts`` (names and addresses), and return its certificate as PEM.

    An elliptic-curve key, because it is made in a millisecond; the same key signs every leaf and serves it.
    """
    return _issue(folder, ec.generate_private_key(ec.SECP256R1()), now, lifetime, _constraints(hosts))


def keep(folder: Path, now: dt.datetime, lifetime: dt.timedelta, hosts: Iterable[str]) -> bytes:
    """The certificate of the CA in ``folder``, as PEM, made or remade where that is needed.

    It is remade when it is for other ``hosts``, and when less than a third of ``lifetime`` is left. Its key stays the
    same while it is valid, so that clients that have read the old certificate go on to accept what the new one signs.
    """
    made = _read(folder)
    constraints = _constraints(hosts)
    if made is None or made[0].not_valid_after_utc <= now:
        return _issue(folder, ec.generate_private_key(ec.SECP256R1()), now, lifetime, constraints)
    certificate, key = made
    if certificate.not_valid_after_utc - now >= lifetime / 3 and _constraints_of(certificate) == constraints:
        return certificate.public_bytes(serialization.Encoding.PEM)
    return _issue(folder, key, now, lifetime, constraints)


def _constraints(hosts: Iterable[str]) -> x509.NameConstraints:
    names = leaf_names(hosts)
    permitted: list[x509.GeneralName] = sorted(
        (x509.DNSName(name.value) for name in names if isinstance(name, x509.DNSName)), key=lambda name: name.value
    ) or [x509.DNSName(_NOWHERE)]
    addresses = [ipaddress.ip_network(name.value) for name in names if isinstance(name, x509.IPAddress)]
    permitted += [x509.IPAddress(network) for network in sorted(addresses, key=lambda one: (one.version, one))]
    versions = {network.version for network in addresses}
    excluded = [x509.IPAddress(every) for every in _EVERY_ADDRESS if every.version not in versions]
    return x509.NameConstraints(permitted, excluded or None)


def _issue(
    folder: Path,
    key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
    lifetime: dt.timedelta,
    constraints: x509.NameConstraints,
) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mitmkube")])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=2))  # clocks differ, and a leaf begins two days back
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(constraints, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(folder / KEY_AND_CERTIFICATE, key_pem + pem)
    return pem


def _read(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    """What was made earlier; None when there is nothing that can be used."""
    try:
        pem = (folder / KEY_AND_CERTIFICATE).read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        key = serialization.load_pem_private_key(pem, None)
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return None
    return certificate, key


def _constraints_of(certificate: x509.Certificate) -> x509.NameConstraints | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return None
