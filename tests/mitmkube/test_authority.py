"""The proxy's own certificate authority."""

from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from mitmproxy.certs import CertStore

from mitmkube import authority

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def test_certificate_is_an_authority_that_signs_leaves_only(tmp_path: Path) -> None:
    certificate = x509.load_pem_x509_certificate(authority.create(tmp_path, NOW, DAY))
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)


def test_certificate_ends_with_its_lifetime(tmp_path: Path) -> None:
    certificate = x509.load_pem_x509_certificate(authority.create(tmp_path, NOW, DAY))
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc == NOW + DAY


def test_certificate_is_returned_without_its_key(tmp_path: Path) -> None:
    assert b"PRIVATE" not in authority.create(tmp_path, NOW, DAY)


def test_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    authority.create(tmp_path, NOW, DAY)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_authorities_share_neither_key_nor_serial_number(tmp_path: Path) -> None:
    one, other = (x509.load_pem_x509_certificate(authority.create(tmp_path, NOW, DAY)) for _ in range(2))
    assert one.public_key() != other.public_key()
    assert one.serial_number != other.serial_number


def test_mitmproxy_takes_the_key_for_its_own(tmp_path: Path) -> None:
    pem = authority.create(tmp_path, NOW, DAY)
    store = CertStore.from_store(tmp_path, "mitmproxy", 2048)
    assert store.default_ca.to_pem() == pem
    key = load_pem_private_key((tmp_path / authority.KEY_AND_CERTIFICATE).read_bytes(), None)
    assert x509.load_pem_x509_certificate(pem).public_key() == key.public_key()


def test_certificate_made_earlier_is_read_again(tmp_path: Path) -> None:
    assert authority.create(tmp_path, NOW, 3 * DAY) == authority.read(tmp_path, NOW)


@pytest.mark.parametrize("lifetime", [DAY - dt.timedelta(seconds=1), -DAY])
def test_certificate_that_ends_within_a_day_is_not_read_again(tmp_path: Path, lifetime: dt.timedelta) -> None:
    authority.create(tmp_path, NOW, lifetime)
    assert authority.read(tmp_path, NOW) is None


@pytest.mark.parametrize("content", [None, b"", b"nothing of the kind", b"-----BEGIN CERTIFICATE-----\nAA==\n"])
def test_file_that_is_no_certificate_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / authority.KEY_AND_CERTIFICATE).write_bytes(content)
    assert authority.read(tmp_path, NOW) is None
