"""The API server failed inside, and no other rule knows the reason.

What you see
    Error from server (InternalError): Internal error occurred: …
    Error from server (InternalError): an error on the server ("…") has prevented the request from succeeding

Why it happens
    Any Go error that the API server did not expect becomes a 500. Its text is all there is; more stands in its log.

What to do
    Read the text; try again once; look into the API server's log at that time.

References
    - https://kubernetes.io/docs/tasks/debug/debug-cluster/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.rules import (
    conflict_expired,
    conflict_future_version,
    conflict_other,
    health_aggregated_api,
    health_authorizer,
    health_check_failing,
    health_etcd,
    health_kubelet,
    health_no_backend,
    health_port_forward,
    health_service_proxy,
    health_shutting_down,
    health_starting,
    health_timeout,
    health_webhook,
    network_foreign_answer,
    network_https_expected,
    rbac_kubelet_forbidden,
    request_container,
    request_decoding,
    request_disruption_budget,
    request_exec_target,
    request_policy_denied,
    request_refused,
    request_too_large,
    request_webhook_denied,
)

if TYPE_CHECKING:
    from analyzers.facts import Facts

_NARROWER = (
    conflict_expired.check,
    conflict_future_version.check,
    conflict_other.check,
    health_aggregated_api.check,
    health_authorizer.check,
    health_check_failing.check,
    health_etcd.check,
    health_kubelet.check,
    health_no_backend.check,
    health_port_forward.check,
    health_service_proxy.check,
    health_shutting_down.check,
    health_starting.check,
    health_timeout.check,
    health_webhook.check,
    network_foreign_answer.check,
    network_https_expected.check,
    rbac_kubelet_forbidden.check,
    request_container.check,
    request_decoding.check,
    request_disruption_budget.check,
    request_exec_target.check,
    request_policy_denied.check,
    request_refused.check,
    request_too_large.check,
    request_webhook_denied.check,
)

_UNAVAILABLE = re.compile(r"^service unavailable|currently unable to handle the request")
_AVAILABLE = Fix(
    "see which API is not available (False), and whether the API server is well:",
    commands=("kubectl get apiservices", "kubectl get --raw '/readyz?verbose'"),
)


def check(facts: Facts) -> Finding | None:
    """Every 5xx of an API server that nothing else explains."""
    code = answer.code(facts)
    if code < 500 or facts.exchange.tunnel or any(narrower(facts) for narrower in _NARROWER):
        return None
    audit = (Evidence(f"Audit-Id: {facts.audit_id}", "response header"),) if facts.audit_id else ()
    info = facts.request_info
    kubelet = info is not None and info.subresource in ("log", "exec", "attach", "portforward")
    server = "kubelet" if kubelet else "API server"
    text = answer.said(facts)
    panic = "caused apiserver to panic" in text or "has panicked" in text
    what = "crashed while it handled" if panic else "failed inside while it handled"
    asked = f" for {answer.thing(facts)}" if facts.exchange.request.known else ""
    summary = f"The {server} {what} the request{asked} ({code})."
    fixes = (Fix("try again once"),)
    if code == 503 and _UNAVAILABLE.search(text):
        summary = (
            f"What serves the request{asked} is not available ({code}): an API that another program provides, or the "
        )
        summary += "API server itself."
        fixes = (_AVAILABLE,)
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.KUBELET if kubelet else Hop.API_SERVER,
        step=RULE.step,
        summary=summary,
        evidence=(*(found for found in evidence.refused(facts) if found.text), *audit),
        fix=(
            *fixes,
            Fix(
                f"look into the {server}'s log at that time"
                + (", for this Audit-Id in the audit log" if audit else ""),
                by="a cluster administrator",
            ),
        ),
    )


RULE = Rule(id="health-server-error", category=Category.HEALTH, step=Step.PROCESSING, check=check)
