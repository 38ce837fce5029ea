"""The API server could not reach the node's kubelet.

What you see
    Error from server: error dialing backend: dial tcp 10.0.1.7:10250: connect: connection refused
    Error from server: Get "https://10.0.1.7:10250/containerLogs/prod/web/web": dial tcp 10.0.1.7:10250: i/o timeout

Why it happens
    For logs, exec, attach, cp and port-forward the API server connects to the kubelet of the pod's node, in some
    clusters through a tunnel (konnectivity). The node is down, port 10250 is blocked, the kubelet's certificate
    does not fit, or the tunnel's agent does not run. Your own connection to the API server is fine.

What to do
    See whether the node is ready, and whether the control plane may reach its port 10250.

References
    - https://kubernetes.io/docs/concepts/architecture/control-plane-node-communication/
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

_DIALING = re.compile(
    r"error dialing backend: (?P<dial>.*)"
    r'|Get "?https?://[^"\s]+/(?:containerLogs|logs|exec|attach|portForward|stats|metrics|pods)\b[^"\s]*"?: (?P<get>.*)'
    r"|error trying to reach service: (?P<reach>.*)|(?P<agent>No agent available)|(?P<tunnel>proxy error from .*)",
    re.DOTALL | re.IGNORECASE,
)
_KUBELET_SUBRESOURCES = frozenset({"log", "exec", "attach", "portforward"})


def check(facts: Facts) -> Finding | None:
    """What the API server says when the leg to the kubelet fails."""
    info, found = facts.request_info, _DIALING.search(answer.said(facts))
    if answer.code(facts) < 500 or found is None or info is None or answer.from_policy(facts):
        return None
    node = info.resource == "nodes" and info.subresource == "proxy"
    if info.subresource not in _KUBELET_SUBRESOURCES and not node:
        return None
    reason = found["dial"] or found["get"] or found["reach"] or found["agent"] or found["tunnel"] or ""
    tunnel = (
        bool(found["agent"] or found["tunnel"])
        or "konnectivity" in reason
        or "No agent available" in reason
        or reason.startswith("proxy error")
    )
    problem = "the tunnel to the nodes (konnectivity) does not reach it" if tunnel else f"it {why(reason)}"
    whose = f"node {info.name}" if node else f"the node of pod {info.name}"
    scope = ["-n", info.namespace] if info.namespace else []
    wide = ["kubectl", "get", "node" if node else "pod", info.name, *scope, "-o", "wide"]
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.KUBELET,
        step=RULE.step,
        summary=f"The API server could not talk to the kubelet on {whose}: {problem}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("see which node it is, and whether it is ready:", commands=(shlex.join(wide), "kubectl get nodes")),
            Fix("see that the control plane may reach port 10250 of that node", by="a cluster administrator"),
        ),
    )


RULE = Rule(id="health-kubelet", category=Category.HEALTH, step=Step.PROCESSING, check=check)
