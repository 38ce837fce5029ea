"""The proxy's own certificate authority."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import stat
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from mitmproxy.certs import CertStore

from mitmkube import authority
from proxy_addons.leaf_names import leaf_names

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
HOSTS = ("api.example.com", "10.0.0.1")


def made(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def constraints(pem: bytes) -> x509.NameConstraints:
    extension = made(pem).extensions.get_extension_for_class(x509.NameConstraints)
    assert extension.critical
    return extension.value


def test_certificate_is_an_authority_that_signs_servers_leaves_only(tmp_path: Path) -> None:
    certificate = made(authority.create(tmp_path, NOW, DAY, HOSTS))
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert (basic.value.ca, basic.value.path_length) == (True, 0)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]


def test_certificate_ends_with_its_lifetime(tmp_path: Path) -> None:
    certificate = made(authority.create(tmp_path, NOW, DAY, HOSTS))
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc == NOW + DAY


def test_certificate_is_returned_without_its_key(tmp_path: Path) -> None:
    assert b"PRIVATE" not in authority.create(tmp_path, NOW, DAY, HOSTS)


def test_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    authority.create(tmp_path, NOW, DAY, HOSTS)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_authorities_share_neither_key_nor_serial_number(tmp_path: Path) -> None:
    one, other = (made(authority.create(tmp_path, NOW, DAY, HOSTS)) for _ in range(2))
    assert one.public_key() != other.public_key()
    assert one.serial_number != other.serial_number


def test_mitmproxy_takes_the_key_for_its_own(tmp_path: Path) -> None:
    pem = authority.create(tmp_path, NOW, DAY, HOSTS)
    store = CertStore.from_store(tmp_path, "mitmproxy", 2048)
    assert store.default_ca.to_pem() == pem
    key = load_pem_private_key((tmp_path / authority.KEY_AND_CERTIFICATE).read_bytes(), None)
    assert made(pem).public_key() == key.public_key()


# Kept from one start to the next


def test_certificate_made_earlier_is_kept(tmp_path: Path) -> None:
    first = authority.keep(tmp_path, NOW, 9 * DAY, HOSTS)
    assert authority.keep(tmp_path, NOW + 6 * DAY, 9 * DAY, reversed(HOSTS)) == first


def test_certificate_is_renewed_with_its_key_when_a_third_of_its_life_is_left(tmp_path: Path) -> None:
    first = authority.keep(tmp_path, NOW, 9 * DAY, HOSTS)
    later = NOW + 6 * DAY + dt.timedelta(seconds=1)
    renewed = authority.keep(tmp_path, later, 9 * DAY, HOSTS)
    assert made(renewed).not_valid_after_utc == later + 9 * DAY
    assert made(renewed).public_key() == made(first).public_key()
    assert made(renewed).serial_number != made(first).serial_number


def test_certificate_that_has_ended_is_replaced_with_its_key(tmp_path: Path) -> None:
    first = authority.keep(tmp_path, NOW, DAY, HOSTS)
    assert made(authority.keep(tmp_path, NOW + DAY, DAY, HOSTS)).public_key() != made(first).public_key()


@pytest.mark.parametrize("hosts", [("api.example.com",), ("10.0.0.1",), (*HOSTS, "other.example.com"), ()])
def test_certificate_is_remade_for_other_hosts(tmp_path: Path, hosts: tuple[str, ...]) -> None:
    first = authority.keep(tmp_path, NOW, 9 * DAY, HOSTS)
    other = authority.keep(tmp_path, NOW, 9 * DAY, hosts)
    assert constraints(other) != constraints(first)
    assert made(other).public_key() == made(first).public_key()


@pytest.mark.parametrize("content", [None, b"", b"nothing of the kind", b"-----BEGIN CERTIFICATE-----\nAA==\n"])
def test_file_that_is_no_authority_is_replaced(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / authority.KEY_AND_CERTIFICATE).write_bytes(content)
    pem = authority.keep(tmp_path, NOW, DAY, HOSTS)
    assert authority.keep(tmp_path, NOW, DAY, HOSTS) == pem


def test_certificate_without_its_key_is_replaced(tmp_path: Path) -> None:
    pem = authority.keep(tmp_path, NOW, DAY, HOSTS)
    (tmp_path / authority.KEY_AND_CERTIFICATE).write_bytes(pem)
    assert authority.keep(tmp_path, NOW, DAY, HOSTS) != pem


# Name constraints

EVERY_V4, EVERY_V6 = (x509.IPAddress(ipaddress.ip_network(net)) for net in ("0.0.0.0/0", "::/0"))


def address(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_network(text))


@pytest.mark.parametrize(
    ("hosts", "permitted", "excluded"),
    [
        (["a.test"], [x509.DNSName("a.test")], [EVERY_V4, EVERY_V6]),
        (["10.0.0.1"], [x509.DNSName("invalid"), address("10.0.0.1/32")], [EVERY_V6]),
        (["::1"], [x509.DNSName("invalid"), address("::1/128")], [EVERY_V4]),
        (["::1", "10.0.0.1", "B.test.", "a.test"],
         [x509.DNSName("a.test"), x509.DNSName("b.test"), address("10.0.0.1/32"), address("::1/128")], None),
        (["bücher.test", "fe80::1%eth0"],
         [x509.DNSName("xn--bcher-kva.test"), address("fe80::1/128")], [EVERY_V4]),
        ([], [x509.DNSName("invalid")], [EVERY_V4, EVERY_V6]),
        (["a..b", "x" * 64 + ".test", ""], [x509.DNSName("invalid")], [EVERY_V4, EVERY_V6]),
    ],
)  # fmt: skip
def test_constraints_permit_the_hosts_and_nothing_of_either_kind_else(
    tmp_path: Path, hosts: list[str], permitted: list[x509.GeneralName], excluded: list[x509.GeneralName] | None
) -> None:
    found = constraints(authority.create(tmp_path, NOW, DAY, hosts))
    assert (found.permitted_subtrees, found.excluded_subtrees) == (permitted, excluded)


class Server:
    """A TLS server on loopback with a leaf of the CA in ``folder`` for ``names``; it answers every request."""

    def __init__(self, folder: Path, names: Iterable[str], common_name: str | None = None) -> None:
        store = CertStore.from_store(folder, "mitmproxy", 2048)
        leaf = store.get_cert(common_name, leaf_names(names)).cert.to_pem()
        (folder / "leaf.pem").write_bytes(leaf + (folder / authority.KEY_AND_CERTIFICATE).read_bytes())
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "leaf.pem", folder / authority.KEY_AND_CERTIFICATE)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        answer = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        )
        while True:
            try:
                raw, _ = self._listener.accept()
                with self._context.wrap_socket(raw, server_side=True) as tls:
                    tls.recv(65536)
                    tls.sendall(answer)
            except ssl.SSLError:
                continue
            except OSError:
                if self._listener.fileno() < 0:
                    return

    def close(self) -> None:
        self._listener.close()


def asks_python(ca: Path, name: str, port: int) -> bool:
    context = ssl.create_default_context(cafile=str(ca))
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        try:
            context.wrap_socket(raw, server_hostname=name).close()
        except ssl.SSLCertVerificationError:
            return False
    return True


def asks_curl(ca: Path, name: str, port: int) -> bool:
    url = f"https://[{name}]:{port}/" if ":" in name else f"https://{name}:{port}/"
    command = ["curl", "-sS", "--noproxy", "*", "--cacert", str(ca), "--connect-to", f"::127.0.0.1:{port}", url]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode in (0, 60), done.stderr
    return done.returncode == 0


def asks_kubectl(kubectl: str, ca: Path, name: str, port: int) -> bool:
    """With ``name`` as the server's name, and so with Go's verifier."""
    cluster = {"server": f"https://127.0.0.1:{port}", "tls-server-name": name, "certificate-authority": str(ca)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": "anything"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    config = ca.with_name("kubeconfig")
    config.write_text(yaml.safe_dump(document))
    command = [kubectl, f"--kubeconfig={config}", "get", "--raw", "/version"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, env={"HOME": str(ca.parent)})
    assert done.returncode == 0 or b"x509: " in done.stderr, done.stderr
    return done.returncode == 0


# Hosts the CA is for; names of the leaf; the name that the client verifies; whether it may believe it.
CASES = [
    (["a.test"], ["a.test"], "a.test", True),
    (["a.test"], ["b.test"], "b.test", False),
    (["a.test"], ["a.test", "b.test"], "a.test", False),
    (["a.test"], ["deep.a.test"], "deep.a.test", True),
    (["a.test"], ["xa.test"], "xa.test", False),
    (["a.test"], ["*.test"], "b.test", False),
    (["a.test"], ["10.0.0.1"], "10.0.0.1", False),
    (["a.test"], ["::1"], "::1", False),
    (["10.0.0.1"], ["10.0.0.1"], "10.0.0.1", True),
    (["10.0.0.1"], ["10.0.0.2"], "10.0.0.2", False),
    (["10.0.0.1"], ["::1"], "::1", False),
    (["10.0.0.1"], ["a.test"], "a.test", False),
    (["10.0.0.1"], ["10.0.0.1", "a.test"], "a.test", False),
    (["::1"], ["::1"], "::1", True),
    (["::1"], ["10.0.0.1"], "10.0.0.1", False),
    (["api.example.com", "10.0.0.1"], ["api.example.com", "10.0.0.1"], "api.example.com", True),
    (["api.example.com", "10.0.0.1"], ["api.example.com", "10.0.0.1"], "10.0.0.1", True),
    ([], ["a.test"], "a.test", False),
    ([], ["10.0.0.1"], "10.0.0.1", False),
]  # fmt: skip


@pytest.mark.parametrize(("hosts", "leaf", "name", "believed"), CASES)
def test_go_openssl_and_python_believe_a_leaf_for_the_hosts_and_no_other(
    tmp_path: Path, kubectl: str, hosts: list[str], leaf: list[str], name: str, *, believed: bool
) -> None:
    pem = authority.create(tmp_path, dt.datetime.now(dt.UTC), DAY, hosts)
    ca = tmp_path / "ca.pem"
    ca.write_bytes(pem)
    server = Server(tmp_path, leaf)
    try:
        answers = {
            "python": asks_python(ca, name, server.port),
            "curl": asks_curl(ca, name, server.port),
            "kubectl": asks_kubectl(kubectl, ca, name, server.port),
        }
    finally:
        server.close()
    assert answers == dict.fromkeys(answers, believed)
