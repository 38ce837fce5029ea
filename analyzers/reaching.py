"""How far a request got that found no answer: the one reading of a Failure for all rules about the network."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyzers.facts import Facts

_SILENCE = re.compile(
    r"Client\.Timeout|deadline exceeded|awaiting (?:response )?headers|i/o timeout|request timed out|timeout",
    re.IGNORECASE,
)


def connection_failed(facts: Facts) -> str:
    """The words with which the way to the API server failed; "" when it did not, or mitmkube itself was the cause."""
    failure = facts.exchange.failure
    return "" if failure is None or failure.phase == "mitmkube" else failure.message


def silent(facts: Facts) -> bool:
    """Whether the request was sent and nothing at all came back in time."""
    failure = facts.exchange.failure
    return failure is not None and failure.phase == "request" and bool(_SILENCE.search(failure.message))


def try_port(facts: Facts) -> str:
    """A command that shows whether the port can be reached."""
    host, port = _target(facts)
    return shlex.join(["nc", "-vz", "-w", "5", host, port])


def handshake(facts: Facts) -> str:
    """A command that shows how far the TLS handshake gets."""
    host, port = _target(facts)
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"openssl s_client -connect {shlex.quote(target)} </dev/null"


def _target(facts: Facts) -> tuple[str, str]:
    request = facts.exchange.request
    if not facts.exchange.tunnel:
        return request.host, str(request.port)
    host, _, port = request.path.rpartition(":")
    return host.strip("[]"), port
