"""OpenSSL contexts that trust what client-go would trust for a server, and remember why they did not.

mitmproxy's own contexts know one CA for all servers and certifi's roots; a kubeconfig has one CA per cluster, and
without it Go takes the system's roots.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto
from OpenSSL.SSL import _ffi, _lib  # type: ignore[attr-defined]  # pyOpenSSL has no name of its own for these

from proxy_addons import go_errors
from proxy_addons.upstream import KeyPair, Upstream

# crypto/x509/root_linux.go and root_unix.go: the first file that exists, and every file of the folders.
_ROOT_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
_ROOT_FOLDERS = ("/etc/ssl/certs", "/etc/pki/tls/certs")

# Go looks at no common name.
_HOST_FLAGS = _lib.X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | _lib.X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
_INVALID_PURPOSE = 26  # X509_V_ERR_INVALID_PURPOSE


@dataclass(slots=True)
class Handshake:
    """What is known of one handshake with a server, kept as the connection's app data.

    ``wants_identity`` is true once the server asked for a client certificate and none was decided on yet.
    """

    upstream: Upstream
    chain: dict[int, x509.Certificate] = field(default_factory=dict)
    errors: list[tuple[int, int]] = field(default_factory=list)  # (X509_V_ERR_*, depth)
    wants_identity: bool = False
    first_bytes: bytes = b""

    def certificate_error(self, sent: Sequence[x509.Certificate], now: dt.datetime) -> str:
        """Why the server's certificate was refused, in Go's words; "" when it was not. ``sent``: the server's chain."""
        if sent:
            self.chain.setdefault(0, sent[0])  # OpenSSL looks at the leaf last
        if self.upstream.insecure or not self.errors or 0 not in self.chain:
            return ""  # OpenSSL looks at the certificate also where nobody asked it to
        return go_errors.certificate(
            [self.chain[depth] for depth in sorted(self.chain)],
            self.upstream.server_name,
            now,
            roots=[root.to_cryptography() for root in certificates(self.upstream.ca or b"")],
            wrong_purpose=any(number == _INVALID_PURPOSE for number, _ in self.errors),
        )


