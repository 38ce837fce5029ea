"""What an answer is, before any rule asks why: its code, whether an API server gave it, and what it was about."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import redact
from analyzers.attributes import thing as named_thing
from analyzers.attributes import unquote
from analyzers.decode import document, protobuf, protobuf_object, untrusted
from analyzers.subject import Subject

if TYPE_CHECKING:
    from analyzers.facts import Facts

# The words with which a webhook or an admission policy refuses; it may choose any code from 400 on.
_POLICY = re.compile(
    r'admission webhook "[^"]*" (?:denied the request|does not support dry run)'
    r"|ValidatingAdmissionPolicy '|\bpolicy '[^']*' with binding '[^']*' denied request"
)
_HTML = re.compile(r"^\s*(?:<!doctype html|<html\b|<head\b|<\?xml)", re.IGNORECASE)
_LONGEST_BODY = 1 << 18
# What client-go says of a body that is no Status, with the body inside.
_WRAPPED = re.compile(
    r'^(?:error when [^:\n]*: )?an error on the server \((?P<body>"(?:[^"\\]|\\.)*")\)'
    r" has prevented the request from succeeding",
    re.DOTALL,
)
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
    """The Status message, or the body's text where there is no Status: also where client-go made a message of it."""
    text = facts.status.message if facts.status is not None else facts.text.strip()
    wrapped = _WRAPPED.search(text)
    return unquote(wrapped["body"]).strip() if wrapped is not None else text


def told(facts: Facts) -> str:
    """What the client printed where it failed by itself, else what the server said."""
    failure = facts.exchange.failure
    return failure.message if failure is not None and failure.phase == "client" else said(facts)


def failed(facts: Facts) -> bool:
    """Whether the server answered with an error, or the client failed by itself."""
    failure = facts.exchange.failure
    return code(facts) >= 400 or (failure is not None and failure.phase == "client")


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
    return response.headers.get("Content-Type").lower().startswith("text/html") or bool(_HTML.match(said(facts)))


def trusted_tls(facts: Facts) -> bool:
    """Whether the peer had shown a certificate that was checked, as far as known: a pasted log does not say."""
    connection = facts.exchange.connection
    return facts.exchange.request.scheme == "https" and (connection is None or connection.verified is not False)


def who(facts: Facts) -> str:
    """The user, to begin a sentence with."""
    return facts.user or "The user"


def thing(facts: Facts) -> str:
    """What the request was about: ``pod web in namespace prod``, ``deployments in all namespaces``, ``/readyz``.

    Where only the answer is known, what that names; "the object" where it names nothing.
    """
    info = facts.request_info
    if info is None:
        about = subject(facts)
        path = facts.exchange.request.path
        return about.thing if about is not None else redact.path(path) if facts.exchange.request.known else "the object"
    if not info.is_resource_request:
        return info.path
    return named_thing(info.api_group, info.resource, info.name or _posted_name(facts), info.namespace)


def subject(facts: Facts) -> Subject | None:
    """What the answer itself says that it is about; None where it does not."""
    return None if facts.exchange.tunnel else Subject.of(facts.status, said(facts))


def name(facts: Facts) -> str:
    """The object's name, "" for a list and where neither request nor answer names one."""
    info = facts.request_info
    if info is not None:
        return info.name or _posted_name(facts)
    about = subject(facts)
    return about.name if about is not None else ""


def namespace(facts: Facts) -> str:
    """The namespace, "" for what lies in none and where it is not known."""
    info = facts.request_info
    if info is not None:
        return info.namespace
    about = subject(facts)
    return about.namespace if about is not None else ""


def api_server(facts: Facts) -> str:
    """``the API server at 10.0.0.1:443``, or without the address where that is not known."""
    return f"the API server at {address}" if (address := server(facts)) else "the API server"


def server(facts: Facts) -> str:
    """The address that was asked: the API server's, also where a tunnel to it was asked for."""
    request = facts.exchange.request
    return request.path if facts.exchange.tunnel else request.authority


def typed(facts: Facts) -> str:
    """RESOURCE[.GROUP], as kubectl takes it; "" for what is no resource."""
    info = facts.request_info
    if info is None and (about := subject(facts)) is not None:
        return about.typed
    if info is None or not info.is_resource_request:
        return ""
    return f"{info.resource}.{info.api_group}" if info.api_group else info.resource


def lookup(facts: Facts, *options: str) -> str:
    """``kubectl get`` of the object, with TYPE and NAME where the answer does not say them."""
    what = [typed(facts) or "TYPE", name(facts) or "NAME"]
    return shlex.join(["kubectl", "get", *what, *scope(facts).split(), *options])


def scope(facts: Facts) -> str:
    """`` -n prod`` for a request in a namespace, "" otherwise."""
    info, about = facts.request_info, namespace(facts)
    if not about or (info is not None and info.resource == "namespaces"):
        return ""
    return f" -n {about}"


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
    sent = protobuf_object.decode(body) if body.startswith(protobuf.MAGIC) else document.decode(body)
    name = untrusted.mapping(untrusted.mapping(sent).get("metadata")).get("name")
    return untrusted.name(name) if isinstance(name, str) and len(name) <= 253 else ""
