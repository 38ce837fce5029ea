"""Where a fact stands on the wire: the evidence that several rules show in the same words."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from analyzers import clocks, redact
from analyzers.finding import Evidence

if TYPE_CHECKING:
    from analyzers.decode.certificate import Certificate
    from analyzers.facts import Facts

_LONGEST = 600
# Of a page that was pasted only its type is known.
_SEEN = 2
_MOST_GROUPS = 4
# Refusals quote what was sent; a long value may be a whole object, and that a Secret.
_QUOTED_VALUE = re.compile(r'Invalid value: "(?:[^"\\]|\\.)*"?')
_LONGEST_VALUE = 80
_LEGS = {
    "client": "printed by the client",
    "proxy": "forward proxy on the way to {}",
    "dns": "name lookup for {}",
    "dial": "TCP connection to {}",
    "tls": "TLS handshake with {}",
    "request": "connection to {}, before any answer",
    "response": "connection to {}, after the answer had begun",
    "mitmkube": "mitmkube, before {} was asked",
}


def answer(facts: Facts) -> Evidence:
    """``GET /api/v1/pods → 403 Forbidden``; what was not seen of it is left out."""
    request, response = facts.exchange.request, facts.exchange.response
    asked = f"{request.method} {redact.path(request.path)}" if request.known else ""
    if response is None:
        return Evidence(asked, "request")
    status = f"{response.status} {response.reason or _reason(facts)}".strip()
    if not asked:
        return Evidence(status, "status")
    where = "CONNECT" if facts.exchange.tunnel else "response status"
    return Evidence(f"{asked} → {status}", where)


def asked(facts: Facts) -> tuple[Evidence, ...]:
    """The request that found no answer, where it is known."""
    return (answer(facts),) if facts.exchange.request.known else ()


def _reason(facts: Facts) -> str:
    """A pasted message has no reason phrase, but often the Status's reason."""
    return facts.status.reason if facts.status is not None and not facts.exchange.request.known else ""


def message(facts: Facts) -> Evidence:
    """The Status message, or the body's text where there is no Status."""
    if facts.status is None:
        return Evidence(_shortened(facts.text), "response body")
    return Evidence(_shortened(without_values(facts, facts.status.message)), message_place(facts))


def without_values(facts: Facts, text: str) -> str:
    """``text`` without the values that it quotes from the request, where they are long or from a Secret."""
    info = facts.request_info
    if info is not None and info.resource.endswith("secrets"):
        return redact.without_quoted_values(text)

    def shown(found: re.Match[str]) -> str:
        return found[0] if len(found[0]) <= _LONGEST_VALUE else "Invalid value: (left out)"

    return _QUOTED_VALUE.sub(shown, text)


def message_place(facts: Facts) -> str:
    """Where the Status stands: a watch fails inside a 200, an exec inside a 101."""
    response = facts.exchange.response
    if not facts.exchange.request.known:
        return "message"
    if response is not None and response.status == 101:
        return "error channel of the upgraded connection"
    if response is not None and response.status < 300:
        return "ERROR event in the watch stream"
    return "response body, message"


def refused(facts: Facts) -> tuple[Evidence, ...]:
    """The answer and its message: enough for most refusals. What a client that failed by itself said, else."""
    problem = facts.exchange.failure
    if problem is not None and problem.phase == "client":
        return (Evidence(_shortened(problem.message), "printed by the client"),)
    return answer(facts), message(facts)


def own_words(facts: Facts) -> tuple[Evidence, ...]:
    """What the client printed, whatever it looks like."""
    problem = facts.exchange.failure
    return (Evidence(_shortened(problem.message), "printed by the client"),) if problem is not None else ()


def failure(facts: Facts) -> Evidence:
    """What the connection failed with, in Go's words, and how far it had got."""
    problem = facts.exchange.failure
    assert problem is not None
    request = facts.exchange.request
    target = (request.path if facts.exchange.tunnel else request.authority) or "the API server"
    return Evidence(_shortened(problem.message), _LEGS.get(problem.phase, "connection to {}").format(target))


