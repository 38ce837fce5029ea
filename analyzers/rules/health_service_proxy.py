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
from analyzers.webhook import why

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TEXT = re.compile(r"error trying to reach service: (?P<reason>.*)|no endpoints available for service", re.DOTALL)


def check(facts: Facts) -> Finding | None:
    """A failed request to services/proxy or pods/proxy."""
    info, found = facts.request_info, _TEXT.search(answer.said(facts))
    if answer.code(facts) < 500 or found is None or info is None or info.resource not in ("services", "pods"):
        return None
    if info.subresource != "proxy":
        return None
    name = info.name.removeprefix("https:").removeprefix("http:").partition(":")[0]
    kind = info.resource.removesuffix("s")
    scope = ("-n", info.namespace)
    selector = f"kubernetes.io/service-name={name}"
    look = ["kubectl", "get", "endpointslices", *scope, "-l", selector] if kind == "service" else [
        "kubectl", "get", "pod", name, *scope, "-o", "wide"
    ]  # fmt: skip
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"The API server could not reach {kind} {name} in namespace {info.namespace}: "
        f"it {why(found['reason'] or found[0])}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("see which pods are ready, and which port they listen on:", commands=(shlex.join(look),)),
            Fix(f"write the name as https:{name}:PORT if it speaks TLS, or {name}:PORT for another port"),
        ),
    )


RULE = Rule(id="health-service-proxy", category=Category.HEALTH, step=Step.PROCESSING, check=check)
