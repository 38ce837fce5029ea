"""The API server took the request and did not finish it in time.

What you see
    Error from server (Timeout): Timeout: request did not complete within requested timeout - context deadline exceeded

Why it happens
    Something behind the API server did not answer: most often etcd (down, or without a leader), else a slow webhook, a
    slow aggregated API, or a list too large for the time. The answer does not say which.

What to do
    Look at the health checks, which name etcd if it is etcd. Look before you repeat a change: it may have been made.

References
    - https://kubernetes.io/docs/reference/using-api/health-checks/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.rules import (
    conflict_future_version,
    conflict_other,
    health_aggregated_api,
    health_authorizer,
    health_check_failing,
    health_etcd,
    health_kubelet,
    health_no_backend,
    health_webhook,
)

if TYPE_CHECKING:
    from analyzers.facts import Facts

_TIMEOUT = re.compile(
    r"did not complete within|unable to return a response in the time allotted|context deadline exceeded"
    r"|resource quota evaluation timed out"
)
_NARROWER = (
    conflict_future_version.check,
    conflict_other.check,
    health_aggregated_api.check,
    health_authorizer.check,
    health_check_failing.check,
    health_etcd.check,
    health_kubelet.check,
    health_no_backend.check,
    health_webhook.check,
)


def check(facts: Facts) -> Finding | None:
    """504 from the API server itself, or a 500 that says the deadline passed."""
    code, text = answer.code(facts), answer.said(facts)
    timed_out = code == 504 or (code == 500 and bool(_TIMEOUT.search(text)))
    if not timed_out or answer.foreign(facts) or answer.from_policy(facts):
        return None
    if any(narrower(facts) for narrower in _NARROWER):
        return None
    wait = facts.exchange.timing.wait
    waited = (Evidence(f"the answer came after {wait:.0f} s", "time to first byte"),) if wait and wait >= 1 else ()
    changes = facts.request_info is not None and facts.request_info.verb not in ("get", "list", "watch")
    unsure = " Whether the change was made is not known." if changes else ""
    culprit = "something behind it, most often etcd, did not answer"
    if "resource quota evaluation" in text:
        culprit = "it could not count the namespace's quotas, most often because etcd is slow"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"The API server did not finish in time; {culprit}.{unsure}",
        evidence=(*evidence.refused(facts), *waited),
        fix=(
            Fix(
                "see which check fails; [-]etcd means the database:",
                commands=("kubectl get --raw '/readyz?verbose'", "kubectl get --raw '/livez?verbose'"),
            ),
            *((Fix("look whether the change was made before you repeat it"),) if changes else ()),
            Fix(
                "if all checks pass, look for a slow webhook:",
                by="a cluster administrator",
                commands=("kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations",),
            ),
        ),
    )


RULE = Rule(id="health-timeout", category=Category.HEALTH, step=Step.PROCESSING, check=check)
