"""Which roots vouch for a server when its cluster names none."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from OpenSSL import SSL

from proxy_addons import trust
from proxy_addons.trust import Handshake, Trust
from proxy_addons.upstream import Upstream
from tests.cluster import pki
from tests.proxy_addons.api_server import server_context

UPSTREAM = Upstream(cluster="c", scheme="https", host="127.0.0.1", port=1, server_name="localhost")


def accepts(connection: SSL.Connection, leaf: pki.KeyPair) -> bool:
    server = SSL.Connection(server_context(leaf, asks=False))
    server.set_accept_state()
    for _ in range(10):
        for one, other in ((connection, server), (server, connection)):
            try:
                one.do_handshake()
            except SSL.WantReadError:
                pass
            except SSL.Error:
                return False
            with contextlib.suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(65536))
    return True


@pytest.fixture
def roots(tmp_path: Path, authority, monkeypatch) -> Path:
    """A machine whose usual places know ``authority``."""
    monkeypatch.setattr(trust, "_ROOT_FILES", (str(tmp_path / "missing.pem"),))
    monkeypatch.setattr(trust, "_ROOT_FOLDERS", (str(tmp_path / "usual"),))
    (tmp_path / "usual").mkdir()
    (tmp_path / "usual" / "root.pem").write_bytes(authority.certificate_pem)
    (tmp_path / "usual" / "README").write_text("no certificate")
    return tmp_path


def test_usual_folders_are_read(roots, leaf) -> None:
    assert accepts(Trust({}).handshake(UPSTREAM, may_suspend=False), leaf)


def test_ssl_cert_dir_replaces_the_usual_folders(roots, leaf) -> None:
    assert not accepts(Trust({"SSL_CERT_DIR": str(roots)}).handshake(UPSTREAM, may_suspend=False), leaf)
    several = f"{roots}:{roots / 'usual'}"
    assert accepts(Trust({"SSL_CERT_DIR": several}).handshake(UPSTREAM, may_suspend=False), leaf)


def test_ssl_cert_file_adds_to_the_usual_folders_as_in_go(roots, leaf) -> None:
    other = pki.Authority.create("other")
    file = roots / "other.pem"
    file.write_bytes(other.certificate_pem)
    environ = {"SSL_CERT_FILE": str(file)}
    assert accepts(Trust(environ).handshake(UPSTREAM, may_suspend=False), leaf)
    theirs = other.issue("x", usage=pki.SERVER, names=["localhost"])
    assert accepts(Trust(environ).handshake(UPSTREAM, may_suspend=False), theirs)


def test_repr_of_a_handshake_tells_no_key() -> None:
    assert "PRIVATE" not in repr(Handshake(UPSTREAM))
