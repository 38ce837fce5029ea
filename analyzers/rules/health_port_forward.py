"""The node could not forward to the port inside the pod.

What you see
    an error occurred forwarding 8080 -> 80: error forwarding port 80 to pod …: failed to connect to localhost:80
    inside namespace "…": dial tcp4 127.0.0.1:80: connect: connection refused
    unable to do port forwarding: socat not found

Why it happens
    Your connection to the API server stands, and the kubelet took the request. Inside the pod nothing listens on
    127.0.0.1 at that port: another port, a program that is still starting or listens on its pod address only. Or an
    older container runtime lacks a program that it needs on the node (socat, nsenter).

What to do
    See which port the container listens on; have the missing program installed on the node.

References
    - https://kubernetes.io/docs/tasks/access-application-cluster/port-forward-access-application-cluster/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_FORWARDING = re.compile(
    r"an error occurred forwarding (?P<local>\d+) -> (?P<remote>\d+): (?P<why>.*)"
    r"|unable to do port forwarding: (?P<tool>\S+) not found"
    r"|error creating (?:error|forwarding) stream for port (?P<from>\d+) -> (?P<to>\d+): (?P<slow>.*)"
    r"|error forwarding port (?P<port>\d+) to pod (?P<other>.*)",
    re.DOTALL,
)
_CLOSED = re.compile(r"connection refused|failed to connect to localhost")


def check(facts: Facts) -> Finding | None:
    """What the node answered on the error stream of a forwarded port, as it went by or as kubectl reports it."""
    failure, response = facts.exchange.failure, facts.exchange.response
    if failure is not None:
        message = failure.message if failure.phase != "mitmkube" else ""
    else:
        message = answer.said(facts) if response is not None and response.status == 101 else ""
    found = _FORWARDING.search(message)
    if found is None:
        return None
    port = found["remote"] or found["port"] or found["to"] or ""
    why = found["why"] or found["other"] or found["slow"] or ""
    tool = found["tool"] or next((name for name in ("socat", "nsenter") if f"{name} not found" in why), "")
    if tool:
        summary = f"The node cannot forward ports, because {tool} is not installed there."
        fix = Fix(
            f"install {tool} on the node, or use a container runtime that needs none", by="a cluster administrator"
        )
    elif _CLOSED.search(why):
        summary = f"Inside the pod nothing listens on port {port}: the connection was refused there."
        fix = Fix(
            "see which ports the containers listen on, and forward one of those:",
            commands=("kubectl describe pod POD",),
        )
    else:
        summary = (
            f"The node could not forward to port {port} of the pod." if port else "The node could not forward the port."
        )
        fix = Fix("see whether the pod still runs, then start port-forward again:", commands=("kubectl get pods",))
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.KUBELET,
        step=RULE.step,
        summary=summary,
        evidence=evidence.own_words(facts) if failure is not None else evidence.refused(facts),
        fix=(fix,),
    )


RULE = Rule(id="health-port-forward", category=Category.HEALTH, step=Step.PROCESSING, check=check)
