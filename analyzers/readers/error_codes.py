"""What a browser or a proxy wrote down where no answer came, in the words that client-go would have used.

Chrome's are net/base/net_error_list.h, Firefox's xpcom/base/ErrorList.py and those of NSS, Node's those of libuv;
mitmproxy's stand in mitmproxy/proxy/layers and in what asyncio and OpenSSL say.
"""

from __future__ import annotations

import re

from analyzers.exchange import Failure, FailurePhase
from analyzers.readers import client_words

# Whoever asked wanted no answer any more.
_GAVE_UP = re.compile(
    r"ERR_ABORTED|NS_BINDING_ABORTED|NS_ERROR_ABORT\b|^Client disconnected\.?$|^Connection killed\.?$"
    r"|^(?:cancell?ed|aborted)$|^Load request cancelled$",
    re.IGNORECASE,
)
_NO_SUCH_HOST = "dial tcp: lookup {host}: no such host"
_RESOLVER = "dial tcp: lookup {host}: server misbehaving"
_REFUSED = "dial tcp {address}: connect: connection refused"
_TIMEOUT = "dial tcp {address}: i/o timeout"
_NO_ROUTE = "dial tcp {address}: connect: no route to host"
_NO_NETWORK = "dial tcp {address}: connect: network is unreachable"
_RESET = "read tcp {address}: read: connection reset by peer"
_CERTIFICATE = "tls: failed to verify certificate: x509: "
_UNTRUSTED = f"{_CERTIFICATE}certificate signed by unknown authority"
_DATE = f"{_CERTIFICATE}certificate has expired or is not yet valid"
_NAME = f"{_CERTIFICATE}certificate is not valid for any names, but wanted to match {{host}}"
_NOT_TLS = "tls: first record does not look like a TLS handshake"
_LOGIN = "Proxy Authentication Required"

