"""An admission webhook looked at the request and said no.

What you see
    Error from server: error when creating "web.yaml": admission webhook "validation.gatekeeper.sh" denied the
    request: …

Why it happens
    A policy of this cluster, enforced by a webhook (Gatekeeper, Kyverno, an operator's own), does not allow the object.
    The webhook chooses the code and the reason, so this may come as 400, 403, 409 or anything else; it is neither a
    missing permission nor a conflict.

What to do
    Read the webhook's message: it is the policy's own. Change the object, or ask who runs the policy.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_DENIED = re.compile(
    r'admission webhook "(?P<name>[^"]*)" (?:denied the request(?:: (?P<why>.*)| without explanation)?'
    r"|(?P<dry>does not support dry run))",
    re.DOTALL,
)

# Known by the webhook's name or by how their messages begin.
_ENGINES = (
    (r"gatekeeper\.sh|^\S+ \[(?:denied by )?[a-z0-9][a-z0-9.-]*\] ", "Gatekeeper's", "kubectl get constraints"),
    (
        r"kyverno|was blocked due to the following policies",
        "Kyverno's",
        "kubectl get clusterpolicies.kyverno.io,policies.kyverno.io -A",
    ),
    (r"kubewarden", "Kubewarden's", "kubectl get clusteradmissionpolicies,admissionpolicies -A"),
)


def check(facts: Facts) -> Finding | None:
    """The API server's words around a webhook's no, whatever the code."""
    found = _DENIED.search(answer.said(facts)) if answer.code(facts) >= 400 else None
    if found is None:
        return None
    why = " ".join((found["why"] or "").split()).rstrip(". ")
    said = f": {why}" if why and len(why) <= 200 else ""
    what = answer.thing(facts)
    if found["dry"]:
        summary = f"The admission webhook {found['name']} cannot be asked in a dry run."
        fixes: tuple[Fix, ...] = (Fix("leave out --dry-run=server, or use --dry-run=client, which asks nobody"),)
    else:
        end = "" if said.endswith(("?", "!")) else "."
        summary = f"The admission webhook {found['name']} does not allow {what}{said}{end}"
        fixes = (
            Fix("change the object as the webhook's message asks"),
            _whose(f"{found['name']} {why}"),
        )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.WEBHOOK,
        step=RULE.step,
        summary=summary,
        evidence=evidence.refused(facts),
        fix=fixes,
    )


def _whose(text: str) -> Fix:
    for words, engine, command in _ENGINES:
        if re.search(words, text):
            return Fix(f"see what the policy says, and who may make an exception; it is {engine}:", commands=(command,))
    return Fix(
        "see whose webhook it is, and ask them:",
        commands=(
            "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations "
            "-o custom-columns='NAME:.metadata.name,WEBHOOKS:.webhooks[*].name'",
        ),
    )


RULE = Rule(id="request-webhook-denied", category=Category.REQUEST, step=Step.ADMISSION, check=check)
