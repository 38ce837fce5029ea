"""The object breaks the rules of its type.

What you see
    The Deployment "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0

Why it happens
    The API server checks every object against its type: required fields, permitted values, fields that may not change
    after creation (immutable). The user was allowed to, and mutating admission had passed.

What to do
    Correct the fields named below; kubectl explain says what they may hold. For an immutable field delete the
    object and make it again.

References
    - https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.rules import network_foreign_answer, request_decoding

if TYPE_CHECKING:
    from analyzers.facts import Facts

_NARROWER = (network_foreign_answer.check, request_decoding.check)
_MOST = 8


def check(facts: Facts) -> Finding | None:
    """A 422 of the API server's own validation."""
    if answer.code(facts) != 422 or answer.from_policy(facts) or any(narrower(facts) for narrower in _NARROWER):
        return None
    status, info = facts.status, facts.request_info
    causes = status.causes if status is not None else ()
    fields = tuple(dict.fromkeys(cause.field for cause in causes if cause.field and cause.field != "<nil>"))
    kind = status.details.kind if status is not None else ""
    name = (status.name if status is not None else "") or (info.name if info is not None else "")
    what = f"{kind} {name}".strip() or answer.thing(facts)
    if kind.endswith("Options"):
        summary = f"The options of the request are invalid: {', '.join(fields) or 'see the message'}."
    elif len(fields) == 1 and len(causes) == 1:
        summary = f"{what} is invalid: {fields[0]}: {_first_line(evidence.without_values(facts, causes[0].message))}."
    elif fields:
        summary = (
            f"{what} is invalid in {len(fields)} fields: {', '.join(fields[:4])}{' …' if len(fields) > 4 else ''}."
        )
        if len(fields) == 1:
            summary = f"{what} is invalid in {len(causes)} ways at {fields[0]}."
    else:
        summary = f"{what} is invalid."
    shown = tuple(
        Evidence(
            evidence.without_values(facts, f"{cause.field}: {cause.message}").removeprefix(": "),
            "response body, causes",
        )
        for cause in causes
    )
    explain = (
        f"{answer.typed(facts).partition('.')[0]}.{fields[0].partition('[')[0]}"
        if fields and info and not kind.endswith("Options")
        else ""
    )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=summary,
        evidence=(evidence.answer(facts), *(shown[:_MOST] or (evidence.message(facts),))),
        fix=(
            Fix(
                "correct the fields; what they may hold:" if explain else "correct what the message names",
                commands=(shlex.join(["kubectl", "explain", explain]),) if explain and " " not in explain else (),
            ),
            *(
                (Fix("the field cannot be changed: delete the object and make it again, or undo the change"),)
                if any("immutable" in cause.message or "may not change" in cause.message for cause in causes)
                else ()
            ),
        ),
    )


def _first_line(text: str) -> str:
    line = text.partition("\n")[0].rstrip(".")
    return line if len(line) <= 160 else line[:160] + " …"


RULE = Rule(id="request-invalid", category=Category.REQUEST, step=Step.VALIDATION, check=check)
