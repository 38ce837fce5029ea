"""The certificate authority that the kubeconfig names for the cluster cannot be read.

What you see
    error: unable to load root certificates: unable to parse bytes as PEM block

Why it happens
    certificate-authority names a file that is missing, empty or no PEM, or certificate-authority-data is damaged:
    cut off when it was copied, or encoded twice.

What to do
    Get the cluster's CA certificate again and put it into the kubeconfig.

References
    - https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_CA = re.compile(r"unable to (?:load root certificates|read certificate-authority)|unable to parse bytes as PEM block")


def check(facts: Facts) -> Finding | None:
    """kubectl's words for a CA that it cannot load, also where mitmkube says them in its place."""
    failure = facts.exchange.failure
    if failure is None or not _CA.search(failure.message):
        return None
    read = "kubectl config view --minify --raw -o jsonpath='{.clusters[0].cluster.certificate-authority-data}'"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The kubeconfig's certificate authority for {answer.server(facts) or 'the cluster'} cannot be read.",
        evidence=(evidence.failure(facts),),
        fix=(
            Fix("see whether it is a certificate:", commands=(f"{read} | base64 -d | openssl x509 -noout -subject",)),
            Fix("get the kubeconfig, or the CA certificate, again from whoever runs the cluster"),
        ),
    )


RULE = Rule(id="auth-ca-unusable", category=Category.AUTH, step=Step.COMMAND, check=check)
