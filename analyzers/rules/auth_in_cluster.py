"""A program took itself to run in a pod, and found no service account to log in with.

What you see
    unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined
    open /var/run/secrets/kubernetes.io/serviceaccount/token: no such file or directory

Why it happens
    The program was started outside of a cluster and was given no kubeconfig; or it runs in a pod with
    automountServiceAccountToken: false, in a container that was started by hand, or with its environment cleared.

What to do
    Outside, name a kubeconfig. Inside, let the pod's service account token be mounted.

References
    - https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_OUTSIDE = re.compile(
    r"unable to load in-cluster config|KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined"
    r"|Service host/port is not set|Service host/port is set but empty"
)
_NO_TOKEN = re.compile(
    r"/?(?:var/)?run/secrets/kubernetes\.io/serviceaccount/token\b|Service token file does not exist"
)


def check(facts: Facts) -> Finding | None:
    """The words of client-go and of the Python client for a missing service account."""
    text = printed(facts)
    outside = bool(_OUTSIDE.search(text))
    if not outside and not _NO_TOKEN.search(text):
        return None
    what = "does not run in a pod" if outside else "runs in a pod without a service account token"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The program wanted to log in as its pod's service account, but {what}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("outside of a cluster, name a kubeconfig:", commands=("export KUBECONFIG=~/.kube/config",)),
            Fix("in a pod, set automountServiceAccountToken: true for the pod or its service account"),
        ),
    )


RULE = Rule(id="auth-in-cluster", category=Category.AUTH, step=Step.CREDENTIALS, check=check)
