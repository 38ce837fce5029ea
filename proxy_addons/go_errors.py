"""Says a connection failure in the words that client-go would have used.

kubectl prints whatever text a refused CONNECT carries, so with Go's own words in it a user sees through the proxy what
they would have seen without. Texts: Go's net, crypto/tls and crypto/x509.
"""

from __future__ import annotations

import datetime as dt
import errno
import ipaddress
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.x509.oid import ExtensionOID

from analyzers.exchange import FailurePhase

PROXY_CONNECT = "proxyconnect tcp: "
DIAL_TIMED_OUT = "mitmkube: dial timed out"
LOOKUP_TIMED_OUT = "mitmkube: lookup timed out"
TLS_TIMED_OUT = "mitmkube: TLS handshake timed out"

_ADDRESS = re.compile(r"\[Errno (\d+)\] Connect call failed \('([^']+)', (\d+)")
_ERRNO = re.compile(r"\[Errno (-?\d+)\]")
_REFUSED_CONNECT = re.compile(r"refused HTTP CONNECT request: \d+ (.*)")
_NO_ANSWER = re.compile(r"Cannot parse HTTP response: .{0,300}?: b['\"](.{0,2000})['\"]$")
_BAD_FRAMING = (
    (re.compile(r"invalid content-length header: '(.*)'", re.DOTALL), "bad Content-Length"),
    (re.compile(r"unknown transfer-encoding header: '(.*)'", re.DOTALL), "unsupported transfer encoding:"),
)
_RECORD_HEADER_BYTES = 5
_GO_ERRNO = {
    errno.ECONNREFUSED: "connection refused",
    errno.ETIMEDOUT: "connection timed out",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.ECONNRESET: "connection reset by peer",
    errno.EACCES: "permission denied",
    errno.EADDRNOTAVAIL: "cannot assign requested address",
}
_NOT_FOUND = ("Name or service not known", "nodename nor servname", "No address associated", "not known")

# OpenSSL's name of the alert that a peer sent -> Go's (crypto/tls/alert.go).
_ALERTS = {
    "bad certificate": "bad certificate",
    "unsupported certificate": "unsupported certificate",
    "certificate expired": "expired certificate",
    "certificate unknown": "unknown certificate",
    "unknown ca": "unknown certificate authority",
    "access denied": "access denied",
    "certificate required": "certificate required",
    "handshake failure": "handshake failure",
    "protocol version": "protocol version not supported",
    "unrecognized name": "unrecognized name",
    "user canceled": "user canceled",
    "missing extension": "missing extension",
    "unsupported extension": "unsupported extension",
    "bad record mac": "bad record MAC",
    "unexpected message": "unexpected message",
    "record overflow": "record overflow",
    "decryption failed": "decryption failed",
    "bad certificate status response": "bad certificate status response",
    "no application protocol": "no application protocol",
    "internal error": "internal error",
    "decode error": "error decoding message",
    "decrypt error": "error decrypting message",
    "insufficient security": "insufficient security level",
    "illegal parameter": "illegal parameter",
}
_ALERT = re.compile(rf"(?:alert|tlsv1|tlsv13|sslv3|ssl/tls) ({'|'.join(_ALERTS)})")


def dial(host: str, port: int, error: str) -> tuple[FailurePhase, str]:
    """What asyncio said of a failed connection attempt, in Go's words, with the phase it belongs to."""
    address = f"{_bracketed(host)}:{port}"
    if error == DIAL_TIMED_OUT:
        return "dial", f"dial tcp {address}: i/o timeout"
    if error == LOOKUP_TIMED_OUT:
        return "dns", f"dial tcp: lookup {host}: i/o timeout"
    if found := _ADDRESS.search(error):
        number, ip, its_port = int(found[1]), found[2], found[3]
        return "dial", f"dial tcp {_bracketed(ip)}:{its_port}: connect: {_GO_ERRNO.get(number, os.strerror(number))}"
    if any(text in error for text in _NOT_FOUND):
        return "dns", f"dial tcp: lookup {host}{_resolver()}: no such host"
    if "name resolution" in error or "gaierror" in error:
        return "dns", f"dial tcp: lookup {host}{_resolver()}: server misbehaving"
    if found := _ERRNO.search(error):
        number = int(found[1])
        if number in _GO_ERRNO:
            return "dial", f"dial tcp {address}: connect: {_GO_ERRNO[number]}"
    return "dial", f"dial tcp {address}: {error}"


def is_refused_connect(error: str) -> bool:
    """Whether it was a forward proxy that said no."""
    return _REFUSED_CONNECT.search(error) is not None


def forward_proxy(error: str, host: str, port: int) -> str:
    """What went wrong with a forward proxy at ``host``: its refusal's reason phrase, or why it could not be dialled."""
    if found := _REFUSED_CONNECT.search(error):
        return found[1]
    if error.startswith(PROXY_CONNECT):
        return error
    if error == "connection closed":
        return f"{PROXY_CONNECT}unexpected EOF"
    return f"{PROXY_CONNECT}{dial(host, port, error)[1]}"


def gave_up(*, dialling: bool, looking_up: str) -> tuple[FailurePhase, str]:
    """Phase and words where the client went away while its connection was being made. ``looking_up``: the name for
    which there was no address yet."""
    what = "net/http: request canceled while waiting for connection" if dialling else "net/http: TLS handshake timeout"
    what += " (the client gave up)"
    if looking_up:
        return "dns", f"lookup {looking_up}: {what}"
    return "dial" if dialling else "tls", what


