"""The API server could not reach a webhook that must be asked.

What you see
    Error from server (InternalError): Internal error occurred: failed calling webhook "policy.example.com": failed to
    call webhook: Post "https://policy.policy-system.svc:443/validate?timeout=10s": no endpoints available for service
    "policy"

Why it happens
    A webhook with failurePolicy Fail stands in the way of every request that it matches. Its pods are down, its Service
    has no endpoints or does not exist, it is too slow, its certificate does not fit its caBundle (x509), or the control
    plane cannot reach the pod network.

What to do
    Bring the webhook's workload back. In an emergency an administrator removes or relaxes the webhook's configuration.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#failure-policy
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.webhook import why

if TYPE_CHECKING:
    from analyzers.facts import Facts

_FAILED = re.compile(
    r'failed calling (?:admission )?webhook \\?"(?P<name>[^"\\]*)\\?":? ?(?P<reason>.*)'
    r"|conversion webhook for (?P<kind>.+?) failed: (?P<conversion>.*)",
    re.DOTALL,
)
_URL = re.compile(r'"?(?P<url>https?://[^\s"\\]+)')
_SERVICE = re.compile(r"^(?P<service>[^.]+)\.(?P<namespace>[^.]+)\.svc$")


def check(facts: Facts) -> Finding | None:
    """The words of the API server about a webhook that it could not ask."""
    found = _FAILED.search(answer.said(facts)) if answer.code(facts) >= 400 else None
    if found is None:
        return None
    conversion = found["name"] is None
    reason = (found["conversion"] if conversion else found["reason"]) or ""
    url = found_url["url"].rstrip(".,;:") if (found_url := _URL.search(reason)) else ""
    called = f"The conversion webhook for {found['kind']}" if conversion else f"The webhook {found['name']}"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.WEBHOOK,
        step=Step.PROCESSING if conversion else RULE.step,
        summary=f"{called} {why(reason)}, and the API server must ask it.",
        evidence=(
            *evidence.refused(facts),
            *((Evidence(url.partition("?")[0], "response body, the webhook's address"),) if url else ()),
        ),
        fix=(*_look(url), _configuration(found["name"] or "")),
    )


def _look(url: str) -> tuple[Fix, ...]:
    try:
        service = _SERVICE.match(urlsplit(url).hostname or "")
    except ValueError:
        service = None
    if service is None:
        return (
            Fix(
                f"see that {url or 'the webhook'} is up and can be reached from the control plane",
                "a cluster administrator",
            ),
        )
    name, namespace = service["service"], service["namespace"]
    selector = shlex.quote(f"kubernetes.io/service-name={name}")
    return (
        Fix(
            f"see whether service {name} in namespace {namespace} has pods that are ready:",
            by=f"an administrator of namespace {namespace}",
            commands=(
                f"kubectl get service {name} -n {namespace}",
                f"kubectl get endpointslices -n {namespace} -l {selector}",
                f"kubectl get pods -n {namespace}",
            ),
        ),
    )


def _configuration(webhook: str) -> Fix:
    if not webhook:
        return Fix("find its settings in spec.conversion of the CustomResourceDefinition", by="a cluster administrator")
    return Fix(
        f"find the configuration that asks for {webhook}; failurePolicy: Ignore lets requests pass without it:",
        by="a cluster administrator",
        commands=(
            "kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations "
            "-o custom-columns='NAME:.metadata.name,WEBHOOKS:.webhooks[*].name'",
        ),
    )


RULE = Rule(id="health-webhook", category=Category.HEALTH, step=Step.ADMISSION, check=check)
