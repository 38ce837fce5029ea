"""The request was meant for one particular object or version, and that is not there any more.

What you see
    Error from server (Conflict): Operation cannot be fulfilled on pods "web": StorageError: invalid object, Code: 4, …
    Precondition failed: UID in precondition: 1f0e…, UID in object meta: 77aa…
    Error from server (Conflict): Operation cannot be fulfilled on Pod "web": the UID in the precondition (…) does not
    match the UID in record (…). The object might have been deleted and then recreated

Why it happens
    A delete with preconditions, or a replacement that carries metadata.uid, holds for that object only. Meanwhile
    it was deleted, deleted and made again under the same name, or changed. An empty UID in the record means that
    it is gone.

What to do
    Look at what is there now, and decide again.

References
    - https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_PRECONDITION = re.compile(
    r"(?P<field>UID|ResourceVersion) in precondition: (?P<wanted>[^,\s]*), (?:UID|ResourceVersion) in object meta:"
    r" ?(?P<found>[^,\s]*)"
    r"|the (?P<field2>UID|ResourceVersion) in the precondition \((?P<wanted2>[^)]*)\) does not match the \w+ in record"
    r" \((?P<found2>[^)]*)\)"
)


def check(facts: Facts) -> Finding | None:
    """A 409 in the words of the storage's or of delete's own check."""
    text = answer.said(facts)
    found = _PRECONDITION.search(text)
    if answer.code(facts) != 409 or (found is None and "Precondition failed" not in text) or answer.from_policy(facts):
        return None
    field = (found["field"] or found["field2"]) if found else ""
    there = (found["found"] or found["found2"] or "") if found else ""
    what = answer.thing(facts)
    if field == "UID" and not there:
        summary = (
            f"{what[:1].upper()}{what[1:]} has been deleted already; the request was meant for the one that was there."
        )
    elif field == "UID":
        summary = (
            f"{what[:1].upper()}{what[1:]} has another UID than the request expects: most likely it was deleted and "
            "made again under the same name."
        )
    else:
        summary = f"{what[:1].upper()}{what[1:]} was changed since the request was prepared."
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=summary,
        evidence=evidence.refused(facts),
        fix=(
            Fix("look at what is there now, and decide again:", commands=(answer.lookup(facts, "-o", "yaml"),)),
            Fix("leave out metadata.uid (or the preconditions) if whatever has this name is meant"),
        ),
    )


RULE = Rule(id="conflict-precondition", category=Category.CONFLICT, step=Step.STORAGE, check=check)