class Trust:
    """Makes the connection object for a handshake with a server. Contexts without an identity are kept."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._contexts: dict[tuple[bytes | None, bool, bool], SSL.Context] = {}

    def handshake(self, upstream: Upstream, *, may_suspend: bool, pair: KeyPair | None = None) -> SSL.Connection:
        """A client connection to ``upstream``, verifying as its kubeconfig says.

        With ``may_suspend`` it stops with ``WantX509LookupError`` where the server asks for a client certificate, until
        ``present`` is called. Otherwise it goes on as ``pair``. A CA without certificates vouches for nobody.
        """
        if pair is None:
            context = self._context(upstream.ca, upstream.insecure, may_suspend)
        else:
            context = self._verifying(upstream.ca, upstream.insecure)
            _identify(context, pair)
        connection = SSL.Connection(context)
        connection.set_app_data(Handshake(upstream))
        param = _lib.SSL_get0_param(connection._ssl)
        _lib.X509_VERIFY_PARAM_set_hostflags(param, _HOST_FLAGS)
        try:
            ip = ipaddress.ip_address(upstream.server_name).packed
        except ValueError:
            name = _encoded(upstream.server_name)
            connection.set_tlsext_host_name(name.rstrip(b"."))
            _lib.X509_VERIFY_PARAM_set1_host(param, name, len(name))
        else:
            _lib.X509_VERIFY_PARAM_set1_ip(param, ip, len(ip))
        connection.set_alpn_protos([b"http/1.1"])
        connection.set_connect_state()
        return connection

    def present(self, connection: SSL.Connection, pair: KeyPair | None) -> None:
        """Decide who a suspended handshake goes on as; None goes on without a certificate.

        The server's certificate has been verified by then: the roots stay behind with the first context.
        """
        identity = _bare_context()
        if pair is not None:
            _identify(identity, pair)
        connection.set_context(identity)
        connection.get_app_data().wants_identity = False

    def _context(self, ca: bytes | None, insecure: bool, may_suspend: bool) -> SSL.Context:
        key = (ca, insecure, may_suspend)
        if key not in self._contexts:
            context = self._verifying(ca, insecure)
            if may_suspend:
                _lib.SSL_CTX_set_cert_cb(context._context, _suspend, _ffi.NULL)
            self._contexts[key] = context
        return self._contexts[key]

    def _verifying(self, ca: bytes | None, insecure: bool) -> SSL.Context:
        context = _bare_context()
        # The name is checked by OpenSSL too; the callback only writes down what was found.
        context.set_verify(SSL.VERIFY_NONE if insecure else SSL.VERIFY_PEER, _remember)
        store = context.get_cert_store()
        assert store is not None
        if ca is not None:
            for root in certificates(ca):
                store.add_cert(root)
        elif not insecure:
            _load_system_roots(context, self._environ)
        # kubectl accepts an intermediate as the only CA; OpenSSL's default wants a self-signed one.
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        return context


def _bare_context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    # Go has no such level: it takes any RSA key of 1024 bits or more.
    context.set_cipher_list(b"DEFAULT@SECLEVEL=1")
    return context


def _encoded(name: str) -> bytes:
    try:
        return name.encode("idna")
    except UnicodeError:
        return name.encode()  # no name at all, and no certificate is for it


def _identify(context: SSL.Context, pair: KeyPair) -> None:
    context.use_certificate(pair.chain[0])
    for issuer in pair.chain[1:]:
        context.add_extra_chain_cert(issuer)
    context.use_privatekey(pair.key)


def certificates(pem: bytes) -> list[crypto.X509]:
    """Every readable certificate of a bundle, as Go's AppendCertsFromPEM: others are passed over."""
    found = []
    for block in pem.split(_BEGIN)[1:]:
        body = block.partition(_END)[0]
        try:
            found.append(crypto.load_certificate(crypto.FILETYPE_PEM, _BEGIN + body + _END + b"\n"))
        except crypto.Error:
            continue
    return found


def _load_system_roots(context: SSL.Context, environ: Mapping[str, str]) -> None:
    """The system's roots as Go finds them: SSL_CERT_FILE and SSL_CERT_DIR replace the usual places."""
    files = [environ["SSL_CERT_FILE"]] if environ.get("SSL_CERT_FILE") else list(_ROOT_FILES)
    folders = environ["SSL_CERT_DIR"].split(":") if environ.get("SSL_CERT_DIR") else list(_ROOT_FOLDERS)
    loaded = any(_load(context, Path(file)) for file in files)
    # Go reads the folders in any case; the usual ones hold what the usual file holds.
    if not loaded or environ.get("SSL_CERT_FILE") or environ.get("SSL_CERT_DIR"):
        for folder in map(Path, folders):
            for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
                _load(context, entry)


def _load(context: SSL.Context, file: Path) -> bool:
    if not file.is_file():
        return False
    try:
        context.load_verify_locations(str(file))
    except SSL.Error:
        return False
    return True


def _remember(connection: SSL.Connection, cert: crypto.X509, number: int, depth: int, ok: int) -> bool:
    """OpenSSL's verify callback: write down the chain and what is wrong with it, decide nothing."""
    handshake = connection.get_app_data()
    if isinstance(handshake, Handshake):
        handshake.chain.setdefault(depth, cert.to_cryptography())
        if not ok:
            handshake.errors.append((number, depth))
    return bool(ok)


def _connection_of(ssl: Any) -> SSL.Connection | None:
    mapping: Any = SSL.Connection._reverse_mapping
    return mapping.get(ssl)  # type: ignore[no-any-return]


def _suspend_handshake(ssl: Any, _argument: Any) -> int:
    """OpenSSL's certificate callback: -1 suspends the handshake until the client's identity is known."""
    connection = _connection_of(ssl)
    if connection is None:
        return 1
    connection.get_app_data().wants_identity = True
    return -1


_suspend: Callable[..., int] = _ffi.callback("int(SSL *, void *)")(_suspend_handshake)
