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
    r"|error decoding YAML|error converting YAML to JSON|unexpected end of JSON input"
)
# Server-side apply reads the object by its schema, and answers 500 to what does not fit.
_TYPED = re.compile(
    r"failed to (?:create|convert) (?:typed )?(?:patch|live|merged|new) object.*?: (?P<errors>(?:errors:\s*)?\..*)",
    re.DOTALL,
)
_TYPED_FIELD = re.compile(
    r"(?<![\w\].-])(?P<field>\.(?:[^\s:\[]++|\[[^\]]*+\])++): "
    r"(?P<what>field not declared in schema|duplicate entries for key \[[^\]]*\]|expected [^\n]+)"
)
_TYPE = re.compile(
    r"cannot unmarshal (?P<is>\S+) into Go (?:struct field \S*?\.(?P<field>\S+)|value) of type (?P<wants>\S+)"
)
_KIND = re.compile(r"cannot be handled as a (\w+)|must be of type (\w+)|Kind=(\w+)")
_TWICE = re.compile(r'key "([^"]+)" already set in map')
_OTHER = re.compile(
    r'\b(?P<sent>[A-Z]\w*) in version "(?P<version>[^"]*)" cannot be handled as a (?P<wanted>\w+): '
    r"(?:converting|no kind)"
)
_VERSIONS = re.compile(
    r"API version in the data \((?P<sent>[^)]*)\) does not match the expected API version \((?P<wanted>[^)]*)\)"
)


def check(facts: Facts) -> Finding | None:
    """A 400 about reading the body, and the 422 with which a patch says the same."""
    text = answer.said(facts)
    typed = _TYPED.search(text)
    if answer.code(facts) not in (400, 422) and not (typed and answer.code(facts) == 500):
        return None
    if answer.from_policy(facts):
        return None
    strict = bool(_STRICT.search(text))
    if not strict and not typed and (answer.code(facts) == 422 or not _UNREADABLE.search(text)):
        return None
    fields = tuple(dict.fromkeys((found["what"], found["field"]) for found in _FIELD.finditer(text)))
    fields += tuple(("duplicate", key) for key in _TWICE.findall(text))
    wrong = _TYPE.search(text)
    other = _OTHER.search(text)
    misfits = tuple(_TYPED_FIELD.finditer(typed["errors"])) if typed else ()
    if misfits:
        named = "; ".join(f"{found['field']}: {found['what']}" for found in misfits[:4])
        summary = f"The object that was applied{_to(facts)} does not fit its type: {named}."
        fields = tuple(("unknown", found["field"].lstrip(".")) for found in misfits)
    elif fields:
        named = ", ".join(f"{what} field {field}" for what, field in fields[:4])
        summary = f"The object that was sent{_to(facts)} has what its type does not allow: {named}."
    elif wrong:
        where = f" at {wrong['field']}" if wrong["field"] else ""
        sent, wanted = _called(wrong["is"]), _called(wrong["wants"])
        summary = f"The object that was sent{_to(facts)} has {sent}{where} where {wanted} belongs."
    elif other:
        sent = f"a {other['sent']} of version {other['version']}"
        summary = f"What was sent is {sent}, and the request is about a {other['wanted']}."
        if other["sent"] == other["wanted"]:
            summary = f"The API server does not know {other['sent']} in version {other['version']}."
    elif versions := _VERSIONS.search(text):
        summary = f"The object's apiVersion is {versions['sent']}, and the request went to {versions['wanted']}."
    else:
        summary = f"The API server could not read what was sent{_to(facts)}."
    path = fields[0][1].partition("[")[0] if fields else ""
    kind = _KIND.search(text)
    what = answer.typed(facts).partition(".")[0] or (next(filter(None, kind.groups()), "").lower() if kind else "")
    explain = ".".join(part for part in (what, path.rpartition(".")[0]) if part and what)
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=summary,
        evidence=(evidence.answer(facts), _said(facts, strict)),
        fix=(
            _fix(
                bool(fields), all("duplicate" in found["what"] for found in misfits) and bool(misfits), other, explain
            ),
        ),
    )


def _fix(fields: bool, twice: bool, other: re.Match[str] | None, explain: str) -> Fix:
    if other is not None and other["sent"] != other["wanted"]:
        return Fix(
            "send the object to the address of its own type; kubectl create, apply and replace find that address"
        )
    if other is not None:
        return Fix("correct apiVersion; these versions are served:", commands=("kubectl api-versions",))
    if twice:
        return Fix("write each of them once: server-side apply tells the entries of a list apart by these keys")
    if not explain:
        return Fix(
            "correct the names of the fields" if fields else "correct what was sent: it has to be whole JSON or YAML"
        )
    return Fix(
        "correct the names; these exist:" if fields else "correct the object; its fields and types are:",
        commands=(shlex.join(["kubectl", "explain", explain]),),
    )


def _called(go_type: str) -> str:
    """A type of Go or JSON in words: ``int32`` is a whole number, ``[]v1.Container`` a list."""
    if go_type == "array" or go_type.startswith("[]"):
        return "a list"
    if go_type == "object" or go_type.startswith("map["):
        return "an object"
    if re.fullmatch(r"u?int\d*", go_type):
        return "a whole number"
    return {"bool": "true or false", "string": "a string", "number": "a number"}.get(go_type, f"an object ({go_type})")


def _to(facts: Facts) -> str:
    return f" for {answer.thing(facts)}" if facts.exchange.request.known else ""


def _said(facts: Facts, strict: bool) -> Evidence:
    """A patch's refusal begins with the whole object, which may be a Secret: only what comes after it."""
    text = answer.said(facts)
    place = text.find("strict decoding")
    if strict and place > 0:
        where = "response body, end of the message" if facts.exchange.request.known else "end of the message"
        return Evidence(text[place:][:300], where)
    return evidence.message(facts)


RULE = Rule(id="request-decoding", category=Category.REQUEST, step=Step.REQUEST, check=check)
