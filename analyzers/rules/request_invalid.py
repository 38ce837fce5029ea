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

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step
from analyzers.rules import network_foreign_answer, request_decoding

if TYPE_CHECKING:
    from analyzers.facts import Facts

_NARROWER = (network_foreign_answer.check, request_decoding.check)
_MOST = 8
# In the message alone: ``spec.replicas: Invalid value: -1: …``.
_FIELD = re.compile(
    r"(?:^|[\s\[(*])((?:metadata|spec|status|data|template|[a-z]\w*)(?:\.\w+|\[[^\]]*\])*): "
    r"(?:Not found|Required value|Duplicate value|Invalid value|Unsupported value|Forbidden|Too \w+)"
)

_IMMUTABLE = re.compile(
    r"immutable|may not (?:change|be changed)|updates to \w+ spec for fields other than|updates may not change fields"
)


def check(facts: Facts) -> Finding | None:
    """A 422 of the API server's own validation."""
    if answer.code(facts) != 422 or answer.from_policy(facts) or any(narrower(facts) for narrower in _NARROWER):
        return None
    status, info = facts.status, facts.request_info
    causes = status.causes if status is not None else ()
    fields = tuple(dict.fromkeys(cause.field for cause in causes if cause.field and cause.field != "<nil>"))
    about = answer.subject(facts)
    kind = (status.details.kind if status is not None else "") or (about.kind if about is not None else "")
    name = (status.name if status is not None else "") or (info.name if info is not None else "")
    what = f"{kind} {name}".strip() if kind[:1].isupper() else answer.thing(facts)
    if not causes:
        fields = tuple(dict.fromkeys(_FIELD.findall(answer.said(facts))))
    patch = fields == ("patch",) or (not fields and "due to an error in our request" in answer.said(facts))
    if kind.endswith("Options"):
        summary = f"The options of the request are invalid: {', '.join(fields) or 'see the message'}."
    elif len(fields) == 1 and len(causes) == 1:
        summary = f"{what} is invalid: {fields[0]}: {_first_line(evidence.without_values(facts, causes[0].message))}."
    elif len(fields) == 1 and not causes:
        summary = f"{_capital(what)} is invalid: {_first_line(_said(facts))}."
    elif fields:
        summary = (
            f"{what} is invalid in {len(fields)} fields: {', '.join(fields[:4])}{' …' if len(fields) > 4 else ''}."
        )
        if len(fields) == 1:
            summary = f"{what} is invalid in {len(causes)} ways at {fields[0]}."
    elif patch and not causes:
        summary = f"The patch does not apply to {answer.thing(facts)}: what it tests, removes or replaces is not there."
    else:
        summary = f"{_capital(what)} is invalid{f': {said}' if (said := _first_line(_said(facts))) else ''}."
    shown = tuple(
        Evidence(
            evidence.without_values(facts, f"{cause.field}: {cause.message}").removeprefix(": "),
            "response body, causes",
        )
        for cause in causes
    )
    explain = (
        f"{answer.typed(facts).partition('.')[0]}.{fields[0].partition('[')[0].lstrip('.')}"
        if fields and not patch and answer.typed(facts) and not kind.endswith("Options")
        else ""
    )
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        # A patch is applied before anything is validated.
        step=Step.REQUEST if patch else RULE.step,
        summary=summary,
        evidence=(evidence.answer(facts), *(shown[:_MOST] or (evidence.message(facts),))),
        fix=_more(facts)
        or (
            Fix(
                "correct the fields; what they may hold:"
                if explain
                else "correct the patch after a look at the object as it is:"
                if patch
                else "correct what the message names",
                commands=(shlex.join(["kubectl", "explain", explain]),)
                if explain and " " not in explain
                else (answer.lookup(facts, "-o", "yaml"),)
                if patch
                else (),
            ),
        ),
    )


def _more(facts: Facts) -> tuple[Fix, ...]:
    text = answer.said(facts)
    if "must be specified for an update" in text:
        return (
            Fix("read the object first and send its metadata.resourceVersion along, or use kubectl apply or patch"),
        )
    if _IMMUTABLE.search(text):
        return (Fix("the field cannot be changed: delete the object and make it again, or undo the change"),)
    if "already allocated" in text:
        return (Fix("choose another port or address, or leave it out and get a free one:",
                    commands=("kubectl get services -A",)),)  # fmt: skip
    return ()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _said(facts: Facts) -> str:
    """The message behind ``… is invalid:``."""
    text = evidence.without_values(facts, answer.said(facts))
    return text.partition(" is invalid: ")[2] or text


def _first_line(text: str) -> str:
    line = text.partition("\n")[0].rstrip(".")
    return line if len(line) <= 160 else line[:160] + " …"


RULE = Rule(id="request-invalid", category=Category.REQUEST, step=Step.VALIDATION, check=check)
