from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from analyzers.decode.certificate import Certificate, decode
from analyzers.exchange import Exchange

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def issued(*subject: tuple[x509.ObjectIdentifier, str], extensions: tuple[x509.ExtensionType, ...] = ()) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the-ca")]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + dt.timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_certificate_is_read_in_full() -> None:
    uid = x509.ObjectIdentifier("1.3.6.1.4.1.57683.2")
    der = issued(
        (NameOID.ORGANIZATION_NAME, "dev"),
        (NameOID.ORGANIZATION_NAME, "ops"),
        (NameOID.COMMON_NAME, "jane"),
        (uid, "u-1"),
        extensions=(
            x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.IPAddress(ipaddress.ip_address("10.0.0.1"))]),
            x509.BasicConstraints(ca=True, path_length=None),
        ),
    )
    assert decode(der) == Certificate(
        subject_cn="jane",
        organizations=("dev", "ops"),
        uid="u-1",
        issuer_cn="the-ca",
        dns_names=("a.example",),
        ip_addresses=("10.0.0.1",),
        not_before=int(START.timestamp()),
        not_after=int(START.timestamp()) + 86400,
        fingerprint=hashlib.sha256(der).hexdigest(),
        is_ca=True,
    )


def test_certificate_of_an_api_server_is_read(recorded: Callable[[str], tuple[Exchange, ...]]) -> None:
    connection = recorded("status_json")[0].connection
    assert connection is not None
    found = decode(connection.server_certificates[0])
    assert found is not None
    assert found.subject_cn == "kube-apiserver"
    assert "127.0.0.1" in found.ip_addresses
    assert not found.is_ca


def test_of_two_common_names_the_last_counts_as_in_go() -> None:
    found = decode(issued((NameOID.COMMON_NAME, "first"), (NameOID.COMMON_NAME, "last")))
    assert found is not None
    assert found.subject_cn == "last"


def test_certificate_without_a_subject_is_read() -> None:
    found = decode(issued())
    assert found is not None
    assert (found.subject_cn, found.organizations, found.dns_names) == ("", (), ())


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"-----BEGIN CERTIFICATE-----", issued()[:-40]])
def test_other_bytes_are_none(der: bytes) -> None:
    assert decode(der) is None
