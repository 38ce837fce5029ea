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
_BROKEN = re.compile(
    r"(?:(?P<kind>ValidatingAdmissionPolicy|\bpolicy) '(?P<policy>[^']*)'"
    r"(?: with binding '(?P<binding>[^']*)')?.{0,2000}?)?"
    r"(?:failed to configure (?P<part>policy|binding)|(?P<expression>expression '.{0,2000}?' resulted in error)): "
    r"(?P<why>.*)",
    re.DOTALL,
)


def check(facts: Facts) -> Finding | None:
    """The words of the policy plugins, whatever the code; a webhook that quotes them has its own rule."""
    text = answer.said(facts)
    found, broken = _DENIED.search(text), _BROKEN.search(text)
    if answer.code(facts) < 400 or not (found or broken) or "admission webhook" in text:
        return None
    if broken is not None:
        summary, fixes = _cannot_be_used(facts, broken)
    else:
        assert found is not None
        why = " ".join((found["why"] or "").split()).rstrip(".")
        said = f": {why}" if why and len(why) <= 200 else ""
        end = "" if said.endswith(("?", "!")) else "."
        summary = f"The admission policy {found['policy']} does not allow {answer.thing(facts)}{said}{end}"
        fixes = (
            Fix("change the object as the message asks"),
            Fix(
                "see what the policy asks for, and where it is bound:",
                commands=_look(found["kind"], found["policy"], found["binding"]),
            ),
        )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=summary,
        evidence=evidence.refused(facts),
        fix=fixes,
    )


def _cannot_be_used(facts: Facts, found: re.Match[str]) -> tuple[str, tuple[Fix, ...]]:
    """Its parameters or its expression fail, and the policy says that then nothing may pass."""
    why = " ".join(found["why"].split()).rstrip(".")
    named = f"The admission policy {found['policy']}" if found["policy"] else "An admission policy"
    summary = (
        f"{named} cannot be used and stands in the way of {answer.thing(facts)}{f': {why}' if len(why) <= 200 else ''}."
    )
    by = "a cluster administrator"
    repair = {
        "policy": "correct paramKind of the policy, or install the type that it names:",
        "binding": "make the object that paramRef of the binding names, or correct paramRef:",
    }.get(found["part"] or "", "correct the expression so that it holds for objects without those fields (has(…), ?.):")
    commands = _look(found["kind"] or "", found["policy"], found["binding"] or "")
    fix = Fix(repair, by=by, commands=commands)
    if found["expression"]:
        return summary, (Fix("give the object the field that the expression reads"), fix)
    return summary, (fix,)


def _look(kind: str, policy: str | None, binding: str) -> tuple[str, ...]:
    if not policy:
        return ("kubectl get validatingadmissionpolicies,validatingadmissionpolicybindings",)
    resource = "mutatingadmissionpolicy" if kind == "policy" else "validatingadmissionpolicy"
    found = [["kubectl", "get", resource, policy, "-o", "yaml"]]
    if binding:
        found.append(["kubectl", "get", f"{resource}binding", binding, "-o", "yaml"])
    return tuple(shlex.join(words) for words in found)


RULE = Rule(id="request-policy-denied", category=Category.REQUEST, step=Step.ADMISSION, check=check)
