"""The proxy's own certificate authority: made for one session, trusted through the overlay kubeconfig only."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mitmkube.private_files import write_private

KEY_AND_CERTIFICATE = "mitmproxy-ca.pem"  # the name under which mitmproxy looks for it in its confdir


def create(folder: Path, now: dt.datetime, lifetime: dt.timedelta) -> bytes:
    """Make a CA in ``folder`` and return its certificate as PEM.

    An elliptic-curve key, because it is made in a millisecond; the same key signs every leaf and serves it.
    """
    key = ec.generate_private_key(ec.SECP256R1())
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
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(folder / KEY_AND_CERTIFICATE, key_pem + pem)
    return pem


def read(folder: Path, now: dt.datetime) -> bytes | None:
    """The certificate of a CA made earlier, as PEM; None when there is none that is valid for another day."""
    try:
        pem = (folder / KEY_AND_CERTIFICATE).read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
    except (OSError, ValueError):
        return None
    if certificate.not_valid_after_utc < now + dt.timedelta(days=1):
        return None
    return certificate.public_bytes(serialization.Encoding.PEM)
