"""How far a request got that found no answer: the one reading of a Failure for all rules about the network.

A printed message often is all there is. Then the address stands in its words, or nowhere: every sentence and command
made here reads well either way.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer

if TYPE_CHECKING:
    from analyzers.facts import Facts

_SILENCE = re.compile(
    r"Client\.Timeout|deadline exceeded|awaiting (?:response )?headers|i/o timeout|(?:request|read|operation) timed out"
    r"|timeout",
    re.IGNORECASE,
)
_NOT_SENT = re.compile(r"while waiting for connection", re.IGNORECASE)
# The peer was not the API server.
_PROXY = re.compile(
    r"proxyconnect tcp|socks connect|Proxy Authentication Required|ProxyError|proxy after CONNECT|CONNECT tunnel failed"
    r"|tunnel(?:ing socket|.{0,20} through proxy)|proxy: unknown scheme|Tunnel connection failed|resolve proxy"
)
# Not on the way to the API server: said by a server of its clients (mostly probes of the port), behind the API server,
# or by the client of its own waiting.
_ELSEWHERE = re.compile(
    r"TLS handshake error from|\bdial unix |an error occurred forwarding|error forwarding port|client rate limiter|"
    r"rate: Wait\(n=|[Ff]ailed to renew lease"
    r"|(?:INSTALLATION|UPGRADE|ROLLBACK) FAILED: (?:[\w -]+: )?context deadline exceeded"
)
_EARLIER = re.compile(r" - error from a previous attempt: .*", re.DOTALL)
_HOST = r"(?:\[[0-9a-fA-F:.%\w]+\]|[\w.-]+)"
_ADDRESSES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\bdial (?:tcp|udp)[46]? (?P<at>{_HOST}:\d+)",
        rf"The connection to the server (?P<at>{_HOST}(?::\d+)?) was refused",
        rf"\b(?:read|write) tcp \S+->(?P<at>{_HOST}:\d+)",
        rf"\blookup (?P<at>{_HOST})(?: on \S+)?: ",
        r"\bhost='(?P<at>[^']+)', port=(?P<port>\d+)",
        rf"[Ff]ailed to connect to (?:[\w.-]+/)?/?(?P<at>{_HOST}) port (?P<port>\d+)",
        rf"[Ff]ailed to connect to (?:[\w.-]+/)?/?(?P<at>{_HOST}:\d+)",
        rf"\bconnect (?:ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH) (?P<at>{_HOST}:\d+)",
        rf"\bgetaddrinfo (?:ENOTFOUND|EAI_AGAIN) (?P<at>{_HOST})",
        rf"Could not resolve host: (?P<at>{_HOST})",
        rf"UnknownHostException: (?P<at>{_HOST})",
        rf"\bhttps?://(?:[^\s/@\"]*@)?(?P<at>{_HOST}(?::\d+)?)",
    )
)


def connection_failed(facts: Facts) -> str:
    """The words with which the way to the API server failed, the last attempt's; "" when it did not.

    "" also where it was mitmkube, the client itself, a forward proxy or something behind the API server: those have
    rules of their own.
    """
    failure = facts.exchange.failure
    if failure is None or failure.phase in ("mitmkube", "client", "proxy"):
        return ""
    if before_proxy(facts) or _ELSEWHERE.search(failure.message):
        return ""
    return _EARLIER.sub("", failure.message)


def before_proxy(facts: Facts) -> bool:
    """Whether it was a forward proxy that could not be reached or said no."""
    failure = facts.exchange.failure
    if failure is None or failure.phase == "mitmkube":
        return False
    return failure.phase == "proxy" or bool(_PROXY.search(failure.message))


def silent(facts: Facts) -> bool:
    """Whether the request was sent and nothing at all came back in time."""
    failure, problem = facts.exchange.failure, connection_failed(facts)
    return failure is not None and failure.phase == "request" and bool(_SILENCE.search(problem)) and not waited(facts)


def waited(facts: Facts) -> bool:
    """Whether the time ran out before there was a connection: Go says so where it knows."""
    return bool(_NOT_SENT.search(connection_failed(facts)))


def address(facts: Facts) -> str:
    """``host:port``, or only the host, of the server that was asked: as requested, else as the message names it; ""."""
    if known := answer.server(facts):
        return known
    failure = facts.exchange.failure
    if failure is None:
        return ""
    for pattern in _ADDRESSES:
        if found := pattern.search(failure.message):
            port = found.groupdict().get("port")
            return f"{found['at']}:{port}" if port else found["at"]
    return ""


def server(facts: Facts) -> str:
    """The address, or words for it inside a sentence."""
    return address(facts) or "the API server"


def server_first(facts: Facts) -> str:
    """The address, or words for it to begin a sentence with."""
    return address(facts) or "The API server"


def place(facts: Facts) -> str:
    """Where a connection was tried, behind ``at``."""
    return address(facts) or "the API server's address"


def host(facts: Facts) -> str:
    """The server's name or IP address without its port, "" where nothing says it."""
    return _target(facts)[0]


def try_port(facts: Facts) -> str:
    """A command that shows whether the port can be reached."""
    name, port = _target(facts)
    return shlex.join(["nc", "-vz", "-w", "5", name or "HOST", port or "PORT"])


def handshake(facts: Facts) -> str:
    """A command that shows how far the TLS handshake gets."""
    return f"openssl s_client -connect {_shown(facts)} </dev/null"


def certificate_of(facts: Facts, wanted: str) -> str:
    """A command that shows the certificate from here; ``wanted``: options of openssl x509."""
    return f"openssl s_client -connect {_shown(facts)} </dev/null 2>/dev/null | openssl x509 -noout {wanted}"


def _shown(facts: Facts) -> str:
    name, port = _target(facts)
    name = f"[{name}]" if ":" in name else name
    return shlex.quote(f"{name or 'HOST'}:{port or 'PORT'}")


def _target(facts: Facts) -> tuple[str, str]:
    """Host and port; "" for what is not known."""
    request = facts.exchange.request
    if not facts.exchange.tunnel and request.host:
        return request.host, str(request.port)
    at = address(facts)
    name, colon, port = at.rpartition(":")
    if not colon or not port.isdigit():
        name, port = at, ""
    return name.strip("[]"), port
