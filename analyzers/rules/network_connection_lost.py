"""The connection broke before the answer was complete.

What you see
    Unable to connect to the server: EOF
    error: read tcp 10.0.0.5:51234->10.0.0.1:6443: read: connection reset by peer
    http2: client connection lost
    http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR, debug=""
    unable to decode an event from the watch stream: http2: client connection lost
    unexpected error when reading response body. Please retry. Original error: unexpected EOF
    error: lost connection to pod

Why it happens
    Something on the way ended the connection: a load balancer's idle time-out, a NAT or VPN that forgot it, a
    laptop that slept, an API server that was restarted. A port-forward also ends so when its pod does.

What to do
    Try again. If long answers (watch, logs -f, exec) break after the same time each, it is an idle time-out on the way.

References
    - https://kubernetes.io/docs/tasks/debug/debug-cluster/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import connection_failed, server, silent, waited
from analyzers.rules import (
    auth_client_certificate_alert,
    auth_server_certificate_untrusted,
    network_dns,
    network_not_tls,
    network_refused,
    network_tls_failed,
    network_tls_timeout,
    network_unreachable,
)

if TYPE_CHECKING:
    from analyzers.facts import Facts

_OUT_OF_TIME = re.compile(r"deadline exceeded|Client\.Timeout|timed out", re.IGNORECASE)
_NARROWER = (
    auth_client_certificate_alert.check,
    auth_server_certificate_untrusted.check,
    network_dns.check,
    network_not_tls.check,
    network_refused.check,
    network_tls_failed.check,
    network_tls_timeout.check,
    network_unreachable.check,
)


def check(facts: Facts) -> Finding | None:
    """A connection that was made and broke, with the request on its way or the answer begun."""
    failure = facts.exchange.failure
    if failure is None or failure.phase not in ("request", "response"):
        return None
    if silent(facts) or waited(facts) or not connection_failed(facts):
        return None
    if any(narrower(facts) for narrower in _NARROWER):
        return None
    begun = failure.phase == "response"
    if "context canceled" in failure.message:  # the client's own will
        return None
    when = "while the answer was coming in" if begun else "before any answer came"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=Step.DELIVERY if begun else RULE.step,
        summary=(
            f"The client's time ran out while the answer of {server(facts)} was still coming in."
            if begun and _OUT_OF_TIME.search(failure.message)
            else f"The connection to {server(facts)} was lost {when}."
        ),
        evidence=(evidence.failure(facts), *evidence.asked(facts)),
        fix=(
            Fix("try again; a change may have been made although no answer came, so look before you repeat it"),
            Fix(
                "raise the idle time-out of the load balancer, NAT or VPN on the way, if it breaks after the same time "
                "again and again",
                by="your network's administrators",
            ),
        ),
    )


RULE = Rule(id="network-connection-lost", category=Category.NETWORK, step=Step.TRANSMISSION, check=check)
