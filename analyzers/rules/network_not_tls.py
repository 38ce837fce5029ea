"""The server speaks, but not TLS: an https address that leads to a plain-HTTP server, or to no web server at all.

What you see
    Unable to connect to the server: http: server gave HTTP response to HTTPS client
    Unable to connect to the server: tls: first record does not look like a TLS handshake
    net/http: HTTP/1.x transport connection broken: malformed HTTP response "\\x15\\x03\\x01\\x00\\x02\\x02"

Why it happens
    The kubeconfig says https and the port speaks plain HTTP (kubectl proxy, a local test server, a captive portal), or
    something that is no web server (an SSH or database port).

What to do
    Correct the port, or write http:// where a plain-HTTP server is meant. Clients send no credentials over plain HTTP.

References
    - https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import connection_failed, server_first

if TYPE_CHECKING:
    from analyzers.facts import Facts

_HTTP = re.compile(r"server gave HTTP response to HTTPS client|http request|HTTP_REQUEST")
_NOT_TLS = re.compile(
    r"first record does not look like a TLS handshake|wrong.version.number|oversized record|packet length"
    r"|SSL23_GET_SERVER_HELLO:unknown protocol|record.layer.failure|Unsupported or unrecognized SSL message"
    r"|plaintext connection\?|InvalidContentType",
    re.IGNORECASE,
)
_NOT_HTTP = re.compile(r"malformed HTTP (?:response|status|version)|bad response line|Parse Error: Expected HTTP/")


def check(facts: Facts) -> Finding | None:
    """Go's and OpenSSL's words for a peer that answered something else."""
    problem = connection_failed(facts)
    plain = bool(_HTTP.search(problem))
    other = bool(_NOT_HTTP.search(problem))
    if not plain and not other and not _NOT_TLS.search(problem):
        return None
    server = server_first(facts)
    speaks = "speaks plain HTTP" if plain else "does not speak TLS"
    what = f"{server} {speaks}, and the kubeconfig says https."
    if other:
        what = f"{server} sent an answer that is no HTTP."
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=what,
        evidence=(evidence.failure(facts),),
        fix=(
            Fix(
                "see which server the context names, and correct host or port:",
                commands=("kubectl config view --minify",),
            ),
            *(
                (Fix("write http:// if a plain-HTTP server such as kubectl proxy is meant; it gets no credentials"),)
                if plain
                else ()
            ),
        ),
    )


RULE = Rule(id="network-not-tls", category=Category.NETWORK, step=Step.CONNECTION, check=check)
