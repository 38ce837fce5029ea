"""The context, cluster or user that was asked for is not in the kubeconfig.

What you see
    error: context "prod" does not exist
    Error in configuration: context was not found for specified context: prod
    error: no server found for cluster "prod"

Why it happens
    The name is misspelled, stands in another file than those that are loaded, or was deleted while a context still
    names it.

What to do
    See which contexts, clusters and users are loaded, and choose one of them.

References
    - https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_MISSING = re.compile(
    r"\b(?P<kind>context|cluster|auth info|user) \"(?P<name>[^\"\n]*)\" (?:does not exist|was not found for context)"
    r"|context was not found for specified context: (?P<context>[^\n\]]*)"
    r"|no context exists with the name: \"(?P<use>[^\"\n]*)\""
    r"|no server found for cluster \"(?P<server>[^\"\n]*)\"|cannot (?:delete|rename) context \"?(?P<other>[^\"\s,]*)"
    r"|(?P<empty>(?:cluster|user) was not specified for context|(?:default )?cluster has no server defined)"
)


def check(facts: Facts) -> Finding | None:
    """client-go's words for a name that no loaded kubeconfig has."""
    found = _MISSING.search(printed(facts))
    if found is None:
        return None
    if found["server"] is not None:
        what = f"The kubeconfig names no server for cluster {found['server']}, or has no such cluster."
    elif found["empty"]:
        what = f"The kubeconfig is not complete: {found['empty']}."
    elif found["kind"]:
        kind = "user" if found["kind"] == "auth info" else found["kind"]
        what = f"There is no {kind} {found['name']} in the kubeconfig."
    else:
        name = next((value for value in (found["context"], found["use"], found["other"]) if value), "of that name")
        what = f"There is no context {name.strip()} in the kubeconfig."
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=what,
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "see what is loaded, and choose a context:",
                commands=("kubectl config get-contexts", "kubectl config use-context NAME"),
            ),
            Fix("name the file that has it, if it is in another one:", commands=("export KUBECONFIG=FILE",)),
        ),
    )


RULE = Rule(id="auth-kubeconfig-entry", category=Category.AUTH, step=Step.COMMAND, check=check)