def tls(error: str, first_bytes: bytes = b"") -> str:
    """What OpenSSL said of a failed handshake, certificates aside. ``first_bytes``: what the peer sent first."""
    if error == TLS_TIMED_OUT:
        return "net/http: TLS handshake timeout"
    if len(first_bytes) >= _RECORD_HEADER_BYTES and not first_bytes.startswith((b"\x15\x03", b"\x16\x03")):
        if first_bytes.startswith(b"HTTP/"):
            return "http: server gave HTTP response to HTTPS client"
        return "tls: first record does not look like a TLS handshake"
    lowered = error.lower()
    if "cannot agree on a tls version" in lowered:
        return "remote error: tls: protocol version not supported"
    if found := _ALERT.search(lowered):
        return f"remote error: tls: {_ALERTS.get(found[1], found[1])}"
    if 0 < len(first_bytes) < _RECORD_HEADER_BYTES:
        return "unexpected EOF"
    if "closed" in lowered or "eof" in lowered:
        return "EOF"
    return error.removeprefix("OpenSSL ")


def not_http(error: str) -> str:
    """What mitmproxy said of an answer that is not HTTP, "" when it said something else."""
    for pattern, what in ((_NO_ANSWER, "malformed HTTP response"), *_BAD_FRAMING):
        if found := pattern.search(error):
            return f'net/http: HTTP/1.x transport connection broken: {what} "{found[1][:80]}"'
    return ""


def certificate(
    chain: Sequence[x509.Certificate],
    name: str,
    now: dt.datetime,
    *,
    roots: Iterable[x509.Certificate] = (),
    wrong_purpose: bool = False,
) -> str:
    """Why a server certificate was not accepted, in the order in which Go looks: leaf's validity, name, trust.

    ``chain`` is what OpenSSL could build, leaf first; ``name`` the host or IP that the leaf had to be for; ``roots``
    the authorities that the kubeconfig names.
    """
    prefix = "tls: failed to verify certificate: x509: "
    if complaint := _validity_complaint(chain[0], now) or _name_complaint(chain[0], name):
        return prefix + complaint
    if wrong_purpose:
        return prefix + "certificate specifies an incompatible key usage"
    return prefix + _trust_complaint(chain, roots, now)


def _validity_complaint(certificate: x509.Certificate, now: dt.datetime) -> str:
    after, before = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if before <= now <= after:
        return ""
    relation = f"is before {before:%Y-%m-%dT%H:%M:%SZ}" if now < before else f"is after {after:%Y-%m-%dT%H:%M:%SZ}"
    return f"certificate has expired or is not yet valid: current time {now:%Y-%m-%dT%H:%M:%SZ} {relation}"


def _trust_complaint(chain: Sequence[x509.Certificate], roots: Iterable[x509.Certificate], now: dt.datetime) -> str:
    """Go says so where an authority has the right name and yet did not sign: that of a cluster that was made anew."""
    unknown = "certificate signed by unknown authority"
    for child, parent in ((c, p) for c in reversed(chain) for p in (*roots, *chain[1:])):
        if parent == child or parent.subject != child.issuer:
            continue
        if reason := _signature_complaint(child, parent):
            return f'{unknown} (possibly because of "{reason}" while trying to verify candidate authority certificate "{_called(parent)}")'  # noqa: E501
        if outside := _validity_complaint(parent, now):
            return outside
    return unknown


def _signature_complaint(child: x509.Certificate, parent: x509.Certificate) -> str:
    """crypto/x509's CheckSignatureFrom, as far as it concerns the key."""
    key = parent.public_key()
    try:
        child.verify_directly_issued_by(parent)
    except InvalidSignature:
        if isinstance(key, rsa.RSAPublicKey):
            return "crypto/rsa: verification error"
        return f"x509: {'Ed25519' if isinstance(key, ed25519.Ed25519PublicKey) else 'ECDSA'} verification failure"
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return ""
    return ""


def _called(certificate: x509.Certificate) -> str:
    for kind in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME):
        if found := certificate.subject.get_attributes_for_oid(kind):
            return str(found[0].value)
    return f"serial:{certificate.serial_number}"


def _name_complaint(leaf: x509.Certificate, name: str) -> str:
    """Go's HostnameError text, "" when the certificate is for ``name``."""
    try:
        sans = leaf.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except (x509.ExtensionNotFound, ValueError):
        sans = x509.SubjectAlternativeName([])
    assert isinstance(sans, x509.SubjectAlternativeName)
    dns, ips = sans.get_values_for_type(x509.DNSName), sans.get_values_for_type(x509.IPAddress)
    common_names = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    if not dns and not ips and common_names and _matches(str(common_names[0].value).lower(), name.lower()):
        return "certificate relies on legacy Common Name field, use SANs instead"
    try:
        ip = ipaddress.ip_address(name)
    except ValueError:
        if any(_matches(pattern.lower(), name.lower()) for pattern in dns):
            return ""
        if not dns:
            return f"certificate is not valid for any names, but wanted to match {name}"
        return f"certificate is valid for {', '.join(dns)}, not {name}"
    if ip in ips:
        return ""
    if not ips:
        return f"cannot validate certificate for {name} because it doesn't contain any IP SANs"
    return f"certificate is valid for {', '.join(map(str, ips))}, not {name}"


def _matches(pattern: str, name: str) -> bool:
    """A DNS name against a certificate's pattern: a star stands for exactly one left-most label."""
    pattern_labels, labels = pattern.rstrip(".").split("."), name.rstrip(".").split(".")
    if len(pattern_labels) != len(labels):
        return False
    return all(p == n or (p == "*" and no == 0) for no, (p, n) in enumerate(zip(pattern_labels, labels, strict=True)))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _resolver() -> str:
    """`` on 10.0.0.53:53``, as Go's own resolver adds it; "" where there is no resolv.conf to read."""
    try:
        for line in Path("/etc/resolv.conf").read_text("utf-8", "replace").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                return f" on {_bracketed(words[1])}:53"
    except OSError:
        pass
    return ""
