"""The API server could not read the object as what it claims to be.

What you see
    Error from server (BadRequest): error when creating "web.yaml": Deployment in version "v1" cannot be handled as a
    Deployment: strict decoding error: unknown field "spec.replica"

Why it happens
    A field name is misspelled, in the wrong place or of another version; a field is given twice; or a value has
    the wrong type (a number in quotes, a string where a list belongs). kubectl asks for strict reading since
    1.25; other clients may not, and get a warning instead.

What to do
    Correct the fields named below; kubectl explain shows the names and types.

References
    - https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_STRICT = re.compile(r"strict decoding|\b(?:unknown|duplicate) field \\?\"|ValidationError\(|error validating data")
_FIELD = re.compile(r'(?P<what>unknown|duplicate) field \\?"(?P<field>[^"\\]+)')
_UNREADABLE = re.compile(
    r"cannot be handled as a|the object provided is unrecognized|error decoding patch|couldn't get version/kind"
    r"|does not match the expected API version|unable to decode|json: cannot unmarshal|error parsing YAML|yaml: "
)
_TYPE = re.compile(
    r"cannot unmarshal (?P<is>\S+) into Go (?:struct field \S*?\.(?P<field>\S+)|value) of type (?P<wants>\S+)"
)


def check(facts: Facts) -> Finding | None:
    """A 400 about reading the body, and the 422 with which a patch says the same."""
    text = answer.said(facts)
    if answer.code(facts) not in (400, 422) or answer.from_policy(facts):
        return None
    strict = bool(_STRICT.search(text))
    if not strict and (answer.code(facts) == 422 or not _UNREADABLE.search(text)):
        return None
    fields = tuple(dict.fromkeys((found["what"], found["field"]) for found in _FIELD.finditer(text)))
    wrong = _TYPE.search(text)
    if fields:
        named = ", ".join(f"{what} field {field}" for what, field in fields[:4])
        summary = f"The object sent for {answer.thing(facts)} has what its type does not allow: {named}."
    elif wrong:
        where = f" at {wrong['field']}" if wrong["field"] else ""
        summary = (
            f"The object sent for {answer.thing(facts)} has a {wrong['is']}{where} where {wrong['wants']} belongs."
        )
    else:
        summary = f"The API server could not read what was sent for {answer.thing(facts)}."
    path = fields[0][1].partition("[")[0] if fields else ""
    explain = ".".join(part for part in (answer.typed(facts).partition(".")[0], path.rpartition(".")[0]) if part)
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=summary,
        evidence=(evidence.answer(facts), _said(facts, strict)),
        fix=(
            Fix(
                "correct the names; these exist:" if fields else "correct the object; its fields and types are:",
                commands=(shlex.join(["kubectl", "explain", explain or "TYPE"]),),
            ),
        ),
    )


def _said(facts: Facts, strict: bool) -> Evidence:
    """A patch's refusal begins with the whole object, which may be a Secret: only what comes after it."""
    text = answer.said(facts)
    place = text.find("strict decoding")
    if strict and place > 0:
        return Evidence(text[place:][:300], "response body, end of the message")
    return evidence.message(facts)


RULE = Rule(id="request-decoding", category=Category.REQUEST, step=Step.REQUEST, check=check)
