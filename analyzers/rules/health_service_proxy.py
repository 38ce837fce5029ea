"""The program behind a Service or pod could not be reached through the API server.

What you see
    Error from server (ServiceUnavailable): no endpoints available for service "web"
    Error from server (ServiceUnavailable): error trying to reach service: dial tcp 10.1.2.3:80: connect: connection
    refused

Why it happens
    The proxy subresource of services and pods passes requests on to a workload. The workload has no ready pod, does not
    listen on that port, or speaks TLS where plain HTTP was asked for. The API server is well.

What to do
    See whether the Service has endpoints and which port it names.

References
    - https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.rules import health_aggregated_api
from analyzers.webhook import why

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TEXT = re.compile(
    r"error trying to reach service: (?P<reason>.*)|^Error: '(?P<old>[^']*)'\s*Trying to reach: "
    r'|no endpoints available for service \\?"(?P<service>[^"\\]*)',
    re.DOTALL,
)


def check(facts: Facts) -> Finding | None:
    """A failed request to services/proxy or pods/proxy."""
    info, text = facts.request_info, answer.said(facts)
    found = _TEXT.search(text)
    if answer.code(facts) < 500 or found is None or "webhook" in text or answer.from_policy(facts):
        return None
    if info is not None and (info.resource not in ("services", "pods") or info.subresource != "proxy"):
        return None
    if info is None and health_aggregated_api.check(facts):
        return None
    named = info.name if info is not None else found["service"] or ""
    name = named.removeprefix("https:").removeprefix("http:").partition(":")[0]
    kind = info.resource.removesuffix("s") if info is not None else "service"
    namespace = answer.namespace(facts)
    scope = ("-n", namespace) if namespace else ()
    selector = f"kubernetes.io/service-name={name or 'SERVICE'}"
    look = ["kubectl", "get", "endpointslices", *scope, "-l", selector] if kind == "service" else [
        "kubectl", "get", "pod", name, *scope, "-o", "wide"
    ]  # fmt: skip
    what = f"{kind} {name}" if name else "what is behind its proxy"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"The API server could not reach {what}{f' in namespace {namespace}' if namespace else ''}: "
        f"it {why(found['reason'] or found['old'] or found[0])}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "see which pods are ready, and which port they listen on:",
                by=f"an administrator of namespace {namespace}" if namespace else "who runs that service",
                commands=(shlex.join(look),),
            ),
            *(
                (Fix(f"write the name as https:{name}:PORT if it speaks TLS, or {name}:PORT for another port"),)
                if name
                else ()
            ),
        ),
    )


RULE = Rule(id="health-service-proxy", category=Category.HEALTH, step=Step.PROCESSING, check=check)
