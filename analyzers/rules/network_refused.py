"""Nothing listens at the API server's address and port.

What you see
    The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?
    dial tcp 10.0.0.1:6443: connect: connection refused
    connect ECONNREFUSED 10.0.0.1:6443

Why it happens
    The machine is there and says that no program listens on this port: the API server is stopped or still starting,
    the port is wrong, a tunnel or a local cluster (kind, minikube) is down, or a firewall refuses instead of dropping.

What to do
    Start the cluster or the tunnel, or correct the server's address in the kubeconfig.

References
    - https://kubernetes.io/docs/tasks/debug/debug-cluster/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.reaching import connection_failed, place
from analyzers.rules import auth_no_kubeconfig, network_dns

if TYPE_CHECKING:
    from analyzers.facts import Facts

_REFUSED = re.compile(r"connection refused|actively refused|was refused|ECONNREFUSED|ConnectionRefused", re.IGNORECASE)
_NARROWER = (auth_no_kubeconfig.check, network_dns.check)


def check(facts: Facts) -> Finding | None:
    """A refused TCP connection to the API server; to a forward proxy or to kubectl's default it is another matter."""
    if not _REFUSED.search(connection_failed(facts)) or any(narrower(facts) for narrower in _NARROWER):
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"Nothing listens at {place(facts)}: the connection was refused.",
        evidence=(evidence.failure(facts),),
        fix=(
            Fix("see whether this is the server that you mean:", commands=("kubectl config view --minify",)),
            Fix("start the cluster, or the tunnel to it, if it is stopped"),
            Fix(
                "see whether the API server runs, on a control plane node:",
                by="a cluster administrator",
                commands=("crictl ps -a --name kube-apiserver",),
            ),
        ),
    )


RULE = Rule(id="network-refused", category=Category.NETWORK, step=Step.CONNECTION, check=check)
