"""What an answer is, before any rule asks why: its code, whether an API server gave it, and what it was about."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from analyzers import redact
from analyzers.attributes import thing as named_thing

if TYPE_CHECKING:
    from analyzers.facts import Facts

# The words with which a webhook or an admission policy refuses; it may choose any code from 400 on.
_POLICY = re.compile(
    r'admission webhook "[^"]*" (?:denied the request|does not support dry run)'
    r"|ValidatingAdmissionPolicy '|\bpolicy '.*' with binding '.*' denied request"
)
_HTML = re.compile(r"^\s*(?:<!doctype html|<html\b|<head\b|<\?xml)", re.IGNORECASE)
_LONGEST_BODY = 1 << 18
# Answers to these come from the kubelet or from a workload, headers and all.
_PASSED_ON = frozenset({"proxy", "log", "exec", "attach", "portforward"})


def code(facts: Facts) -> int:
    """The HTTP status, or the code of the ERROR event inside a 200 watch; 0 without an answer from the server."""
    response, failure = facts.exchange.response, facts.exchange.failure
    if response is None or (failure is not None and failure.phase != "response"):
        return 0
    if response.status < 300 and facts.status is not None and facts.status.code >= 400:
        return facts.status.code
    return response.status


def said(facts: Facts) -> str:
    """The Status message, or the body's text where there is no Status."""
    return facts.status.message if facts.status is not None else facts.text.strip()


def reason(facts: Facts) -> str:
    """The Status reason, "" without a Status."""
    return facts.status.reason if facts.status is not None else ""


def from_policy(facts: Facts) -> bool:
    """Whether a webhook or an admission policy chose this answer: then its code and reason mean what they please."""
    return bool(_POLICY.search(said(facts)))


def foreign(facts: Facts) -> bool:
    """Whether something that is no API server answered: no Status, and headers without an Audit-Id.

    False where the headers are not known (a pasted message) and for what the API server passes on from others.
    """
    response, info = facts.exchange.response, facts.request_info
    if response is None or facts.exchange.tunnel or facts.status is not None or facts.audit_id or not response.headers:
        return False
    return not (info is not None and info.subresource in _PASSED_ON)


def html(facts: Facts) -> bool:
    """Whether the body is a page for a browser."""
    response = facts.exchange.response
    if response is None:
        return False
    return response.headers.get("Content-Type").lower().startswith("text/html") or bool(_HTML.match(facts.text))


def trusted_tls(facts: Facts) -> bool:
    """Whether the peer had shown a certificate that was checked, as far as known: a pasted log does not say."""
    connection = facts.exchange.connection
    return facts.exchange.request.scheme == "https" and (connection is None or connection.verified is not False)


def who(facts: Facts) -> str:
    """The user, to begin a sentence with."""
    return facts.user or "The user"


def thing(facts: Facts) -> str:
    """What the request was about: ``pod web in namespace prod``, ``deployments in all namespaces``, ``/readyz``."""
    info = facts.request_info
    if info is None:
        return redact.path(facts.exchange.request.path)
    if not info.is_resource_request:
        return info.path
    return named_thing(info.api_group, info.resource, info.name or _posted_name(facts), info.namespace)


def server(facts: Facts) -> str:
    """The address that was asked: the API server's, also where a tunnel to it was asked for."""
    request = facts.exchange.request
    return request.path if facts.exchange.tunnel else request.authority


def typed(facts: Facts) -> str:
    """RESOURCE[.GROUP], as kubectl takes it; "" for what is no resource."""
    info = facts.request_info
    if info is None or not info.is_resource_request:
        return ""
    return f"{info.resource}.{info.api_group}" if info.api_group else info.resource


def scope(facts: Facts) -> str:
    """`` -n prod`` for a request in a namespace, "" otherwise."""
    info = facts.request_info
    if info is None or not info.namespace or info.resource == "namespaces":
        return ""
    return f" -n {info.namespace}"


def _posted_name(facts: Facts) -> str:
    """The name of an object that is created stands in the answer or in the body, not in the URL."""
    status, info = facts.status, facts.request_info
    if info is None or info.verb != "create" or info.subresource:
        return ""
    if status is not None and status.name and status.name != "Unknown":
        return status.name
    body = facts.exchange.request.body
    if not body or len(body) > _LONGEST_BODY:
        return ""
    try:
        name = json.loads(body)["metadata"]["name"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return name if isinstance(name, str) and len(name) <= 253 else ""
