"""Server-side apply: another field manager owns fields that this one wants to change.

What you see
    error: Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas

Why it happens
    The API server remembers which manager set which field. Applying another value to a field that somebody else owns is
    a conflict: perhaps a controller (an autoscaler) sets it on purpose, perhaps it was set with another tool once.

What to do
    Take the field out of your manifest and leave it to its owner; or apply with --force-conflicts and take it over; or
    apply the owner's value, and share it.

References
    - https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from analyzers import answer, evidence, field_managers
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.decode.status import Cause
    from analyzers.facts import Facts

_MANAGER = re.compile(r'conflicts? with "(?P<manager>(?:[^"\\]|\\.)*)"')
_OWNER = re.compile(_MANAGER.pattern + r'(?: with subresource "(?P<subresource>[^"]*)")?')
# In the message alone: one conflict names its field at the end, several are listed.
_FIELD = re.compile(r"(?:^- |\" using [^\s:]+(?: at [^\s]+)?: |conflict with \"[^\"]*\": )(\.\S+)", re.MULTILINE)
_MOST = 8


def check(facts: Facts) -> Finding | None:
    """A 409 with a cause FieldManagerConflict for each field."""
    status = facts.status
    if status is None or answer.code(facts) != 409 or answer.from_policy(facts):
        return None
    causes = tuple(cause for cause in status.causes if cause.reason == "FieldManagerConflict")
    if not causes and "Apply failed with " not in status.message:
        return None
    managers = tuple(dict.fromkeys(_MANAGER.findall(" ".join([status.message, *(cause.message for cause in causes)]))))
    fields = tuple(dict.fromkeys(cause.field for cause in causes if cause.field)) or tuple(
        _FIELD.findall(status.message)
    )
    owner = f"The field manager{'s' if len(managers) > 1 else ''} {' and '.join(managers)}"
    owner = owner if managers else "Another field manager"
    owned = fields[0] if len(fields) == 1 else f"{len(fields)} fields" if fields else "fields"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"{owner} {'own' if len(managers) > 1 else 'owns'} {owned} of {answer.thing(facts)}, "
        "which this apply would change.",
        evidence=(
            evidence.answer(facts),
            *(Evidence(f"{cause.field}: {cause.message}", "response body, causes") for cause in causes[:_MOST]),
            *((evidence.message(facts),) if not causes else ()),
        ),
        fix=(
            *_advice(status.message, causes),
            Fix("leave the field out of your manifest, if its owner is meant to decide"),
            Fix("or take it over:", commands=(_again(facts),)),
            Fix("or apply the value that is there: then both own the field, and it stays as it is"),
            Fix("see who owns what:", commands=(answer.lookup(facts, "-o", "yaml", "--show-managed-fields"),)),
        ),
    )


def _advice(message: str, causes: tuple[Cause, ...]) -> tuple[Fix, ...]:
    """What the owners' names tell of them."""
    said = [(cause.message, cause.field) for cause in causes] or [(message, "")]
    found = [
        field_managers.advice(owner["manager"], field, owner["subresource"] or "")
        for text, field in said
        for owner in _OWNER.finditer(text)
    ]
    return tuple(dict.fromkeys(fix for fix in found if fix is not None))[:2]


def _again(facts: Facts) -> str:
    """The same apply, as the same field manager and in the same namespace, by force."""
    manager = parse_qs(facts.exchange.request.path.partition("?")[2]).get("fieldManager", ["kubectl"])[0]
    flag = [] if manager == "kubectl" else [f"--field-manager={manager}"]
    scope = answer.scope(facts).split()
    return shlex.join(["kubectl", "apply", "--server-side", "--force-conflicts", *flag, *scope, "-f", "FILE"])


RULE = Rule(id="conflict-apply", category=Category.CONFLICT, step=Step.STORAGE, check=check)
