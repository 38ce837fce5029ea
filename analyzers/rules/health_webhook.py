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
# How long the API server was going to wait; it makes the address longer and says nothing.
_QUERY = re.compile(r"\?timeout=[0-9a-z.]+")
_CERTIFICATE = re.compile(r"x509: |failed to verify certificate|remote error: tls")
_OTHER_NAME = re.compile(r"is valid for|IP SANs|not valid for any names|Common Name")
_GONE = re.compile(
    r"no endpoints available|connection refused|not found|no route to host|EOF|reset by peer|unreachable"
)
_SLOW = re.compile(r"timeout|timed out|deadline exceeded|request canceled", re.IGNORECASE)
_LOOKUP = re.compile(r"no such host|server misbehaving|lookup ")
_SERVICE = re.compile(r"^(?P<service>[^.]+)\.(?P<namespace>[^.]+)\.svc$")


def check(facts: Facts) -> Finding | None:
    """The words of the API server about a webhook that it could not ask."""
    found = _FAILED.search(answer.said(facts)) if answer.code(facts) >= 400 else None
    if found is None:
        return None
    conversion = found["name"] is None
    reason = (found["conversion"] if conversion else found["reason"]) or ""
    reason = _QUERY.sub("", reason)
    url = found_url["url"].rstrip(".,;:") if (found_url := _URL.search(reason)) else ""
    said = evidence.message(facts)
    called = f"The conversion webhook for {found['kind']}" if conversion else f"The webhook {found['name']}"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.WEBHOOK,
        step=Step.PROCESSING if conversion else RULE.step,
        summary=f"{called} {why(reason)}, and the API server must ask it.",
        evidence=(
            evidence.answer(facts),
            _without_limit(said),
        ),
        fix=(
            _cure(reason, url, conversion),
            _configuration(found["name"] or "", found["kind"] or ""),
        ),
    )


def _without_limit(said: Evidence) -> Evidence:
    text = _QUERY.sub("", said.text)
    return said if text == said.text else Evidence(text, f"{said.where} without ?timeout")


def _cure(reason: str, url: str, conversion: bool) -> Fix:
    """What is to be done depends on how it failed: whom its certificate names, how long it takes, where it is."""
    service, namespace = _service(url)
    called = f"service {service}" if service else url or "the webhook"
    settings = "spec.conversion.webhook.clientConfig" if conversion else "its clientConfig"
    pods, logs = _pods(service, namespace), _logs(service, namespace)
    by = f"an administrator of namespace {namespace}" if namespace else "a cluster administrator"
    if _CERTIFICATE.search(reason):
        commands: tuple[str, ...] = (f"kubectl get secrets,pods -n {namespace}",) if namespace else ()
        if "expired" in reason or "not yet valid" in reason:
            text = f"renew the certificate of {called}; where it is kept"
        elif _OTHER_NAME.search(reason):
            text = f"give {called} a certificate for {urlsplit(url).hostname or 'its address'}; where it is kept"
        else:
            commands, by = (), "a cluster administrator"
            text = (
                f"put the CA that signed the certificate of {called} into the caBundle of {settings}; what installed "
                "the webhook (cert-manager's cainjector, Helm, an operator) ought to keep it current"
            )
    elif _GONE.search(reason):
        text, commands = f"bring {called} back: it needs a service, and pods of it that are ready", (*pods, *logs)
        if not service:
            text = f"see that {called} is up, and that the control plane reaches it"
    elif _SLOW.search(reason):
        text = (
            f"see in the log of {called} why it takes so long, and whether the control plane may reach its port, for a "
            "firewall stays silent; only then raise timeoutSeconds (at most 30)"
        )
        commands = (*pods, *logs)
    elif _LOOKUP.search(reason):
        text, commands, by = (
            f"correct the address in {settings}: the API server itself has to find it, with the control plane's DNS",
            (),
            "a cluster administrator",
        )
    else:
        text, commands = f"see in the log of {called} what it answered, and why", (*pods, *logs)
    return Fix(text + (":" if commands else ""), by=by, commands=commands)


def _service(url: str) -> tuple[str, str]:
    """Name and namespace of the Service that the address means, "" where it means none."""
    try:
        found = _SERVICE.match(urlsplit(url).hostname or "")
    except ValueError:
        found = None
    return (found["service"], found["namespace"]) if found is not None else ("", "")


def _pods(service: str, namespace: str) -> tuple[str, ...]:
    if not service:
        return ()
    selector = f"kubernetes.io/service-name={service}"
    return (
        f"kubectl get service {service} -n {namespace}",
        f"kubectl get endpointslices -n {namespace} -l {selector}",
        f"kubectl get pods -n {namespace}",
    )


def _logs(service: str, namespace: str) -> tuple[str, ...]:
    return (f"kubectl logs service/{service} -n {namespace} --since=15m",) if service else ()


def _configuration(webhook: str, kind: str) -> Fix:
    if not webhook:
        group = kind.partition(",")[0].rpartition("/")[0]
        named = f" of the group {group}" if group else ""
        return Fix(
            f"its settings are spec.conversion of the CustomResourceDefinition{named}:",
            by="a cluster administrator",
            commands=("kubectl get customresourcedefinitions" + (f" | grep {shlex.quote(group)}" if group else ""),),
        )
    return Fix(
        f"find the configuration that asks for {webhook}; failurePolicy: Ignore lets requests pass without it:",
        by="a cluster administrator",
        commands=(
            "kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations "
            "-o custom-columns='NAME:.metadata.name,WEBHOOKS:.webhooks[*].name'",
        ),
    )


RULE = Rule(id="health-webhook", category=Category.HEALTH, step=Step.ADMISSION, check=check)
