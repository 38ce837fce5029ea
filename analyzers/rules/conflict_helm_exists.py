"""What Helm wants to create exists already: the release itself, or an object that is not this release's.

What you see
    Error: INSTALLATION FAILED: cannot re-use a name that is still in use
    Unable to continue with install: Service "web" in namespace "prod" exists and cannot be imported into the current
    release: invalid ownership metadata; label validation error: missing key "app.kubernetes.io/managed-by"

Why it happens
    Helm looks before it creates. The name of a release stays taken until it is uninstalled, also after a failed
    install; and an object that another release or another tool made is not overwritten.

What to do
    Upgrade the release that is there; delete the object, or hand it over to this release.

References
    - https://helm.sh/docs/helm/helm_install/
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

_NAME = "cannot re-use a name that is still in use"
_OBJECT = re.compile(
    r"\b(?P<kind>[A-Z]\w+) \"(?P<name>[^\"\n]+)\" in namespace \"(?P<namespace>[^\"\n]*)\" "
    r"exists and cannot be imported"
    r"|rendered manifests contain a (?:new )?resource that already exists|invalid ownership metadata"
)


def check(facts: Facts) -> Finding | None:
    """Helm's own checks before it writes."""
    text = printed(facts)
    found = _OBJECT.search(text)
    if found is None and _NAME not in text:
        return None
    fixes: tuple[Fix, ...]
    if found is None:
        summary = "A release of this name exists already."
        fixes = (
            Fix("see it, also where its install had failed:", commands=("helm list --all --all-namespaces",)),
            Fix("upgrade it instead:", commands=("helm upgrade --install RELEASE CHART -n NAMESPACE",)),
        )
    else:
        kind, name, namespace = found["kind"] or "TYPE", found["name"] or "NAME", found["namespace"] or ""
        scope = ["-n", namespace] if namespace else []
        place = f" in namespace {namespace}" if namespace else ""
        what = f"{kind} {name}{place}" if found["kind"] else "An object of the chart"
        summary = f"{what} exists already and belongs to another release or to no release."
        typed = [kind.lower(), name, *scope]
        fixes = (
            Fix("see whose it is:", commands=(shlex.join(["kubectl", "get", *typed, "-o", "yaml"]),)),
            Fix(
                "hand it over to this release:",
                commands=(
                    shlex.join(["kubectl", "label", *typed, "app.kubernetes.io/managed-by=Helm"]),
                    shlex.join(
                        [
                            "kubectl",
                            "annotate",
                            *typed,
                            "meta.helm.sh/release-name=RELEASE",
                            "meta.helm.sh/release-namespace=NAMESPACE",
                        ]
                    ),
                ),
            ),
        )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=summary,
        evidence=evidence.refused(facts),
        fix=fixes,
    )


RULE = Rule(id="conflict-helm-exists", category=Category.CONFLICT, step=Step.STORAGE, check=check)