# The first that matches counts.
_WORDS: tuple[tuple[str, FailurePhase, str], ...] = (
    # A proxy on the way.
    (r"ERR_PROXY_AUTH|ERR_PROXY_CONNECTION_AUTH|NS_ERROR_PROXY_AUTHENTICATION_FAILED", "proxy", _LOGIN),
    (r"refused HTTP CONNECT request: 407", "proxy", _LOGIN),
    (r"refused HTTP CONNECT request: \d+ (?P<said>.+)", "proxy", "{said}"),
    (r"ERR_TUNNEL_CONNECTION_FAILED", "proxy", "the proxy opened no tunnel"),
    (r"ERR_PROXY_CONNECTION_FAILED|ERR_PROXY_CERTIFICATE_INVALID|NS_ERROR_PROXY_CONNECTION_REFUSED|NS_ERROR_UNKNOWN_PROXY_HOST"
     r"|NS_ERROR_PROXY_\w+|ERR_MANDATORY_PROXY_CONFIGURATION_FAILED", "proxy", "proxyconnect tcp: {code}"),
    (r"ERR_SOCKS_CONNECTION_(?:HOST_UNREACHABLE|FAILED)", "proxy", "socks connect tcp {address}: {code}"),
    # Names.
    (r"ERR_NAME_NOT_RESOLVED|NS_ERROR_UNKNOWN_HOST|ENOTFOUND|Name or service not known|nodename nor servname"
     r"|No address associated with hostname|getaddrinfo failed|Errno 11001"
     r"|server with the specified hostname could not be found",
     "dns", _NO_SUCH_HOST),
    (r"ERR_NAME_RESOLUTION_FAILED|ERR_DNS_\w+|EAI_AGAIN|[Tt]emporary failure in name resolution", "dns", _RESOLVER),
    # Connections that were not made.
    (r"ERR_CONNECTION_REFUSED|NS_ERROR_CONNECTION_REFUSED|ECONNREFUSED|Errno (?:111|61|10061)\]"
     r"|WinError (?:1225|10061)\]|Could not connect to the server", "dial", _REFUSED),
    (r"ERR_CONNECTION_TIMED_OUT|ERR_TIMED_OUT|NS_ERROR_NET_TIMEOUT|ETIMEDOUT|Errno (?:110|60|10060)\]"
     r"|WinError (?:121|10060)\]|The request timed out", "dial", _TIMEOUT),
    (r"ERR_ADDRESS_UNREACHABLE|EHOSTUNREACH|Errno (?:113|65|10065)\]", "dial", _NO_ROUTE),
    (r"ERR_INTERNET_DISCONNECTED|NS_ERROR_OFFLINE|ENETUNREACH|Errno (?:101|51|10051)\]"
     r"|Internet connection appears to be offline", "dial", _NO_NETWORK),
    (r"ERR_NETWORK_ACCESS_DENIED", "dial", "dial tcp {address}: connect: permission denied"),
    (r"ERR_CONNECTION_FAILED", "dial", "dial tcp {address}: {code}"),
    # The server's certificate.
    (r"ERR_CERT_AUTHORITY_INVALID|SEC_ERROR_(?:UNKNOWN|UNTRUSTED)_ISSUER|SEC_ERROR_CA_CERT_INVALID|ERROR_SELF_SIGNED_CERT"
     r"|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT|SELF_SIGNED_CERT", "tls", _UNTRUSTED),
    (r"Certificate verify failed: (?P<said>(?:self.signed|unable to get|unable to verify).*)", "tls",
     f"{_UNTRUSTED} ({{said}})"),
    (r"ERR_CERT_DATE_INVALID|SEC_ERROR_EXPIRED_(?:ISSUER_)?CERTIFICATE|ERROR_NOT_YET_VALID\w*|CERT_HAS_EXPIRED"
     r"|Certificate verify failed: certificate has expired", "tls", _DATE),
    (r"Certificate verify failed: certificate is not yet valid|CERT_NOT_YET_VALID", "tls",
     f"{_CERTIFICATE}certificate is not yet valid"),
    (r"ERR_CERT_COMMON_NAME_INVALID|SSL_ERROR_BAD_CERT_DOMAIN|ERR_TLS_CERT_ALTNAME_INVALID"
     r"|Certificate verify failed: (?:hostname|IP address) mismatch", "tls", _NAME),
    (r"Certificate verify failed: (?P<said>.+)", "tls", f"{_CERTIFICATE}{{said}}"),
    (r"ERR_CERT_\w+|SEC_ERROR_\w+|MOZILLA_PKIX_ERROR_\w+", "tls", f"{_CERTIFICATE}{{code}}"),
    # The client's certificate, and TLS itself.
    (r"ERR_SSL_CLIENT_AUTH_CERT_NEEDED|certificate required", "tls", "remote error: tls: certificate required"),
    (r"ERR_BAD_SSL_CLIENT_AUTH_CERT|alert bad certificate|SSL_ERROR_BAD_CERT_ALERT", "tls",
     "remote error: tls: bad certificate"),
    (r"alert unknown ca", "tls", "remote error: tls: unknown certificate authority"),
    (r"The remote server does not speak TLS|wrong version number|WRONG_VERSION_NUMBER|SSL_ERROR_RX_RECORD_TOO_LONG",
     "tls", _NOT_TLS),
    (r"ERR_SSL_VERSION_OR_CIPHER_MISMATCH|SSL_ERROR_UNSUPPORTED_VERSION|cannot agree on a TLS version", "tls",
     "remote error: tls: protocol version not supported"),
    (r"ERR_SSL_\w+|SSL_ERROR_\w+|NS_ERROR_NET_INADEQUATE_SECURITY|EPROTO\b", "tls", "tls: {code}"),
    (r"OpenSSL Error\((?P<said>.*)\)", "tls", "tls: {said}"),
    # Connections that were lost.
    (r"ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONTENT_LENGTH_MISMATCH|NS_ERROR_NET_(?:PARTIAL_TRANSFER|INTERRUPT)"
     r"|peer closed connection without sending complete message body|^HTTP/1 protocol error"
     r"|^unexpected server response", "response", "unexpected EOF"),
    (r"ERR_CONNECTION_RESET|NS_ERROR_NET_RESET|ECONNRESET|PR_CONNECT_RESET_ERROR|Errno (?:104|54|10054)\]",
     "request", _RESET),
    (r"ERR_CONNECTION_CLOSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_ABORTED|ERR_SOCKET_NOT_CONNECTED|PR_END_OF_FILE_ERROR"
     r"|NS_ERROR_NET_EMPTY_RESPONSE|^server closed connection|^peer closed connection|^Server disconnected"
     r"|socket hang up|The network connection was lost", "request", "EOF"),
    (r"Cannot parse HTTP response: .{0,300}?: b['\"](?P<said>.*)['\"]$", "request",
     'net/http: HTTP/1.x transport connection broken: malformed HTTP response "{said}"'),
    # The browser alone: an extension, a policy, a rule about origins.
    (r"ERR_FAILED|ERR_BLOCKED_\w+|NS_ERROR_(?:FAILURE|DOM_BAD_URI|CONTENT_BLOCKED|BLOCKED_\w+)", "client", "{code}"),
)  # fmt: skip
_TABLE = tuple((re.compile(pattern), phase, message) for pattern, phase, message in _WORDS)
_LONGEST = 2048


def failure(said: str, host: str, port: int, *, answered: bool) -> Failure | None:
    """The failure that ``said`` tells of, on the way to ``host``; None where whoever asked gave up by itself.

    ``answered``: an answer was begun. Then only what can happen to an answer counts as its failure.
    """
    said = said.strip()[:_LONGEST]
    if not said or _GAVE_UP.search(said):
        return None
    phase, message = _read(said, host, port)
    if not answered:
        return Failure(phase="request" if phase == "response" else phase, message=message)
    if phase == "client":
        return None
    return Failure(phase="response", message="unexpected EOF" if message == "EOF" else message)


def _read(said: str, host: str, port: int) -> tuple[FailurePhase, str]:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    for pattern, phase, message in _TABLE:
        if (found := pattern.search(said)) is not None:
            if not host and ("{host}" in message or "{address}" in message):
                return phase, said
            return phase, message.format(
                host=host, address=address, code=said, said=found.groupdict().get("said") or ""
            )
    return client_words.phase_of(said) or "request", said
