"""Helm has no release of this name to work on.

What you see
    Error: UPGRADE FAILED: "web" has no deployed releases
    Error: uninstall: Release not loaded: web: release: not found

Why it happens
    The name or the namespace is another one (releases live in namespaces since Helm 3), or the only install there
    ever was failed, so that no revision was ever deployed.

What to do
    List all releases, also failed ones; then install, or uninstall the failed one first.

References
    - https://helm.sh/docs/helm/helm_list/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_NONE = re.compile(
    r"\"?(?P<name>[\w.-]{1,80})\"? has no deployed releases|release: not found|Release not loaded: (?P<loaded>[\w.-]+)"
)


def check(facts: Facts) -> Finding | None:
    """Helm's words for a release that it does not find, or only as a failed one."""
    text = printed(facts)
    found = _NONE.search(text)
    if found is None:
        return None
    name = found["name"] or found["loaded"] or ""
    of = f" {name}" if name else " of this name"
    what = f"No revision of release{of} was ever deployed." if found["name"] else f"There is no release{of} here."
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=what,
        evidence=evidence.refused(facts),
        fix=(
            Fix(
                "see all releases, also failed ones and those of other namespaces:",
                commands=("helm list --all --all-namespaces",),
            ),
            *((_install(found["name"]),) if found["name"] else ()),
        ),
    )


def _install(name: str) -> Fix:
    return Fix(
        "take a failed first install away, if there is one, and install:",
        commands=(f"helm uninstall {name} -n NAMESPACE", f"helm upgrade --install {name} CHART -n NAMESPACE"),
    )


RULE = Rule(id="request-helm-release", category=Category.REQUEST, step=Step.COMMAND, check=check)
