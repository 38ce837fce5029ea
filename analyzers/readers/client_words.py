"""What a client prints when no answer came: how far it got, and with which words it failed.

Go's words first, since kubectl, helm, terraform and every controller are Go; then those of Python, Java, Node and curl.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from analyzers.exchange import FailurePhase

# Each with how far the client had got. The first that matches counts: what wraps another's words stands before it.
_SAID: tuple[tuple[FailurePhase, tuple[str, ...]], ...] = (
    ("mitmkube", (r"\bmitmkube: \S+ is no server of the kubeconfig", r"whose key no user of the kubeconfig has")),
    ("client", (
        r"getting credentials: |exec: executable|ExecCredential|oauth2: |no auth provider|client-go credential plugin",
        r"exec plugin(?:: | didn't| cannot| is (?:configured|not)|.{0,40}(?:fail|error|returned))",
        r"(?:auth provider|credential plugin)\b.{0,60}(?:not |removed|fail|error|denied)",
        r"unable to load in-cluster config|invalid configuration: |error loading config file",
        r"tls: (?:private key |failed to find |failed to parse private key|found a certificate rather than)",
    )),
    ("proxy", (
        r"^(?:Bad Gateway|Service Unavailable|Gateway Time-?out|Forbidden|Method Not Allowed|Not Found)\s*$",
        r"proxyconnect |Proxy Authentication Required|ProxyError",
        r"(?:\bCONNECT\b|tunnel).{0,40}\b(?:40[37]|50[234])\b",
    )),
    ("response", (
        r"(?:unexpected|stream) error when reading response body",
        r"unable to decode an event from the watch stream",
    )),
    ("tls", (
        r"TLS handshake(?: timeout\b| timed out| error| fail|:)|(?:error|fail|clos|reset).{0,40}TLS handshake",
        r"x509: |\btls: |gave HTTP response to HTTPS client|wrong[_ ]version[_ ]number|ERR_TLS",
        r"certificate (?:verify failed|has expired|is not trusted|signed by|is valid for)|CERTIFICATE_VERIFY_FAILED",
        r"SSL(?:Error|Exception|_ERROR| routines| certificate| message|: )|secure TLS connection|PKIX path",
        r"SSLHandshake|self[- ]signed certificate|invalid peer certificate|remote certificate is invalid",
        r"unable to (?:verify the first|get local issuer) certificate",
    )),
    ("dns", (
        r"\blookup \S.{0,500}?(?:no such host|server misbehaving|i/o timeout|connection refused|timeout)|no such host",
        r"(?:failure in|failed) name resolution|name resolution (?:fail|error|timed)|NameResolutionError|gaierror",
        r"getaddrinfo.{0,20}(?:fail|error|(?-i:E[A-Z]{3})| for )|ENOTFOUND|EAI_AGAIN|Could not resolve host",
        r"UnknownHostException|Name or service not known|nodename nor servname",
    )),
    ("dial", (
        r"\bdial (?:tcp|udp|unix)\b|connection refused|ECONNREFUSED|actively refused|no route to host",
        r"network is unreachable|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|was refused - did you specify",
        r"Failed to connect to \S+ port|ConnectTimeout|connect timed out|Connection timed out|client error \(Connect\)",
    )),
    ("request", (
        r"Client\.Timeout|context deadline exceeded|timeout awaiting response headers|i/o timeout|Read timed out",
        r"http2: |(?:sent|received|got) GOAWAY|GOAWAY received|connection reset|ECONNRESET|(?:^|[:\]] ?)broken pipe",
        r"(?:^|[:=] ?\"?|\bunexpected )EOF\b(?! while looking for)|use of closed network connection",
        r"server closed idle connection|transport connection broken|malformed HTTP|socket hang up",
        r"RemoteDisconnected|Empty reply from server|Error writing to server|lost connection to",
        r"Unexpected end of file from server|stream error: |request canceled",
    )),
)  # fmt: skip
_CONFIGURATION = re.compile(
    r"error loading config file|getting (?:credentials|token): |failed to refresh token: |oauth2: "
    r"|unable to load in-cluster config|requesting uid, groups or user-extra|access token command"
)
PATTERNS = tuple(pattern for _, patterns in _SAID for pattern in patterns)
"""Regular expressions of what clients say."""
_PHASES = tuple((phase, re.compile("|".join(patterns), re.IGNORECASE)) for phase, patterns in _SAID)
URL = re.compile(
    r"\b(?P<method>Get|Post|Put|Patch|Delete|Head|Options|GET|POST|PUT|PATCH|DELETE|HEAD) \"?"
    r"(?P<url>https?://[^\s\"]+?)\"?: (?P<inner>.+)",
    re.DOTALL,
)
_WITHOUT_SCHEME = re.compile(r"The connection to the server (?P<host>\S+) was refused")


@dataclass(frozen=True, slots=True)
class Lost:
    """A request without an answer. ``method`` and ``url`` are "" where they were not printed."""

    phase: FailurePhase
    message: str
    method: str = ""
    url: str = ""


def recognise(text: str) -> Lost | None:
    """The failure printed in ``text``; None where no words of one stand in it. The innermost request counts."""
    if found := URL.search(text):
        inner = found["inner"].strip()
        while (deeper := URL.search(inner)) is not None:
            found, inner = deeper, deeper["inner"].strip()
        # What no connection says was said by the client itself, before it sent anything.
        return Lost(phase_of(inner) or "client", inner, found["method"].upper(), found["url"])
    if found := _WITHOUT_SCHEME.search(text):
        return Lost("dial", found[0])
    phase = phase_of(text)
    if phase is None:
        return None
    return Lost(phase, text.strip())


def before_asking(text: str) -> bool:
    """Whether the client says that it gave up over its own configuration, whatever else the message quotes."""
    return _CONFIGURATION.search(text) is not None


def phase_of(message: str) -> FailurePhase | None:
    """How far a client got that failed with ``message``; None for words that are not of a connection."""
    return next((phase for phase, pattern in _PHASES if pattern.search(message)), None)
