"""kubectl asked localhost:8080, its default when no kubeconfig says anything.

What you see
    The connection to the server localhost:8080 was refused - did you specify the right host or port?
    error: invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable
    Error: Kubernetes cluster unreachable: Get "http://localhost:8080/version": dial tcp [::1]:8080: connect: connection
    refused

Why it happens
    No kubeconfig was found, or the one found is empty or has no current context. Then kubectl has neither a server
    nor credentials, and asks http://localhost:8080, where hardly any API server has listened for years. Terraform's
    providers ask http://localhost in the same case.

What to do
    Name the kubeconfig (KUBECONFIG or --kubeconfig) or choose a context.

References
    - https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import address, connection_failed

if TYPE_CHECKING:
    from analyzers.facts import Facts


_NONE = re.compile(
    r"no configuration has been provided|Missing or incomplete configuration info|current-context is not set"
    r"|no context chosen|current context is not set|No configuration found|Config not found: "
    r"|Kubernetes cluster unreachable\s*$"
)
_REFUSED = re.compile(r"refused|Cannot connect|Failed to connect", re.IGNORECASE)
_DEFAULT = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\]):8080")
_TERRAFORM = re.compile(r"http://localhost(?::80)?/api")


def check(facts: Facts) -> Finding | None:
    """A refused connection to http://localhost:8080, and clients that say at once that they have no configuration."""
    said = bool(_NONE.search(printed(facts)))
    if not said and not (_asked_default(facts) and _REFUSED.search(connection_failed(facts))):
        return None
    who = "kubectl" if _of_kubectl(facts) else "the client"
    summary = f"No kubeconfig was in effect, so {who} asked its default, {_default(facts)}, where nothing listens."
    if said:
        summary = "No kubeconfig was in effect, or it names no current context, so the client knows no server to ask."
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=summary,
        evidence=evidence.refused(facts) if said else (evidence.failure(facts),),
        fix=(
            Fix(
                "see what kubectl has loaded, and choose a context or name the right file:",
                commands=("kubectl config get-contexts", "kubectl config use-context NAME", "export KUBECONFIG=FILE"),
            ),
        ),
    )


def _asked_default(facts: Facts) -> bool:
    """Whether the address is the one that client-go or Terraform takes where it was given none."""
    request = facts.exchange.request
    if facts.exchange.tunnel or not request.host:
        return bool(_DEFAULT.fullmatch(address(facts)))
    return request.url.startswith("http://localhost:8080/") or bool(_TERRAFORM.match(request.url))


def _of_kubectl(facts: Facts) -> bool:
    if facts.exchange.request.known:
        return not _TERRAFORM.match(facts.exchange.request.url)
    return connection_failed(facts).startswith("The connection to the server")


def _default(facts: Facts) -> str:
    return "localhost" if _TERRAFORM.match(facts.exchange.request.url) else "localhost:8080"


RULE = Rule(id="auth-no-kubeconfig", category=Category.AUTH, step=Step.COMMAND, check=check)
