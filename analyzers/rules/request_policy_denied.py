"""An admission policy of this cluster does not allow the request.

What you see
    The deployments "web" is invalid: : ValidatingAdmissionPolicy 'replica-limit' with binding
    'replica-limit-prod' denied request: failed expression: object.spec.replicas <= 5

Why it happens
    A ValidatingAdmissionPolicy or MutatingAdmissionPolicy holds expressions that every matching request must
    satisfy. The policy chooses the reason, so this may come as 422, 403, 401 or 413; it is neither a missing
    permission nor a login.

What to do
    Change the object so that the expression is true, or ask who wrote the policy.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_DENIED = re.compile(
    r"(?P<kind>ValidatingAdmissionPolicy|\bpolicy) '(?P<policy>[^']*)' with binding '(?P<binding>[^']*)' denied request"
    r"(?:: (?P<why>.*))?",
    re.DOTALL,
)
_BROKEN = re.compile(r"failed to configure (?:policy|binding): (?P<why>.*)", re.DOTALL)


def check(facts: Facts) -> Finding | None:
    """The words of the policy plugins, whatever the code; a webhook that quotes them has its own rule."""
    text = answer.said(facts)
    found, broken = _DENIED.search(text), _BROKEN.search(text)
    if answer.code(facts) < 400 or not (found or broken) or "admission webhook" in text:
        return None
    if found is None:
        summary = f"An admission policy that cannot be used stands in the way of {answer.thing(facts)}."
        fix = Fix("correct the policy or its binding, as the message says", by="a cluster administrator")
    else:
        validating = found["kind"] != "policy"
        why = " ".join((found["why"] or "").split()).rstrip(".")
        said = f": {why}" if why and len(why) <= 200 else ""
        summary = f"The admission policy {found['policy']} does not allow {answer.thing(facts)}{said}."
        kind = "validatingadmissionpolicy" if validating else "mutatingadmissionpolicy"
        fix = Fix(
            "see what the policy asks for, and where it is bound:",
            commands=(
                shlex.join(["kubectl", "get", kind, found["policy"], "-o", "yaml"]),
                shlex.join(["kubectl", "get", kind + "binding", found["binding"], "-o", "yaml"]),
            ),
        )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=summary,
        evidence=evidence.refused(facts),
        fix=(Fix("change the object as the message asks"), fix) if found else (fix,),
    )


RULE = Rule(id="request-policy-denied", category=Category.REQUEST, step=Step.ADMISSION, check=check)