def client_certificate(certificate: Certificate) -> Evidence:
    """Whom the client certificate names, who signed it and until when it is valid."""
    names = [f"CN={certificate.subject_cn}", *(f"O={organization}" for organization in certificate.organizations)]
    if certificate.uid:
        names.append(f"UID={certificate.uid}")
    return Evidence(
        f"{', '.join(names)}, signed by {certificate.issuer_cn or 'an unnamed CA'}, "
        f"valid {day(certificate.not_before)} to {day(certificate.not_after)}",
        "client certificate",
    )


def credential(facts: Facts) -> Evidence | None:
    """What the Authorization header claimed, without its value."""
    found = facts.credential
    if found is None:
        return None
    kind = {
        "service-account-token": "service account token",
        "jwt": "JSON Web Token",
        "eks-token": "EKS token",
        "opaque-token": "token that says nothing about itself",
        "basic": "user name and password (Basic)",
    }.get(found.kind, "credential of another scheme")
    if found.kind == "opaque-token" and found.issuer:
        kind = f"token of {found.issuer} that says nothing else about itself"
    parts = [kind]
    if found.subject:
        parts[0] += f" of {found.subject}"
    if found.username and found.username != found.subject:
        parts[0] += f" ({found.username})"
    if found.groups:
        more = f" and {len(found.groups) - _MOST_GROUPS} more" if len(found.groups) > _MOST_GROUPS else ""
        parts.append(f"in {_plural(len(found.groups), 'group')} {', '.join(found.groups[:_MOST_GROUPS])}{more}")
    if found.pod:
        parts.append(f"made for pod {found.pod}")
    if found.audiences and found.audiences != (found.issuer,):
        parts.append(f"for {', '.join(found.audiences)}")
    if found.issuer and found.kind != "opaque-token":
        parts.append(f"issued by {found.issuer}")
    if found.expires is not None:
        parts.append(f"expires {moment(found.expires)}")
    elif found.kind == "service-account-token":
        parts.append("without an end")
    return Evidence(", ".join(parts), "request header Authorization")


def impersonation(facts: Facts) -> tuple[Evidence, ...]:
    """Whom the request wants to act as, if anybody."""
    found = facts.impersonation
    if found is None:
        return ()
    said = [f"acts as {found.user or 'nobody in particular'}"]
    if found.uid:
        said.append(f"UID {found.uid}")
    if found.groups:
        said.append(f"{_plural(len(found.groups), 'group')} {', '.join(found.groups[:_MOST_GROUPS])}")
    return (Evidence(", ".join(said), f"request header Impersonate-{'User' if found.user else 'Group'}"),)


def identity(facts: Facts) -> tuple[Evidence, ...]:
    """Every credential that the request carried, a certificate first, and whom it wants to act as."""
    certificate, token = facts.client_certificate, credential(facts)
    found = [client_certificate(certificate)] if certificate is not None else []
    return (*found, *([token] if token else []), *impersonation(facts))


def _plural(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"


def response_header(facts: Facts, name: str) -> tuple[Evidence, ...]:
    """A response header where there is one."""
    response = facts.exchange.response
    value = response.headers.get(name) if response is not None else ""
    return (Evidence(f"{name}: {value}", "response header"),) if value else ()


def no_audit_id(facts: Facts) -> tuple[Evidence, ...]:
    """Every answer of an API server carries one; nothing is said of headers that were not seen."""
    response = facts.exchange.response
    if response is None or len(response.headers) < _SEEN or facts.audit_id:
        return ()
    return (Evidence("no Audit-Id, which every answer of an API server carries", "response headers"),)


def server_time(facts: Facts) -> float | None:
    """The server's clock from its Date header, else the time the request started; Unix seconds, None when unknown."""
    return clocks.server_date(facts.exchange) or facts.exchange.timing.started or None


def day(seconds: float) -> str:
    """``2026-01-31``."""
    return _utc(seconds, "%Y-%m-%d")


def moment(seconds: float) -> str:
    """``2026-01-31 12:00:00 UTC``."""
    return _utc(seconds, "%Y-%m-%d %H:%M:%S UTC")


def _utc(seconds: float, layout: str) -> str:
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime(layout)
    except (OverflowError, ValueError, OSError):
        return "at a time that no calendar has"


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[:_LONGEST].rstrip() + " …"
