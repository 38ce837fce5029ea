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

_KUBELET_URL = (
    r'"?https?://(?P<host>[^"\s/]+)/(?:containerLogs|logs|exec|attach|portForward|stats|metrics|pods|runningpods)\b'
    r"(?:/(?P<namespace>[^/\"\s?]+)/(?P<pod>[^/\"\s?]+))?[^\"\s]*\"?"
)
_DIALING = re.compile(
    r"error dialing backend: (?P<dial>.*)"
    rf"|(?:Get|Post) {_KUBELET_URL}: (?P<get>.*)"
    r"|error trying to reach service: (?P<reach>.*)|(?P<agent>No agent available)|(?P<tunnel>proxy error from .*)",
    re.DOTALL | re.IGNORECASE,
)
_TUNNEL = re.compile(
    r"konnectivity|No agent available|proxy error from|ssh: rejected|DialTimeout|unable to dial through", re.I
)
_KUBELET_SUBRESOURCES = frozenset({"log", "exec", "attach", "portforward"})


def check(facts: Facts) -> Finding | None:
    """What the API server says when the leg to the kubelet fails."""
    info, text = facts.request_info, answer.told(facts)
    found = _DIALING.search(text)
    if not answer.failed(facts) or found is None or answer.from_policy(facts) or "webhook" in text:
        return None
    if 0 < answer.code(facts) < 500:
        return None
    node = info is not None and info.resource == "nodes" and info.subresource == "proxy"
    if info is None and found["reach"] is not None:
        return None  # could be any server behind the API server
    if info is not None and info.subresource not in _KUBELET_SUBRESOURCES and not node:
        return None
    reason = found["dial"] or found["get"] or found["reach"] or found["agent"] or found["tunnel"] or ""
    tunnel = bool(found["agent"] or found["tunnel"] or _TUNNEL.search(reason))
    unsigned = "tls: internal error" in reason
    problem = f"it {why(reason)}"
    if tunnel:
        problem = "the tunnel to the nodes (konnectivity) does not reach it"
    elif unsigned:
        problem = "it has no serving certificate, most likely because its request for one was not approved"
    pod = info.name if info is not None else found["pod"] or ""
    namespace = info.namespace if info is not None else found["namespace"] or ""
    whose = f"node {pod}" if node else f"the node of pod {pod}" if pod else "the pod's node"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.KUBELET,
        step=RULE.step,
        summary=f"The API server could not talk to the kubelet on {whose}: {problem}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("see which node it is, and whether it is ready:", commands=_look(pod, namespace, node)),
            _cure(tunnel, unsigned, reason, found["host"] or ""),
        ),
    )


def _look(pod: str, namespace: str, node: bool) -> tuple[str, ...]:
    scope = ["-n", namespace] if namespace else []
    wide = ["kubectl", "get", "node" if node else "pod", pod or "POD", *scope, "-o", "wide"]
    return shlex.join(wide), "kubectl get nodes -o wide"


def _cure(tunnel: bool, unsigned: bool, reason: str, host: str) -> Fix:
    by = "a cluster administrator"
    if tunnel:
        return Fix(
            "see that the tunnel's agents run on the nodes and reach the control plane:",
            by=by,
            commands=("kubectl get pods -A -o wide | grep -E 'konnectivity|tunnel|aks-link'",),
        )
    if unsigned:
        return Fix(
            "approve the kubelet's certificate request, and see why nobody approves them:",
            by=by,
            commands=("kubectl get certificatesigningrequests", "kubectl certificate approve NAME"),
        )
    if "x509: " in reason or "failed to verify certificate" in reason:
        return Fix("have the kubelet's serving certificate signed by the CA that the API server trusts "
                   "(--kubelet-certificate-authority), with the node's address in it", by=by)  # fmt: skip
    port = f"{host} from the control plane" if host else "port 10250 of that node from the control plane"
    return Fix(f"see that the kubelet runs, and that nothing between blocks {port}", by=by)


RULE = Rule(id="health-kubelet", category=Category.HEALTH, step=Step.PROCESSING, check=check)
