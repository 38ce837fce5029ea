"""The kubelet refuses the API server, which asked on the user's behalf.

What you see
    Error from server (Forbidden): Forbidden (user=kube-apiserver-kubelet-client, verb=get, resource=nodes,
    subresource(s)=[proxy]) ( pods/log web)

Why it happens
    For logs, exec, attach and port-forward the API server asks the kubelet, with a client certificate of its own. The
    kubelet asks the API server whether that user may, and the answer was no. The permissions of the person who typed
    the command do not matter here.

What to do
    Bind the ClusterRole system:kubelet-api-admin to the user named in the message.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_KUBELET = re.compile(
    r"Forbidden \(user=(?P<user>.*?), verb=(?P<verb>[^,]*), resource=(?P<resource>[^,]*), ?"
    r"subresource(?:\(s\))?=\[?(?P<sub>[^\])]*)"
)


def check(facts: Facts) -> Finding | None:
    """The kubelet's own words, bare or retold by the API server."""
    found = _KUBELET.search(answer.said(facts))
    if answer.code(facts) < 400 or found is None:
        return None
    grant = ["kubectl", "create", "clusterrolebinding", "kubelet-api-admin", "--clusterrole=system:kubelet-api-admin"]
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.KUBELET,
        step=RULE.step,
        summary=f"The kubelet refuses {found['user']}, as whom the API server asks it, the verb {found['verb']} on "
        f"{found['resource']}/{found['sub']}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "grant the API server's user what it needs of kubelets:",
                by="a cluster administrator",
                commands=(shlex.join([*grant, f"--user={found['user']}"]),),
            ),
        ),
    )


RULE = Rule(id="rbac-kubelet-forbidden", category=Category.RBAC, step=Step.AUTHORIZATION, check=check)
