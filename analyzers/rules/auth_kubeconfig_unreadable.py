"""A kubeconfig file is missing, may not be read, or is no kubeconfig.

What you see
    error: stat /home/jane/.kube/prod: no such file or directory
    error: error loading config file "/etc/rancher/k3s/k3s.yaml": open /etc/rancher/k3s/k3s.yaml: permission denied
    error: error loading config file "/home/jane/.kube/config": yaml: line 7: mapping values are not allowed in this
    context

Why it happens
    --kubeconfig or KUBECONFIG names a file that is not there, that only root may read (as k3s writes it), or that was
    damaged: cut off, indented wrongly, two files pasted together, or another kind of YAML.

What to do
    Correct the path, take a copy that you may read, or mend the YAML.

References
    - https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_LOADING = re.compile(
    r"[Ee]rror loading config file \"(?P<file>[^\"\n]*)\": (?P<why>[^\n]*)"
    r"|(?P<trouble>(?:unable to read|failed to load|could not load) [^\n]{0,20}kube-?config[^\n]*)"
    r"|unable to load Kubernetes client configuration[^\n]*"
    r"|Invalid kube-config file(?!\. No configuration)[^\n]*"
)
# kubectl --kubeconfig of a file that is not there says no more than this.
_NOT_THERE = re.compile(
    r"\b(?:stat|CreateFile|GetFileAttributesEx) (?P<file>\S{0,300}(?:kube|config|\.ya?ml|\.conf)\S{0,200}): (?P<why>.+)"
)


def check(facts: Facts) -> Finding | None:
    """client-go's words for a file that it could not load."""
    text = printed(facts)
    found = _LOADING.search(text) or _NOT_THERE.search(text)
    if found is None:
        return None
    file = found.groupdict().get("file") or ""
    why = found.groupdict().get("why") or text
    if "permission denied" in why or "Access is denied" in why:
        what, fix = "may not be read by you", _own_copy(file)
    elif "no such file" in why or "cannot find" in why:
        what, fix = "is not there", Fix("name the right file:", commands=("export KUBECONFIG=FILE",))
    else:
        what = "cannot be read as one"
        fix = Fix(
            "mend the file, or have the platform write it anew:", commands=(f"less {shlex.quote(file or 'FILE')}",)
        )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The kubeconfig{f' {file}' if file else ''} {what}.",
        evidence=evidence.refused(facts),
        fix=(fix, Fix("see which files are in effect:", commands=("echo $KUBECONFIG", "ls -l ~/.kube/config"))),
    )


def _own_copy(file: str) -> Fix:
    name = shlex.quote(file or "FILE")
    return Fix(
        "take a copy that is yours, and name that one:",
        by="somebody who may read it",
        commands=(f"sudo install -o $USER -m 600 {name} ~/.kube/config", "export KUBECONFIG=~/.kube/config"),
    )


RULE = Rule(id="auth-kubeconfig-unreadable", category=Category.AUTH, step=Step.COMMAND, check=check)
