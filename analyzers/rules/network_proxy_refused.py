"""A forward proxy did not open the way to the API server.

What you see
    Unable to connect to the server: Forbidden
    Unable to connect to the server: Proxy Authentication Required
    Unable to connect to the server: proxyconnect tcp: dial tcp 10.0.0.8:3128: connect: connection refused

Why it happens
    HTTPS_PROXY or the kubeconfig's proxy-url names a forward proxy, which asks for a login, forbids this address
    or port, cannot reach it, or is not there.

What to do
    Take the cluster out of the proxy's way (NO_PROXY), correct or remove proxy-url, or have the address allowed.

References
    - https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#proxy
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import before_proxy

if TYPE_CHECKING:
    from analyzers.facts import Facts

_UNREACHED = re.compile(
    r"proxyconnect tcp|socks connect|Cannot connect to proxy|Unable to connect to proxy|resolve proxy"
)
_SAID = re.compile(
    r"(?P<code>\d{3}) [A-Z][\w -]+|HTTP code (?P<curl>\d{3}) from proxy|tunnel failed, response (?P<tunnel>\d{3})"
)
_LOGIN = re.compile(r"Authentication Required|\b407\b")
_NO_WEBSOCKET = "proxy: unknown scheme"
_NO_STREAM = Fix(
    "write http:// in front of the proxy's address, or let kubectl take the older way:",
    commands=("export KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false KUBECTL_PORT_FORWARD_WEBSOCKETS=false",),
)


def check(facts: Facts) -> Finding | None:
    """A CONNECT that was answered with something else than 200, a 407, or a proxy that could not be reached."""
    exchange = facts.exchange
    response, failure = exchange.response, exchange.failure
    server = answer.server(facts) or "the API server"
    websocket = failure is not None and _NO_WEBSOCKET in failure.message
    if failure is not None:
        if not before_proxy(facts):
            return None
        found = evidence.failure(facts)
        login = bool(_LOGIN.search(failure.message))
        unreached = bool(_UNREACHED.search(failure.message)) and not _SAID.search(failure.message)
        refused = not unreached
        what = (
            f"did not open the way to {server}: {_said(failure.message)}"
            if refused
            else (f"for {server} could not be used")
        )
        what = "asks for a login" if login else what
        if websocket:
            what = "is spoken to in TLS, over which client-go opens no WebSocket"
    elif response is not None and (response.status == 407 or (exchange.tunnel and response.status >= 300)):
        found = evidence.answer(facts)
        login = response.status == 407
        refused = True
        said = f"{response.status} {response.reason}".strip()
        what = "asks for a login" if login else f"did not open the way to {server}: {said}"
    else:
        return None
    host = answer.server(facts).rpartition(":")[0].strip("[]") or "HOST"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.FORWARD_PROXY,
        step=RULE.step,
        summary=f"The forward proxy {what}.",
        evidence=(found, *evidence.response_header(facts, "Proxy-Authenticate")),
        fix=(
            Fix("see which proxy is in effect:", commands=("env | grep -i _proxy", "kubectl config view --minify")),
            Fix(
                "go around it for this cluster:",
                commands=(f"export NO_PROXY=$NO_PROXY,{shlex.quote(host)}",),
            ),
            _NO_STREAM if websocket else _way_out(server, login=login, there=refused),
        ),
    )


def _said(message: str) -> str:
    """The proxy's own words; Go leaves nothing but them."""
    found = _SAID.search(message)
    return found[0] if found else " ".join(message.split())[:120]


def _way_out(server: str, *, login: bool, there: bool) -> Fix:
    if login:
        return Fix("put user and password into the proxy's URL")
    if there:
        return Fix(f"have {server} allowed", by="whoever runs the proxy")
    return Fix("correct the proxy's address, or start the proxy")


RULE = Rule(id="network-proxy-refused", category=Category.NETWORK, step=Step.CONNECTION, check=check)
